"""Terms that sources propose as label words, and the interface of a source."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from fewshot.data.labels import Label
from fewshot.errors import SourceError, VerbalizerError
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.learned_verbalizer import VerbalizerTask

Names: TypeAlias = Mapping[Label, Sequence[str]]

# They separate terms in files, so no term may contain one.
_SEPARATORS = re.compile(r"[\s,;|\x00-\x1f]+")


@dataclass(frozen=True)
class Candidates:
    """Terms, and how strongly each is tied to each class.

    What :meth:`TermSource.find` returns. Only a source of your own has to make one.

    Parameters
    ----------
    terms : tuple of str
        Distinct words or phrases.
    scores : ndarray of shape (n_terms, n_classes)
        In the source's own unit, 0 or more; 0 if a term was not meant for a class.
    is_pool : bool, default=False
        Whether the terms were collected without regard to the classes, such as all words of a
        vocabulary. Most terms of a pool belong to no class.

    Raises
    ------
    SourceError
        If there is not one row of scores per term, or a score is not a finite number.

    See Also
    --------
    TermSource : Proposes candidates.

    Examples
    --------
    >>> import numpy as np
    >>> from fewshot.knowledge import Candidates
    >>> Candidates(("court", "goal"), np.array([[1.0, 0.0], [0.0, 1.0]])).terms
    ('court', 'goal')
    """

    terms: tuple[str, ...]
    scores: npt.NDArray[np.float64]
    is_pool: bool = False

    def __post_init__(self) -> None:
        if self.scores.ndim != 2 or len(self.scores) != len(self.terms):
            raise SourceError(
                f"candidates have a row of scores for each of {len(self.terms)} terms, "
                f"got shape {self.scores.shape}"
            )
        bad = np.flatnonzero(~np.isfinite(self.scores).all(1))
        if len(bad):
            raise SourceError(
                f"scores of candidates are finite numbers, got {self.scores[bad[0]].tolist()} for "
                f"{self.terms[bad[0]]!r}; 0 is a term that is not meant for a class"
            )


class TermSource(BaseEstimator, ABC):
    """Base class of sources of words and phrases for class names.

    Subclass it to use a source of your own: set `name` and write :meth:`find`. Like every
    scikit-learn estimator it holds its settings and nothing else.

    Attributes
    ----------
    name : str
        Names the source in the provenance of words.

    See Also
    --------
    Lookup : A source that calls a function of yours; often all you need.
    SciPromptVerbalizer : Collects terms from sources, filters and weighs them.

    Examples
    --------
    >>> import numpy as np
    >>> from fewshot.knowledge import Candidates, TermSource
    >>> class Antonyms(TermSource):
    ...     name = "antonyms"
    ...
    ...     def find(self, names, task):
    ...         scores = np.eye(len(task.classes))
    ...         return Candidates(tuple(f"not {names[c][0]}" for c in task.classes), scores)
    >>> Antonyms()
    Antonyms()
    """

    name: str

    @abstractmethod
    def find(self, names: Names, task: VerbalizerTask) -> Candidates:
        """Return terms for the classes of a task.

        Parameters
        ----------
        names : mapping of label to sequence of str
            The names of the classes as words: ``{"Sci/Tech": ["sci", "tech"]}``.
        task : VerbalizerTask
            Classes, model, template and texts.

        Returns
        -------
        Candidates

        Raises
        ------
        SourceError
            If a setting is wrong or the source's data is missing; the message says how to get it.
        """


def class_names(
    classes: Sequence[Label], names: Mapping[Any, str | Sequence[str]] | None
) -> dict[Label, tuple[str, ...]]:
    """Return the names of classes as words: those given, else the cleaned labels."""
    if names is None:
        return Verbalizer.from_labels(classes).label_words
    if not isinstance(names, Mapping):
        raise VerbalizerError(
            f"names is a mapping of labels to class names, such as {{0: 'sports'}}, got {names!r}"
        )
    missing = [label for label in classes if label not in names]
    unknown = [label for label in names if label not in classes]
    if missing or unknown:
        raise VerbalizerError(
            f"names= has no name for the labels {missing} and names the unknown {unknown}; the "
            f"labels are {list(classes)}"
        )
    given = Verbalizer({label: names[label] for label in classes})
    return given.label_words


def collect(terms: Mapping[Label, Mapping[str, float]], classes: Sequence[Label]) -> Candidates:
    """Make candidates of terms by label, with their scores."""
    places: dict[str, int] = {}
    for row in terms.values():
        for term in row:
            places.setdefault(term, len(places))
    scores = np.zeros((len(places), len(classes)))
    for number, label in enumerate(classes):
        for term, score in terms.get(label, {}).items():
            scores[places[term], number] = score
    return Candidates(tuple(places), scores)


def clean_term(term: str) -> str:
    """Make a term fit for lists of label words: separators become spaces."""
    return _SEPARATORS.sub(" ", term).strip()
