"""Candidates: the words and phrases that sources of knowledge give, made fit to be label words."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from fewshot.data.examples import Label
from fewshot.errors import VerbalizerError
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.learned_verbalizer import VerbalizerTask

Names: TypeAlias = Mapping[Label, Sequence[str]]

# What parts terms in files, and signs that no term holds.
_SEPARATORS = re.compile(r"[\s,;|\x00-\x1f]+")


@dataclass(frozen=True)
class Candidates:
    """Terms, and how strongly each is tied to each class.

    Parameters
    ----------
    terms : tuple of str
        Distinct.
    scores : ndarray of shape (n_terms, n_classes)
        In the source's own terms, 0 or more; 0 if a term was not meant for a class.
    is_pool : bool, default=False
        Whether the terms were there before the classes, such as all words of a vocabulary: most
        of them belong to none.
    """

    terms: tuple[str, ...]
    scores: npt.NDArray[np.float64]
    is_pool: bool = False


class TermSource(BaseEstimator, ABC):
    """A place where words and phrases for class names are found.

    Attributes
    ----------
    name : str
        Its name in the provenance of words.
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

        Returns
        -------
        Candidates

        Raises
        ------
        SourceError
            If the source's data is missing; the message says how to get it.
        """


def class_names(
    classes: Sequence[Label], names: Mapping[Any, str | Sequence[str]] | None
) -> dict[Label, tuple[str, ...]]:
    """Return the names of classes as words: those given, else the labels, cleaned.

    Raises
    ------
    VerbalizerError
        If labels are no words and are not named, or a name is missing, blank or of two classes.
    """
    if names is None:
        return Verbalizer.from_labels(classes).label_words
    if not isinstance(names, Mapping):
        raise VerbalizerError(
            f"names is a mapping of labels to what they are called, such as {{0: 'sports'}}, got "
            f"{names!r}"
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
    """Make a term fit for lists of label words: separators become spaces.

    Examples
    --------
    >>> clean_term(" University of California, Berkeley ")
    'University of California Berkeley'
    """
    return _SEPARATORS.sub(" ", term).strip()
