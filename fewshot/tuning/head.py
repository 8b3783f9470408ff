"""Head tuning: logistic regression on frozen states beside the calibrated prompt scores."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fewshot.data.settings import check_settings, or_none, positive
from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.scoring.distillation import LEAST_TAUGHT, calibrated
from fewshot.scoring.heads import fit_state_head
from fewshot.scoring.mixture import Mixture, Voices, fit_mixture
from fewshot.tuning.strategy import Tuning
from fewshot.tuning.task import TuningResult, TuningTask

_C_A_LABEL, _C_RANGE = 0.1, (0.1, 10.0)  # docs/evidence/defaults.md
# All voices of a tuned model are sure of themselves on the texts that it was tuned on: weights
# cannot be learned there, and the sum is divided (docs/evidence/defaults.md).
_TEMPERATURE, _TEMPERATURE_OF_VOICES = 2.0, 3.0
_C_DISTILLED = 100.0  # divided by the number of texts; docs/evidence/self_training.md


@dataclass(eq=False, repr=False)
class Head(Tuning):
    """Mix words, names and linear models of frozen states.

    The log-probabilities of the calibrated label words, the similarities to the names of the
    classes, and multinomial logistic regressions on the mean state of the text and on the state at
    the mask are summed. Their weights are learned by the log loss of texts that are held out in
    turn, and shrunk to fixed ones. The encoder stays frozen and runs once over each text, so this
    takes seconds.

    Where a teacher's soft labels are learned (by the final classifier of
    :class:`~fewshot.PETClassifier`, for instance) and there are 100 texts or more, the regression
    on the mean states is used alone: the labels contain the prompt's scores. It gets a factor and
    an intercept with which it says the teacher's probabilities best.

    Parameters
    ----------
    C : float, optional
        Inverse strength of the penalty, as in scikit-learn's ``LogisticRegression``. Features are
        centred and divided by one number, so that their mean squared norm is 1. By default a
        tenth of the number of labelled texts, but from 0.1 to 10: the fewer labels, the more the
        prompt decides. Where a teacher's soft labels are learned, 100 divided by the number of
        texts.

    See Also
    --------
    NoTuning : The prompt's scores alone.
    Full : Trains the model, too.

    Examples
    --------
    >>> from fewshot.tuning import Head
    >>> Head(C=1.0).get_params()
    {'C': 1.0}
    """

    C: float | None = None

    def check(self, lm: MaskedLM, template: Template) -> None:  # others need them
        """Check the penalty; see :meth:`Tuning.check`."""
        check_settings(self, {"C": or_none(self.C, positive)}, TuningError, is_part=True)

    def tune(self, task: TuningTask) -> TuningResult:
        """Fit the regression; see :meth:`Tuning.tune`."""
        self.check(task.scorer.lm, task.scorer.template)
        found = fit_head(task, self.C)
        return TuningResult(task.scorer, found.head, held_out=found.held_out)


def fit_head(task: TuningTask, C: float | None, *, tuned: bool = False) -> Mixture:
    """Fit the mixture of voices on the states of a task's scorer."""
    # A teacher's predictions contain names and regressions: what learned them goes beside the words
    # only.
    is_distilled = task.distillation_temperature is not None
    total = float(task.sample_weight.sum())  # the number of texts, if each weighs 1
    if C is None and is_distilled:
        C = _C_DISTILLED / total
    if C is None:
        C = float(np.clip(_C_A_LABEL * total, *_C_RANGE))
    scorer = task.scorer
    encoded = scorer.encode(task.views)
    states = scorer.mean_states(encoded)
    words, similarities = scorer.voices(encoded)
    if is_distilled:
        head = fit_state_head(states, task.targets, task.sample_weight, C=C)
        if _n_taught(task) < LEAST_TAUGHT:
            return Mixture(replace(head, temperature=_TEMPERATURE if tuned else 1.0))
        # The words of a frozen model are in the labels already, with all their errors.
        heard = words if tuned else np.zeros_like(words)
        return Mixture(calibrated(head, states, heard, task.targets, task.sample_weight))
    voices = Voices(words, similarities, states, scorer.mask_states(encoded))
    if names := scorer.names:
        voices = replace(voices, word_weight=names.word_weight, name_weight=names.weight)
    return fit_mixture(
        voices,
        task.targets,
        task.sample_weight,
        C=C,
        learns_weights=not tuned,
        temperature=_TEMPERATURE_OF_VOICES if tuned else 1.0,
        kind=scorer.kind,
    )


def _n_taught(task: TuningTask) -> int:
    """Return the number of texts with a teacher's labels: all, or those without a user's."""
    weights = task.sample_weight
    return int(np.count_nonzero(weights[task.unlabeled] if len(task.unlabeled) else weights))
