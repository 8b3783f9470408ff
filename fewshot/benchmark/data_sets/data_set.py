"""A data set of the benchmark: its texts, its prompts, and the splits drawn from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from fewshot.benchmark.data_sets.splits import LabeledTexts, Pool, ShotFiles, Text
from fewshot.benchmark.metrics import METRICS, TextLabels, metrics_of
from fewshot.data.labels import Label
from fewshot.data.sampling import stratified_sample
from fewshot.data.settings import is_whole
from fewshot.errors import InputError
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer

_TEST_SEED = 0  # the capped test part is the same for all seeds of a benchmark


@dataclass(frozen=True)
class Split:
    """The texts of one cell of a benchmark."""

    train_texts: list[Text]  # empty for 0 shots
    train_labels: list[TextLabels]
    test_texts: list[Text]
    test_labels: list[TextLabels]
    unlabeled: list[Text]  # other texts of the task, in random order
    description: str  # how it was drawn


@dataclass(frozen=True)
class DataSetInfo:
    """A data set without its texts, which is sent to workers."""

    title: str
    templates: tuple[Template, ...]  # the default one first
    verbalizer: Verbalizer | None  # None: the names of the labels
    labels: tuple[Label, ...]
    metric: str
    data_hash: str
    has_several: bool = False  # whether a text may have several labels


@dataclass(frozen=True)
class DataSet:
    """A data set with its default prompt and its protocol.

    Returned by :func:`fewshot.benchmark.load_data_set`. Pairs of texts are mappings with the
    fields of the template.

    Parameters
    ----------
    name : str
        As in a spec, such as ``"bbc_news"``.
    title : str
        For tables.
    licence : str
        Terms of the data, which is not part of this package.
    source : str
        The authors of the data, and the source of the texts.
    templates : tuple of Template
        The default one, then others that suit the task.
    verbalizer : Verbalizer
        The default one; its labels are those of the data set.
    metric : str
        The metric that the protocol reports, such as ``"accuracy"`` or ``"macro_f1"``.
    training : Pool or ShotFiles
        The source of training texts: labeled texts to draw from, or published files.
    test : LabeledTexts
        All test texts.
    notes : tuple of str, default=()
        Notes for readers of results, such as the number of duplicates left out.

    Raises
    ------
    InputError
        If there is no template or no test text, or the metric is unknown.

    See Also
    --------
    load_data_set : Load one by name, or your own.

    Examples
    --------
    >>> from fewshot import Template, Verbalizer
    >>> pool = LabeledTexts(("a bad film", "a good film"), ("neg", "pos"))
    >>> test = LabeledTexts(("bad", "good"), ("neg", "pos"))
    >>> data = DataSet(
    ...     "mine", "Mine", "none", "myself", (Template("{text} It was {mask}."),),
    ...     Verbalizer({"neg": ["bad"], "pos": ["good"]}), "accuracy", Pool(pool), test,
    ... )
    >>> sorted(data.split(shots=1, seed=0).train_texts)
    ['a bad film', 'a good film']
    """

    name: str
    title: str
    licence: str
    source: str
    templates: tuple[Template, ...]
    verbalizer: Verbalizer
    metric: str
    training: Pool | ShotFiles
    test: LabeledTexts
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.templates:
            raise InputError(f"the data set {self.name!r} has no template; give at least one")
        if not self.test.texts:
            raise InputError(f"the data set {self.name!r} has no test texts; add some")
        if self.metric not in METRICS:
            raise InputError(
                f"the data set {self.name!r} has the metric {self.metric!r}; "
                f"the metrics are {list(METRICS)}"
            )
        check_metric(self.name, self.metric, self.test.has_several)

    @property
    def template(self) -> Template:
        """The default template."""
        return self.templates[0]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the verbalizer."""
        return tuple(str(label) for label in self.verbalizer.labels)

    @property
    def shots_kind(self) -> Literal["per class", "in total"]:
        """Whether shots are counted per class or in total."""
        return self.training.shots_kind

    @property
    def shots(self) -> tuple[int, ...] | None:
        """The numbers of shots that the protocol has files for; None if any number can be drawn."""
        return self.training.shots

    @property
    def seeds(self) -> tuple[int, ...] | None:
        """The seeds that the protocol has files for; None if any seed will do."""
        return self.training.seeds

    @property
    def info(self) -> DataSetInfo:
        """The data set without its texts."""
        return DataSetInfo(
            self.title,
            self.templates,
            self.verbalizer,
            self.labels,
            self.metric,
            self.data_hash,
            self.test.has_several,
        )

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 over all texts and labels, the same on all machines."""
        digest = hashlib.sha256()
        for part in (*self.training.parts(), ("test", self.test)):
            for line in _canonical(*part):
                digest.update(line.encode())
        return digest.hexdigest()

    def check(
        self, shots: Sequence[int], seeds: Sequence[int], test_size: int | None = None
    ) -> None:
        """Check, before any work, that all these splits can be drawn.

        Parameters
        ----------
        shots : sequence of int
        seeds : sequence of int
        test_size : int, optional

        Raises
        ------
        InputError
            If a class has fewer examples than shots, the protocol has no file for a number of
            shots or a seed, or a number is out of range.
        """
        for name, values in (("shots", shots), ("seed", seeds)):
            for value in values:
                if not is_whole(value, 0):
                    raise InputError(
                        f"{self.name}: {name} is a whole number, 0 or more, got {value!r}"
                    )
        if test_size is not None and not is_whole(test_size, len(self.labels)):
            raise InputError(
                f"{self.name}: test_size is None or a whole number, at least the number of "
                f"classes, {len(self.labels)}; got {test_size!r}"
            )
        try:
            self.training.check([k for k in shots if k > 0], seeds)
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from error

    def split(self, shots: int, seed: int, test_size: int | None = None) -> Split:
        """Draw training and test texts.

        The test texts depend on `test_size` alone: all methods, shots and seeds are compared on
        the same ones.

        Parameters
        ----------
        shots : int
            0 for none.
        seed : int
        test_size : int, optional
            The most test texts, in the proportions of the classes. By default all.

        Returns
        -------
        Split
            With ``train_texts``, ``train_labels``, ``test_texts``, ``test_labels``, the remaining
            ``unlabeled`` texts in random order, and a ``description`` of the draw.

        Raises
        ------
        InputError
            As :meth:`check` does.
        """
        self.check([shots], [seed], test_size)
        train = self.training.draw(shots, seed)
        test, how_tested = self._capped(test_size)
        unlabeled = self.training.unlabeled(train)
        order = np.random.default_rng([seed, shots]).permutation(len(unlabeled))
        how_trained = self.training.describe(shots) if shots else "no training labels"
        return Split(
            list(train.texts),
            list(train.labels),
            list(test.texts),
            list(test.labels),
            [unlabeled[i] for i in order],
            "; ".join([how_trained, how_tested, *self.notes]),
        )

    def _capped(self, test_size: int | None) -> tuple[LabeledTexts, str]:
        n_texts = len(self.test.texts)
        if test_size is None or test_size >= n_texts:
            return self.test, f"all {n_texts} test texts"
        chosen = stratified_sample(self.test.labels, test_size, random_state=_TEST_SEED)
        return (
            self.test.take(chosen.tolist()),
            f"{test_size} of {n_texts} test texts, stratified, the same for all seeds and methods",
        )


def check_metric(name: str, metric: str, has_several: bool) -> None:
    """Refuse a metric of tasks of the other kind."""
    fitting = metrics_of(has_several)
    if metric not in fitting:
        kind = "may have several labels" if has_several else "has one label"
        raise InputError(
            f"the data set {name!r}: a text {kind}, for which there is no {metric!r}; "
            f"use one of {fitting}"
        )


def _canonical(name: str, part: LabeledTexts) -> Iterator[str]:
    yield json.dumps([name, len(part.texts)]) + "\n"
    for text, label in zip(part.texts, part.labels, strict=True):
        yield json.dumps([text, label], sort_keys=True) + "\n"
