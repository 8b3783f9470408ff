"""EPT: DePT with a prompt that is fused with the update and mixed over several spaces."""

from __future__ import annotations

from numbers import Integral

from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.tuning.soft_prompts.dept import DePT
from fewshot.tuning.soft_prompts.prompt_values import Initial
from fewshot.tuning.soft_tokens import FusedPrompt
from fewshot.tuning.strategy import Checks, check_all
from fewshot.tuning.task import TuningTask
from fewshot.tuning.training_settings import Training

_FUSION_WIDTH, _SPACE_WIDTH = 16, 4
_CHECKS: Checks = {
    "n_spaces": (Integral, lambda value: value >= 1, "a whole number, at least 1"),
}


class EPT(DePT):
    """Tune DePT's parts with a prompt that is refined before it is used (Lan et al., 2025).

    The prompt attends to the low-rank update and to itself (fusion), then is mapped to several
    spaces that a gate mixes. Both start as doing nothing, so that EPT starts as DePT. The paper's
    code is not published: this is a re-implementation from its description, in which the form of
    attention, maps and gate is ours.

    ``model_.added.gate_weights`` of a fitted classifier tells how much each space counts.

    Parameters
    ----------
    learning_rate : float, default=1e-2
        Of the prompt, fusion, spaces and gate.
    offset_learning_rate : float, default=2e-4
    length : int, optional
    rank : int, default=8
        See :class:`DePT`.
    n_spaces : int, default=4
        The identity included; 1 leaves the spaces out.
    initial : {"words", "vocabulary", "random", "bayes", "mlm"} or MaskedLM, default="words"
    words : str, default="Classify this text:"
        See :class:`SoftPrompt`.
    num_epochs : int, default=12
    batch_size : int, default=8
    interpolation : float, optional
    C : float, optional
    training : Training, optional
        See :class:`GradientTuning`.

    References
    ----------
    Lan et al. (2025), Efficient Prompt Tuning by Multi-Space Projection and Prompt Fusion.

    Examples
    --------
    >>> from fewshot.tuning import EPT
    >>> EPT(n_spaces=2)
    EPT(n_spaces=2)
    """

    def __init__(
        self,
        learning_rate: float = 1e-2,
        *,
        offset_learning_rate: float = 2e-4,
        length: int | None = None,
        rank: int = 8,
        n_spaces: int = 4,
        initial: Initial | MaskedLM = "words",
        words: str = "Classify this text:",
        num_epochs: int = 12,
        batch_size: int = 8,
        interpolation: float | None = None,
        C: float | None = None,
        training: Training | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            offset_learning_rate=offset_learning_rate,
            length=length,
            rank=rank,
            initial=initial,
            words=words,
            num_epochs=num_epochs,
            batch_size=batch_size,
            interpolation=interpolation,
            C=C,
            training=training,
        )
        self.n_spaces = n_spaces

    def check(self, lm: MaskedLM, template: Template) -> None:
        """Check the settings; see :meth:`Tuning.check`."""
        super().check(lm, template)
        check_all(self, _CHECKS)

    def _modules(self, task: TuningTask, length: int, n_positions: int) -> FusedPrompt:
        return FusedPrompt(
            task.scorer.lm.model,
            length=length,
            n_positions=n_positions,
            rank=int(self.rank),
            n_spaces=int(self.n_spaces),
            fusion_width=_FUSION_WIDTH,
            space_width=_SPACE_WIDTH,
        )

    @property
    def _smallest_length(self) -> int:
        return 1
