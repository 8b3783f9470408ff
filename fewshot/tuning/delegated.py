"""Strategies that leave the tuning to another one, and what it needs with it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from fewshot.data.labels import Label
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.tuning.strategy import Tuning


class DelegatedTuning(Tuning):
    """Base of strategies that change the task, or its procedure, for another strategy."""

    @property
    @abstractmethod
    def delegate(self) -> Tuning:
        """The strategy that tunes."""

    @property
    def default_template(self) -> str | None:  # type: ignore[override]
        """That of the other strategy."""
        return self.delegate.default_template

    @property
    def uses_label_words(self) -> bool:  # type: ignore[override]
        """As the other strategy."""
        return self.delegate.uses_label_words

    @property
    def tunes_virtual_tokens(self) -> bool:  # type: ignore[override]
        """As the other strategy."""
        return self.delegate.tunes_virtual_tokens

    def check(self, lm: MaskedLM, template: Template) -> None:
        """Check the settings of the other strategy."""
        self.delegate.check(lm, template)

    def wordings(self, template: Template) -> tuple[Template, ...]:
        """Return the wordings that the other strategy needs."""
        return self.delegate.wordings(template)

    def label_embeddings(self, classes: Sequence[Label], lm: MaskedLM) -> LabelEmbeddings:
        """Return those of the other strategy."""
        return self.delegate.label_embeddings(classes, lm)

    def room(self, max_length: int, template: Template) -> int:
        """Return the room that the other strategy leaves."""
        return self.delegate.room(max_length, template)
