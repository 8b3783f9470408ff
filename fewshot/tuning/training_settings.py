"""Settings of gradient descent that are seldom changed."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, get_args

from sklearn.base import BaseEstimator

from fewshot.data.settings import (
    check_settings,
    not_negative,
    one_of,
    or_none,
    proportion,
    share,
    whole,
)
from fewshot.errors import TuningError
from fewshot.training.loop import Schedule
from fewshot.tuning.regularization.adversarial import FGM, SMART, Adversarial, resolve_adversarial
from fewshot.tuning.regularization.consistency import TemplateConsistency

_PASSES_OF_A_STEP = 3.0


@dataclass(eq=False, repr=False)
class Training(BaseEstimator):
    """The finer settings of training, the same for all strategies of gradient descent.

    Parameters
    ----------
    weight_decay : float, default=0.01
        Of matrices; biases and norms are not decayed.
    warmup_ratio : float, default=0.1
        Share of the steps in which the learning rate rises.
    schedule : {"linear", "cosine", "constant"}, default="linear"
        How it falls afterwards.
    label_smoothing : float, default=0.0
    validation_fraction : float, default=0.0
        Share of the examples of each class that is held out, for early stopping to watch.
    patience : int, optional
        Epochs without a better loss (on the held-out examples, else on the training examples)
        after which training stops; the best weights are kept. None trains to the end.
    adversarial : {None, "fgm", "smart"}, FGM or SMART
        Training against small changes of the embeddings.
    r_drop : float, default=0.0
        Weight of the symmetric KL between two passes with different dropout, to make the model
        agree with itself; 1 to 5 in the paper, 0 is off. A step costs two.
    consistency : TemplateConsistency, optional
        Training on several wordings of the template.

    See Also
    --------
    GradientTuning : Takes these settings as ``training``.
    FGM, SMART : Adversarial training with settings of its own.
    TemplateConsistency : Consistency over wordings.

    References
    ----------
    Liang et al. (2021), R-Drop: Regularized Dropout for Neural Networks, equation 4.

    Examples
    --------
    >>> from fewshot.tuning import Full, Training
    >>> Full(training=Training(schedule="cosine"))
    Full(training=Training(schedule='cosine'))
    """

    _: KW_ONLY
    weight_decay: float = 0.01
    warmup_ratio: float = 0.1
    schedule: Schedule = "linear"
    label_smoothing: float = 0.0
    validation_fraction: float = 0.0
    patience: int | None = None
    adversarial: Adversarial | FGM | SMART | None = None
    r_drop: float = 0.0
    consistency: TemplateConsistency | None = None

    def set_params(self, **params: Any) -> Training:  # scikit-learn's signature
        """Set parameters by name; those of adversarial training as ``adversarial__<setting>``.

        Adversarial training that is given by name becomes the object of that name first.

        Returns
        -------
        Training
            The settings themselves.
        """
        is_nested = any(name.startswith("adversarial__") for name in params)
        if is_nested and isinstance(params.get("adversarial", self.adversarial), str):
            name = params.get("adversarial", self.adversarial)
            params = params | {"adversarial": resolve_adversarial(name)}
        for part, example in (
            ("adversarial", "'fgm'"),
            ("consistency", "TemplateConsistency([...])"),
        ):
            is_nested = any(name.startswith(f"{part}__") for name in params)
            if is_nested and params.get(part, getattr(self, part)) is None:
                raise TuningError(
                    f"{part} of Training is None and has no settings; set it first, such as "
                    f"{part}={example}"
                )
        super().set_params(**params)
        return self

    def check(self) -> None:
        """Raise a TuningError at a setting that is out of range."""
        limits = {
            "weight_decay": not_negative(self.weight_decay),
            "warmup_ratio": proportion(self.warmup_ratio),
            "schedule": one_of(self.schedule, get_args(Schedule)),
            "label_smoothing": share(self.label_smoothing),
            "validation_fraction": share(self.validation_fraction),
            "patience": or_none(self.patience, whole),
            "r_drop": not_negative(self.r_drop),
        }
        check_settings(self, limits, TuningError, is_part=True)
        resolve_adversarial(self.adversarial)
        if isinstance(self.consistency, TemplateConsistency):
            self.consistency.check()
        elif self.consistency is not None:
            raise TuningError(
                "consistency of Training is None or TemplateConsistency([...]) with other "
                f"wordings, got {self.consistency!r}"
            )

    def regularizes(self) -> bool:
        """Return whether the loss has more terms than the cross-entropy."""
        return self.adversarial is not None or self.r_drop > 0 or self.consistency is not None

    def passes_of_a_step(self) -> float:
        """Return the cost of a step in forward passes: one forward, two for going backward."""
        adversarial = resolve_adversarial(self.adversarial)
        n_steps = 1 + (self.r_drop > 0) + (self.consistency is not None)
        return _PASSES_OF_A_STEP * n_steps + (0.0 if adversarial is None else adversarial.passes())
