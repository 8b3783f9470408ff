"""Head tuning: a linear model of frozen states, on top of the calibrated prompt scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from fewshot.errors import TuningError
from fewshot.scoring import Encoded, PromptScorer
from fewshot.tuning.strategy import Tuning
from fewshot.tuning.task import Residual, TuningResult, TuningTask

__all__ = ["Head", "fit_residual", "head_features"]

_MAX_ITERATIONS = 1000


class Head(Tuning):
    """Learn a residual on the calibrated prompt scores; the encoder stays frozen.

    Class scores become ``scale * scores + states @ coef + intercept``, where states are those at
    the mask and their mean over the prompt. The fit is convex: multinomial logistic regression
    with an L2 penalty and the prompt scores as offset. With no labels worth speaking of the
    penalty leaves the prompt's own prediction, so tuning starts from what the model knows.

    Parameters
    ----------
    C : float, default=0.1
        Inverse strength of the penalty, as in scikit-learn's ``LogisticRegression``: features are
        standardised and divided by the root of their number.
    scale : float, default=1.0
        Factor of the prompt scores.

    Examples
    --------
    >>> from fewshot.tuning import Head
    >>> Head(C=1.0).get_params()
    {'C': 1.0, 'scale': 1.0}
    """

    def __init__(self, C: float = 0.1, *, scale: float = 1.0) -> None:
        self.C = C
        self.scale = scale

    def tune(self, task: TuningTask) -> TuningResult:
        """Fit the residual; see :meth:`Tuning.tune`."""
        for name in ("C", "scale"):
            if not getattr(self, name) > 0:
                raise TuningError(f"{name} of Head is positive, got {getattr(self, name)!r}")
        encoded = task.scorer.encode(task.views)
        residual = fit_residual(
            task.scorer.class_scores(encoded),
            head_features(task.scorer, encoded),
            task.targets,
            task.sample_weight,
            C=self.C,
            scale=self.scale,
        )
        return TuningResult(task.scorer, residual)


def head_features(scorer: PromptScorer, encoded: Encoded) -> npt.NDArray[np.float64]:
    """Return what the residual is a function of: mask states and mean states, side by side."""
    return np.hstack([scorer.mask_states(encoded), scorer.mean_states(encoded)])


def fit_residual(
    scores: npt.NDArray[np.float64],
    features: npt.NDArray[np.float64],
    targets: npt.NDArray[np.float64],
    sample_weight: npt.NDArray[np.float64],
    *,
    C: float,
    scale: float,
) -> Residual:
    """Fit multinomial logistic regression with given scores as offset.

    Minimises ``sum_i w_i CE(targets_i, scale * scores_i + z_i @ coef + intercept)
    + ||coef||^2 / (2 C)``, where ``z`` are the standardised features divided by the root of
    their number, so that `C` means the same for every width.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes)
    features : ndarray of shape (n, n_features)
    targets : ndarray of shape (n, n_classes)
    sample_weight : ndarray of shape (n,)
    C : float
    scale : float

    Returns
    -------
    Residual
    """
    center = np.average(features, axis=0, weights=sample_weight)
    deviation = np.sqrt(np.average((features - center) ** 2, axis=0, weights=sample_weight))
    spread = np.where(deviation > 0, deviation, 1.0) * np.sqrt(features.shape[1])
    z = (features - center) / spread
    offset = scale * scores
    n_features, n_classes = z.shape[1], scores.shape[1]

    def objective(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weights = flat.reshape(n_features + 1, n_classes)
        coef, intercept = weights[:-1], weights[-1]
        logits = offset + z @ coef + intercept
        loss = -(sample_weight[:, None] * targets * log_softmax(logits, axis=1)).sum()
        error = sample_weight[:, None] * (
            softmax(logits, axis=1) * targets.sum(1, keepdims=True) - targets
        )
        gradient = np.vstack([z.T @ error + coef / C, error.sum(0)])
        return loss + (coef**2).sum() / (2 * C), gradient.ravel()

    start = np.zeros((n_features + 1) * n_classes)
    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", options={"maxiter": _MAX_ITERATIONS}
    )
    weights = found.x.reshape(n_features + 1, n_classes)
    return Residual(scale, center, spread, weights[:-1], weights[-1])
