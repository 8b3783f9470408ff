"""Terms of each class from sources: scored, filtered, each in one class only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from fewshot.data.labels import Label
from fewshot.errors import LabelWordWarning, warn_user
from fewshot.knowledge.candidates import Candidates, Names, TermSource, clean_term
from fewshot.knowledge.similarity import CrossEncoderFilter, TermEncoder, cosines
from fewshot.prompting.found_terms import FoundTerm
from fewshot.scoring.learned_verbalizer import VerbalizerTask

Found: TypeAlias = dict[Label, list[FoundTerm]]  # by class, the best first

_SHOWN_TERMS = 5


class _Scored(NamedTuple):
    """Candidates of one source with their scores and similarities, [n_terms, n_classes]."""

    source: str
    terms: Sequence[str]
    scores: npt.NDArray[np.float64]
    similarity: npt.NDArray[np.float64] | None
    is_pool: bool

    @property
    def ranks(self) -> npt.NDArray[np.float64]:
        if self.similarity is None:
            return self.scores
        ranks: npt.NDArray[np.float64] = self.scores * np.maximum(self.similarity, 0.0)
        return ranks

    @property
    def strength(self) -> npt.NDArray[np.float64]:
        """The values that thresholds and weights refer to."""
        return self.scores if self.similarity is None else self.similarity


def retrieve(
    sources: Sequence[TermSource],
    names: Names,
    task: VerbalizerTask,
    encoder: TermEncoder | None,
    *,
    sentence: str,
    min_similarity: float,
    n_terms: int | None,
) -> Found:
    """Find the terms of all classes; each goes to the class that it scores highest for."""
    given = [(source.name, source.find(names, task)) for source in sources]
    cleaned = [(name, *_cleaned(candidates, task.classes)) for name, candidates in given]
    scored = _scored(cleaned, names, task, encoder, sentence)
    taken = {name.casefold(): label for label, row in names.items() for name in row}
    found: Found = {label: [] for label in task.classes}
    for candidates, (_, _, odd) in zip(scored, cleaned, strict=True):
        for number, label in enumerate(task.classes):
            for term in _of_class(candidates, number, label, min_similarity, n_terms):
                found[label].append(_without_names(term, taken))
            found[label] += [
                FoundTerm(label, term, candidates.source, dropped="no letters")
                for term in odd.get(label, ())
            ]
    return _in_one_class(found)


def contrasted(
    found: Found, names: Names, cross_encoder: CrossEncoderFilter, sentence: str
) -> Found:
    """Drop terms on the wrong side of the threshold of a cross-encoder."""
    firsts = {label: sentence.replace("{term}", row[0]) for label, row in names.items()}
    cross_encoder.check_convention(list(firsts.values()))
    places = [(label, i) for label, row in found.items() for i in kept(row)]
    pairs = [
        (firsts[label], sentence.replace("{term}", found[label][i].term)) for label, i in places
    ]
    scores = cross_encoder.score(pairs)
    side = f"not {cross_encoder.keep} {cross_encoder.threshold:g}"
    rows = {label: list(row) for label, row in found.items()}
    for (label, i), score, is_good in zip(places, scores, cross_encoder.keeps(scores), strict=True):
        term = replace(rows[label][i], contrast=float(score))
        rows[label][i] = term if is_good else term.drop(f"cross-encoder: {score:.2f}, {side}")
    return rows


def known_to(found: Found, names: Names, token_ids: Callable[[str], list[int] | None]) -> Found:
    """Drop terms unknown to the tokenizer, or with the same tokens as others."""
    taken = {_ids(token_ids(name)) for row in names.values() for name in row}
    rows = {label: list(row) for label, row in found.items()}
    places = [(label, i) for label, row in rows.items() for i in kept(row)]
    for label, i in sorted(places, key=lambda at: _order(rows[at[0]][at[1]])):
        term = rows[label][i]
        ids = token_ids(term.term)
        if ids is None:
            rows[label][i] = term.drop("unknown to the tokenizer")
        elif _ids(ids) in taken:
            rows[label][i] = term.drop("the same tokens as a better term")
        else:
            taken.add(_ids(ids))
    return rows


def kept(row: Sequence[FoundTerm]) -> list[int]:
    """Return the positions of the terms that were not dropped."""
    return [i for i, term in enumerate(row) if not term.dropped]


def _cleaned(
    candidates: Candidates, classes: Sequence[Label]
) -> tuple[Candidates, dict[Label, list[str]]]:
    """Clean terms, and separate those without letters, by class."""
    clean = [clean_term(term) for term in candidates.terms]
    has_letter = np.array([any(map(str.isalpha, term)) for term in clean], dtype=bool)
    odd: dict[Label, list[str]] = {}
    if not candidates.is_pool:
        for i in np.flatnonzero(~has_letter):
            for number in np.flatnonzero(candidates.scores[i]).tolist():
                odd.setdefault(classes[number], []).append(candidates.terms[i])
    _warn_mended(candidates, clean, classes)
    best: dict[str, npt.NDArray[np.float64]] = {}
    for i in np.flatnonzero(has_letter):
        row = candidates.scores[i]
        best[clean[i]] = np.maximum(best[clean[i]], row) if clean[i] in best else row
    scores = np.stack(list(best.values())) if best else np.zeros((0, len(classes)))
    return Candidates(tuple(best), scores, candidates.is_pool), odd


def _warn_mended(candidates: Candidates, clean: Sequence[str], classes: Sequence[Label]) -> None:
    changed = [
        f"{term!r} of label {classes[int(row.argmax())]!r} to {new!r}"
        for term, new, row in zip(candidates.terms, clean, candidates.scores, strict=True)
        if new and new.split() != [part for part in term.split(" ") if part]
    ]
    if changed:
        more = f" and {len(changed) - _SHOWN_TERMS} more" * (len(changed) > _SHOWN_TERMS)
        warn_user(
            "label words cannot contain commas, tabs or other separators; changed: "
            f"{', '.join(changed[:_SHOWN_TERMS])}{more}",
            LabelWordWarning,
        )


def _scored(
    cleaned: Iterable[tuple[str, Candidates, object]],
    names: Names,
    task: VerbalizerTask,
    encoder: TermEncoder | None,
    sentence: str,
) -> list[_Scored]:
    """Compare all terms of all sources with the names, in one pass."""
    rows = list(cleaned)
    similarity: Sequence[npt.NDArray[np.float64] | None] = [None] * len(rows)
    if encoder is not None:
        terms = [sentence.replace("{term}", term) for _, found, _ in rows for term in found.terms]
        sentences = [[sentence.replace("{term}", name) for name in names[c]] for c in task.classes]
        ends = np.cumsum([len(found.terms) for _, found, _ in rows])
        similarity = np.split(cosines(encoder, terms, sentences), ends[:-1])
    return [
        _Scored(name, found.terms, found.scores, part, found.is_pool)
        for (name, found, _), part in zip(rows, similarity, strict=True)
    ]


def _of_class(
    found: _Scored, number: int, label: Label, min_similarity: float, n_terms: int | None
) -> list[FoundTerm]:
    """Return a source's terms for one class, the best first."""
    ranks, strength = found.ranks, found.strength
    is_meant = found.scores[:, number] > 0
    if found.is_pool:  # such a term goes to the class it is closest to
        is_nearest = ranks == ranks.max(1, keepdims=True)
        is_meant &= is_nearest[:, number] & (is_nearest.sum(1) == 1)
        is_meant &= strength[:, number] > min_similarity
    order = np.argsort(-ranks[:, number], kind="stable")
    rows, n_kept = [], 0
    for i in order[is_meant[order]]:
        value = float(strength[i, number])
        term = FoundTerm(label, found.terms[i], found.source, float(found.scores[i, number]))
        if found.similarity is not None:
            term = replace(term, similarity=float(found.similarity[i, number]))
        if not value > min_similarity:
            term = term.drop(f"similarity {value:.2f}, not above {min_similarity:g}")
        elif n_terms is not None and n_kept >= n_terms:
            if found.is_pool:
                break
            term = term.drop(f"not of the {n_terms} best of {found.source}")
        n_kept += not term.dropped
        rows.append(term)
    return rows


def _without_names(term: FoundTerm, taken: Mapping[str, Label]) -> FoundTerm:
    named = taken.get(term.term.casefold())
    return term if named is None or term.dropped else term.drop(f"the name of {named!r}")


def _in_one_class(found: Found) -> Found:
    """Merge terms of several sources; keep a term only in the class it is closest to."""
    merged: dict[tuple[Label, str], FoundTerm] = {}
    dropped: Found = {label: [] for label in found}
    for label, row in found.items():
        for term in row:
            if term.dropped:
                dropped[label].append(term)
                continue
            other = merged.get((label, term.term.casefold()))
            merged[label, term.term.casefold()] = term if other is None else _merged(other, term)
    best: dict[str, FoundTerm] = {}
    for (_, key), term in merged.items():
        if key not in best or _order(term) < _order(best[key]):
            best[key] = term
    rows: Found = {label: [] for label in found}
    for (label, key), term in merged.items():
        nearest = best[key].label
        rows[label].append(term if nearest == label else term.drop(f"closer to {nearest!r}"))
    return {
        label: sorted(row, key=lambda term: -_strength(term)) + dropped[label]
        for label, row in rows.items()
    }


def _merged(one: FoundTerm, other: FoundTerm) -> FoundTerm:
    scores = [score for score in (one.source_score, other.source_score) if score is not None]
    first, second = sorted((one, other), key=lambda term: -_strength(term))
    if second.source in first.source.split("+"):
        return first
    return replace(
        first, source=f"{one.source}+{other.source}", source_score=max(scores, default=None)
    )


def _order(term: FoundTerm) -> tuple[float, str]:
    # Ties are broken by name, not by the order in which the classes were given.
    return -_strength(term), str(term.label)


def _strength(term: FoundTerm) -> float:
    value = term.source_score if term.similarity is None else term.similarity
    return 0.0 if value is None else value


def _ids(ids: list[int] | None) -> tuple[int, ...]:
    return () if ids is None else tuple(ids)
