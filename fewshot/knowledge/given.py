"""Terms that the user supplies: a mapping, a file, or a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from fewshot.data.files import read_text, user_path
from fewshot.data.labels import Label
from fewshot.data.settings import is_number
from fewshot.errors import SourceError, VerbalizerError
from fewshot.knowledge.candidates import Candidates, Names, TermSource, collect
from fewshot.prompting.label_entries import name_words
from fewshot.prompting.word_files import read_label_words
from fewshot.scoring.learned_verbalizer import VerbalizerTask

Terms: TypeAlias = Sequence[str] | Mapping[str, float]

_FULL_SCORE = 1.0


@dataclass(eq=False, repr=False)
class GivenTerms(TermSource):
    """Terms of a mapping.

    Use it for words of your own, alone or beside other sources.

    Parameters
    ----------
    terms : mapping of label to sequence of str, or to mapping of str to float
        With scores, or without: then all score 1.

    See Also
    --------
    TermFile : The same from a file.
    Lookup : The same from a function.

    Examples
    --------
    >>> from fewshot.knowledge import GivenTerms
    >>> GivenTerms({"law": ["court", "legal text"], "email": {"spam": 0.9}})
    GivenTerms(terms={'email': {'spam': 0.9}, 'law': ['court', 'legal text']})
    """

    name = "given"

    terms: Mapping[Any, Terms]

    def find(self, names: Names, task: VerbalizerTask) -> Candidates:  # noqa: ARG002
        """Return the terms; see :meth:`TermSource.find`."""
        unknown = [label for label in self.terms if label not in task.classes]
        if unknown:
            raise VerbalizerError(
                f"terms are given for the labels {unknown}, which are unknown; known are "
                f"{list(task.classes)}"
            )
        found = {label: _scored(label, terms) for label, terms in self.terms.items()}
        return collect(found, task.classes)


@dataclass(eq=False, repr=False)
class TermFile(TermSource):
    """Terms of a file in a format that :meth:`fewshot.Verbalizer.from_file` reads.

    Parameters
    ----------
    path : str or Path
        In a text file, a line for each class: its name first, terms separated by commas.
    scores : str or Path, optional
        A text file of the same shape with a number for each term; by default all score 1.
    labels : sequence of str or int, optional
        The labels in the order of the lines; by default a line belongs to the label whose name is
        its first word.

    See Also
    --------
    GivenTerms : Terms of a mapping.
    Verbalizer.from_file : Reads a file of label words without filters and weights.

    Examples
    --------
    >>> from fewshot.knowledge import TermFile
    >>> TermFile("terms.txt", scores="scores.txt")
    TermFile(path='terms.txt', scores='scores.txt')
    """

    name = "file"

    path: str | Path
    scores: str | Path | None = None
    _: KW_ONLY
    labels: Sequence[Label] | None = None

    def find(self, names: Names, task: VerbalizerTask) -> Candidates:  # noqa: ARG002
        """Read the file; see :meth:`TermSource.find`."""
        path = user_path(self.path)
        if not path.is_file():
            raise SourceError(f"there is no file of terms {str(path)!r}; give the path of one")
        rows = [_words(row) for row in read_label_words(path, 0).words]
        labels = self._labels(rows, task, path)
        if self.scores is None:
            scored = [_scored(label, row) for label, row in zip(labels, rows, strict=True)]
        else:
            scored = _with_scores(labels, rows, user_path(self.scores))
        for label, row in zip(labels, scored, strict=True):
            for term in [term for term in row if _key(term) == _key(label)]:
                del row[term]  # the name, which is added anyway
        return collect(dict(zip(labels, scored, strict=True)), task.classes)

    def _labels(
        self, rows: Sequence[Sequence[str]], task: VerbalizerTask, path: Path
    ) -> list[Label]:
        if self.labels is not None:
            is_each_once = len(self.labels) == len(rows) == len(task.classes)
            if not is_each_once or set(self.labels) != set(task.classes):
                raise VerbalizerError(
                    f"{path} has {len(rows)} lines, labels={list(self.labels)}; the labels are "
                    f"{list(task.classes)}: name each once, in the order of the lines"
                )
            return list(self.labels)
        by_name = {_key(label): label for label in task.classes}
        firsts = [_key(row[0]) if row else "" for row in rows]
        twice = [row[0] for row, name in zip(rows, firsts, strict=True) if firsts.count(name) > 1]
        if twice:
            raise VerbalizerError(
                f"{path}: {len(twice)} lines begin with {twice[0]!r}; name each class once, with "
                "all of its terms, or pass labels= in the order of the lines"
            )
        missing = [label for name, label in by_name.items() if name not in firsts]
        extra = [row[0] for row, name in zip(rows, firsts, strict=True) if name not in by_name]
        if missing or extra:
            raise VerbalizerError(
                f"{path}: no line begins with the names of the labels {missing}, and the lines of "
                f"{extra} belong to no label; pass labels= in the order of the lines"
            )
        return [by_name[name] for name in firsts]


@dataclass(eq=False, repr=False)
class Lookup(TermSource):
    """Terms that a function of yours returns for a name, for example from a web service.

    The package itself never calls a web service. Access rights and rate limits are up to your
    function; its answers are not cached.

    Parameters
    ----------
    function : callable
        Takes a class's name as a str; returns terms, a mapping of terms to scores, or None.
    name : str, default="lookup"
        Names the source in the provenance of words.

    See Also
    --------
    TermSource : For a source that needs more than the name.

    Examples
    --------
    >>> from fewshot.knowledge import Lookup
    >>> table = {"sport": ["football", "team"], "law": ["court"]}
    >>> Lookup(table.get, name="thesaurus").name
    'thesaurus'
    """

    function: Callable[[str], Terms | None]
    name: str = "lookup"

    def find(self, names: Names, task: VerbalizerTask) -> Candidates:
        """Call the function for each name; see :meth:`TermSource.find`."""
        found: dict[Label, dict[str, float]] = {}
        for label, words in names.items():
            found[label] = {}
            for word in words:
                terms = self.function(word)
                found[label] |= {} if terms is None else _scored(label, terms)
        return collect(found, task.classes)


def _scored(label: Label, terms: object) -> dict[str, float]:
    if isinstance(terms, Mapping):
        return _best(label, terms.items())
    if isinstance(terms, Iterable) and not isinstance(terms, str):
        return _best(label, [(term, _FULL_SCORE) for term in terms])
    raise VerbalizerError(
        f"terms of label {label!r} are a list, or a mapping of terms to scores, got {terms!r}"
    )


def _best(
    label: Label,
    pairs: Iterable[tuple[Any, Any]],
    place: str = "",  # of any type: not checked yet
) -> dict[str, float]:
    """Return terms with their scores; a repeated term keeps its better one."""
    best: dict[str, float] = {}
    for term, score in pairs:
        if not isinstance(term, str):
            raise VerbalizerError(f"a term is a str, got {term!r} for label {label!r}")
        if not is_number(score) or score < 0:
            raise VerbalizerError(
                f"{place}the score of {term!r} for label {label!r} is a finite number from 0, "
                f"got {score!r}"
            )
        best[term] = max(float(score), best.get(term, 0.0))
    return best


def _with_scores(
    labels: Sequence[Label], rows: Sequence[Sequence[str]], path: Path
) -> list[dict[str, float]]:
    lines = [line for line in read_text(path, VerbalizerError).splitlines() if line.strip()]
    if len(lines) != len(rows):
        raise VerbalizerError(f"{path} has {len(lines)} lines of scores for {len(rows)} classes")
    found: list[dict[str, float]] = []
    for label, row, line in zip(labels, rows, lines, strict=True):
        scores = line.split(",")
        if len(scores) != len(row):
            raise VerbalizerError(
                f"{path}: label {label!r} has {len(row)} terms but {len(scores)} scores; give one "
                "each, in the same order"
            )
        found.append(_best(label, zip(row, map(_number, scores), strict=True), f"{path}: "))
    return found


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _words(row: object) -> list[str]:
    if isinstance(row, str):
        return [row]
    return [str(word) for word in row] if isinstance(row, Iterable) else []


def _key(name: Label) -> str:
    """Return the words by which names are compared, without those in parentheses."""
    other = "0" if str(name) != "0" else "1"
    is_wordy = isinstance(name, str) and any(map(str.isalpha, name))
    return " ".join(name_words([name, f"other {other}"])[name]) if is_wordy else str(name)
