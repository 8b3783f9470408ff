"""DePT: a short prompt and a low-rank update of the word embeddings, at two learning rates."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from fewshot.data.settings import check_settings, positive, whole
from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.parts import embedding_width
from fewshot.prompting.template import Template
from fewshot.tuning.soft_prompts.prompt import PromptTuning
from fewshot.tuning.soft_tokens import DecomposedPrompt
from fewshot.tuning.task import TuningTask


@dataclass(eq=False, repr=False)
class DePT(PromptTuning):
    """Tune a short prompt and a low-rank update of the words' embeddings (Shi and Lipani, 2024).

    A prompt makes each text longer. Here it is short, and the rest of the budget is a low-rank
    matrix that is added to the embeddings of the text, position by position: a budget of ``n``
    virtual tokens is spent by `length` and ``rank = (n - length) * width / (longest + width)``,
    where `longest` is the longest training prompt. Positions beyond that take its last row.

    Parameters
    ----------
    learning_rate : float, default=1e-2
        Of the prompt.
    offset_learning_rate : float, default=2e-4
        Of the update.
    length : int, optional
        Virtual tokens; by default 4, or as many as `initial` has. 0 leaves the update alone.
    rank : int, default=8
        Of the update; 0 leaves the prompt alone.
    initial : {"words", "vocabulary", "random", "bayes", "mlm"} or MaskedLM, default="words"
    words : str, default="Classify this text:"
        See :class:`SoftPrompt`. The update starts as nothing.
    num_epochs, batch_size, interpolation, C, training
        See :class:`GradientTuning`.

    See Also
    --------
    SoftPrompt : The prompt alone.
    EPT : Refines the prompt by the update.

    References
    ----------
    Shi and Lipani (2024), DePT: Decomposed Prompt Tuning for Parameter-Efficient Fine-tuning.

    Examples
    --------
    >>> from fewshot.tuning import DePT
    >>> DePT(length=6, rank=12)
    DePT(length=6, rank=12)
    """

    _default_length: ClassVar[int] = 4
    _smallest_length: ClassVar[int] = 0

    learning_rate: float = 1e-2
    _: KW_ONLY
    offset_learning_rate: float = 2e-4
    rank: int = 8

    def check(self, lm: MaskedLM, template: Template) -> None:
        """Check the settings; see :meth:`Tuning.check`."""
        super().check(lm, template)
        limits = {
            "rank": whole(self.rank, 0),
            "offset_learning_rate": positive(self.offset_learning_rate),
        }
        check_settings(self, limits, TuningError, is_part=True)
        width = embedding_width(lm.model)
        if self.rank > width:
            raise TuningError(
                f"rank of {type(self).__name__} is at most {width}, the width of the word "
                f"embeddings of {lm}, got {self.rank}"
            )
        if self.rank == 0 and self.n_tokens(template) == 0:
            raise TuningError(
                f"length and rank of {type(self).__name__} are both 0, so that there is nothing "
                "to tune; raise one"
            )

    def new_modules(self, task: TuningTask) -> DecomposedPrompt:
        """Build the prompt and the update, which starts as nothing."""
        length = self.n_tokens(task.scorer.template)
        added = self._modules(task, length, _longest(task))
        if length:
            added.prompt.data.copy_(self.initial_values(task, length))
        return added

    def rate_factors(self, lm: MaskedLM) -> dict[str, float]:
        """Return the factor of the update; see :meth:`GradientTuning.rate_factors`."""
        factor = self.offset_learning_rate / self.learning_rate
        return {name: factor for name in lm.tuned_parameters() if ".offset." in name}

    def _modules(self, task: TuningTask, length: int, n_positions: int) -> DecomposedPrompt:
        return DecomposedPrompt(
            task.scorer.lm.model, length=length, n_positions=n_positions, rank=int(self.rank)
        )


def _longest(task: TuningTask) -> int:
    """Return the tokens of the longest prompt that is trained on."""
    return max(
        int(prompts.lengths[task.sample_weight[prompts.examples] > 0].max())
        for prompts in task.views.values()
    )
