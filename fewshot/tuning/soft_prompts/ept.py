"""EPT: DePT with a prompt that is fused with the update and mixed over several spaces."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from fewshot.data.settings import check_settings, whole
from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.tuning.soft_prompts.dept import DePT
from fewshot.tuning.soft_tokens import FusedPrompt
from fewshot.tuning.task import TuningTask

_FUSION_WIDTH, _SPACE_WIDTH = 16, 4


@dataclass(eq=False, repr=False)
class EPT(DePT):
    """Tune DePT's parts with a prompt that is refined before it is used (Lan et al., 2025).

    The prompt attends to the low-rank update and to itself (fusion), then is mapped to several
    spaces that a gate mixes. Both start as the identity, so that EPT starts as DePT. The paper's
    code is not published: this is a re-implementation from its description, which leaves the
    forms of attention, maps and gate open.

    ``model_.added.gate_weights`` of a fitted classifier are the weights of the spaces.

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
    num_epochs, batch_size, interpolation, C, training
        See :class:`GradientTuning`.

    See Also
    --------
    DePT : The same without fusion and spaces.

    References
    ----------
    Lan et al. (2025), Efficient Prompt Tuning by Multi-Space Projection and Prompt Fusion.

    Examples
    --------
    >>> from fewshot.tuning import EPT
    >>> EPT(n_spaces=2)
    EPT(n_spaces=2)
    """

    _smallest_length: ClassVar[int] = 1

    _: KW_ONLY
    n_spaces: int = 4

    def check(self, lm: MaskedLM, template: Template) -> None:
        """Check the settings; see :meth:`Tuning.check`."""
        super().check(lm, template)
        check_settings(self, {"n_spaces": whole(self.n_spaces)}, TuningError, is_part=True)

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
