"""The classifiers that are heard: what each suits, and how it is made, fitted and held out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.automatic.task import Task
from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.embedding import EmbeddingClassifier
from fewshot.classifiers.embedding_plan import EmbeddingHead
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.base import SemiSupervisedClassifier
from fewshot.classifiers.semi_supervised.pcp import PCPClassifier
from fewshot.classifiers.semi_supervised.pet import PETClassifier
from fewshot.classifiers.tfidf import TfidfClassifier
from fewshot.data.classes import Threshold, class_targets
from fewshot.data.semi_supervised_data import SemiSupervisedData
from fewshot.data.training_data import TrainingData
from fewshot.errors import FewShotWarning, LabelWordError, VerbalizerError
from fewshot.models.loading import embedded_name, load_masked_lm
from fewshot.scoring.cluster_kernel import LEAST_TEXTS
from fewshot.tuning import resolve_tuning

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


class Pace(NamedTuple):
    """Seconds of one pass of the model over texts."""

    labeled: float
    calibrating: float  # those without labels that calibrate the scores
    unlabeled: float  # all of them


def load_models(model: Any, *, embeds: bool) -> None:
    """Load what voices share, once in a process."""
    load_masked_lm(model)
    name = embedded_name(model)
    if embeds and name is not None:
        EmbeddingClassifier(name)._load_models()  # imports sentence-transformers: takes seconds


def seconds_of_texts(task: Task) -> Array:
    """Measure on a few texts how fast the model reads; return seconds of each, [n]."""
    if not task.n_labeled and not task.data.pool:
        return np.zeros(0)
    rows = task.data.joined()
    sizes = np.array([min(len(text), _LONGEST) + _BESIDE for text in rows.examples.joined()])
    order = _order(task, len(sizes))
    sample = order[: 1 + int(np.searchsorted(np.cumsum(sizes[order]), _MEASURED))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewShotWarning)  # the fits give them
        if has_words(task) or not task.n_labeled:
            cost = zero_shot(task).dry_run(rows.examples.take(sample))
        else:  # labels are enough to learn from
            sample = np.arange(min(len(sample), task.n_labeled))
            cost = _prompt(task, "head").dry_run(*_arguments(rows.take(sample)))
    seconds: Array = sizes * (cost.seconds / sizes[sample].sum())
    return seconds


def calibrated_within(task: Task, of_texts: Array, seconds: float) -> tuple[Task, Pace]:
    """Return the task with the texts without labels that there is time for, and its pace."""
    labeled, pool = of_texts[: task.n_labeled], of_texts[task.n_labeled :]
    rows = _affordable(task, pool, _SHARE_BESIDE * (seconds - labeled.sum()))
    data = SemiSupervisedData(task.data.labeled, task.data.pool.take(rows))
    pace = Pace(float(labeled.sum()), float(pool[rows].sum()), float(pool.sum()))
    return replace(task, data=data), pace


def zero_shot_within(task: Task, of_texts: Array, seconds: float) -> tuple[Task, float]:
    """Return the task with the texts that are read where no label is, and their seconds."""
    of_texts = len(untaught(task)) * of_texts
    rows = _affordable(task, of_texts, _SHARE_ALONE * seconds)
    labeled, pool = rows[rows < task.n_labeled], rows[rows >= task.n_labeled] - task.n_labeled
    kept = task.labeled.take(labeled) if len(labeled) else None
    data = SemiSupervisedData(kept, task.data.pool.take(pool))
    return replace(task, data=data), float(of_texts[rows].sum())


def pool_within(
    task: Task, of_texts: Array, voices: Iterable[str], seconds: float, n_read: int = 0
) -> tuple[Rows, float]:
    """Return the texts without labels that these voices can read in time, and the seconds."""
    n_passes = sum(name not in _WITHOUT_MODEL for name in voices)
    of_pool = n_passes * of_texts[task.n_labeled :]
    if n_passes:  # the fits have read these, all but what learns from them in the end
        of_pool[_order(task, len(of_pool))[:n_read]] /= n_passes
    rows = _affordable(task, of_pool, _SHARE_OF_END * seconds)
    return rows, float(of_pool[rows].sum())


def _affordable(task: Task, of_texts: Array, seconds: float) -> Rows:
    """Return all texts if there are seconds to read them, else a random sample, sorted."""
    order = _order(task, len(of_texts))
    n = int(np.searchsorted(np.cumsum(of_texts[order]), seconds, side="right"))
    if n < len(of_texts):
        # Powers of two: two fits on a machine that is now and then busy draw the same sample.
        n = 1 << (n.bit_length() - 1) if n >= _LEAST_SAMPLE else 0
    return np.sort(order[:n])


def _order(task: Task, n_texts: int) -> Rows:
    return np.random.default_rng(task.seed).permutation(n_texts)


_WITHOUT_PRIOR = (EmbeddingClassifier, TfidfClassifier)


class Voice(NamedTuple):
    """A classifier that can be tried."""

    name: str
    make: Callable[[Task], Any]  # a classifier of this package, not fitted
    suits: Callable[[Task], bool]
    weight: float  # in the pool without evidence; docs/evidence/classifier.md
    passes: tuple[float, float, float]  # of the model over the texts of `Pace`
    follows: str | None = None  # the voice that embeds the texts, so that this one costs nothing

    @property
    def needs_no_model(self) -> bool:
        """Whether texts are not read by the language model."""
        return sum(self.passes) < 1

    @property
    def learns_from_pool(self) -> bool:
        """Whether it reads all texts without labels, not only a sample to calibrate scores."""
        return self.passes[2] > 0

    def fit(self, task: Task) -> TextClassifier:
        """Fit it to what it can learn from: labelled texts, and others where those serve."""
        clf = self.make(task)
        is_embedding = isinstance(clf, EmbeddingClassifier)
        reads_pool = isinstance(clf, PromptClassifier) or (is_embedding and _has_space(task))
        if reads_pool and not task.n_labeled and not task.data.pool:
            return clf.fit()  # type: ignore[no-any-return]
        rows = task.data.joined() if reads_pool else task.labeled
        more: dict[str, Any] = {}
        if isinstance(clf, SemiSupervisedClassifier):
            more = {"unlabeled": task.data.pool}
        clf.fit(*_arguments(rows), sample_weight=_weights(task, clf, rows), **more)
        fitted: TextClassifier = clf
        return fitted

    def seconds(self, pace: Pace) -> float:
        """Estimate the seconds of a fit."""
        return float(np.dot(self.passes, pace))

    def held_out(self, task: Task, n_folds: int) -> Array:
        """Return log-probabilities of each text from a fit without it, [n, n_classes]; or NaN."""
        folds = task.folds(n_folds)
        scores = np.full((len(folds), len(task.classes)), np.nan)
        for fold in range(folds.max() + 1):
            rows = np.flatnonzero(folds == fold)
            clf = self.fit(task.part(np.flatnonzero(folds != fold)))
            scores[rows] = class_scores(clf, task.labeled.examples.take(rows))
        return scores


def class_scores(clf: TextClassifier, X: Any) -> Array:
    """Return scores without the offsets of class weights and shares, [n, n_classes]."""
    return clf.task_kind_.normalized(clf._class_scores(X))


def _weights(task: Task, clf: TextClassifier, rows: TrainingData) -> Array:
    """Return weights of texts; they balance classes for what knows no `class_prior`."""
    knows_prior = not isinstance(clf, _WITHOUT_PRIOR)
    if knows_prior or isinstance(task.class_weight, str) or task.kind.has_several:
        return rows.sample_weight
    weights = class_targets(rows, task.classes, None, task.class_prior)[1]
    return np.where(rows.labels.is_labeled, weights, rows.sample_weight)


def _arguments(rows: TrainingData) -> tuple[Any, Any]:
    return rows.examples, rows.labels


def _prompt(task: Task, tuning: str) -> PromptClassifier:
    return PromptClassifier(
        task.template,
        task.verbalizer,
        model=task.model,
        tuning=tuning,
        labels=task.classes if task.verbalizer is None else None,
        threshold=_zero_shot_threshold(task) if tuning == "none" else task.threshold,
        class_weight=task.class_weight,
        class_prior=task.class_prior,
        random_state=task.seed,
        verbose=0,
    )


def _zero_shot_threshold(task: Task) -> Threshold:
    """Return the threshold; without labelled texts it alone says that texts may have several."""
    return "auto" if task.kind.has_several and task.threshold is None else task.threshold


def zero_shot(task: Task) -> PromptClassifier:
    """Return the classifier that needs no label."""
    return _prompt(task, "none")


def has_words(task: Task) -> bool:
    """Return whether texts can be classified by words for the classes, without any label."""
    try:
        zero_shot(task).dry_run()
    except (VerbalizerError, LabelWordError):
        return False
    return True


def _tuned(name: str) -> Callable[[Task], TextClassifier]:
    return lambda task: _prompt(task, name)


def _pet(task: Task) -> PETClassifier:
    return PETClassifier(_prompt(task, "full"), random_state=task.seed, verbose=0)


def _pcp(task: Task) -> PCPClassifier:
    return PCPClassifier(_prompt(task, "full"), random_state=task.seed, verbose=0)


def _embedding(task: Task, head: EmbeddingHead = "auto") -> EmbeddingClassifier:
    return EmbeddingClassifier(
        embedded_name(task.model) or task.model,
        task.verbalizer,
        head=head,
        labels=task.classes if task.verbalizer is None else None,
        class_weight=task.class_weight,
        threshold=task.threshold,
    )


def _tfidf(task: Task) -> TfidfClassifier:
    return TfidfClassifier(
        labels=task.classes, class_weight=task.class_weight, threshold=task.threshold
    )


def _always(_task: Task) -> bool:
    return True


def _has_one_label(task: Task) -> bool:
    return not task.kind.has_several


def _is_embedded(task: Task) -> bool:
    return embedded_name(task.model) is not None


def _has_names(task: Task) -> bool:
    return _is_embedded(task) and _has_one_label(task) and has_words(task)


def _has_space(task: Task) -> bool:
    return len(task.data.pool) >= LEAST_TEXTS and _has_one_label(task)


def _names_a_space(task: Task) -> bool:
    return not task.n_labeled and _has_space(task) and _has_names(task)


def _has_pool(task: Task) -> bool:
    return len(task.data.pool) >= _LEAST_POOL and _has_one_label(task) and has_words(task)


_LEAST_POOL = 50  # texts without a label
_LEAST_SAMPLE = 32  # texts that calibrate
_SHARE_BESIDE, _SHARE_ALONE = 0.15, 0.6  # of the time, for these, beside other work or with none
_SHARE_OF_END = 0.8  # of the time that is left at the end
# Characters: of a text that the model reads, of a template, and of the texts that are timed
_LONGEST, _BESIDE, _MEASURED = 2500, 20, 1000
_FULL, _CONTRASTIVE = (1 + resolve_tuning(name).passes() for name in ("full", "contrastive"))
_TFIDF = 0.01  # of a pass of fewshot-mini: a millisecond or less for a text
_MEMBERS, _EPOCH = 4, 3  # of PET; passes of an epoch of training

CHEAP = (
    Voice("head", _tuned("head"), _always, 0.3, (1, 1, 0)),
    Voice("embedding", _embedding, _is_embedded, 1.0, (1, 1, 0)),
    Voice("names", partial(_embedding, head="names"), _has_names, 0.3, (0, 0, 0), "embedding"),
    Voice("tfidf", _tfidf, _always, 0.2, (_TFIDF, 0, 0)),
)
COSTLY = (
    Voice("contrastive", _tuned("contrastive"), _has_one_label, 1.0, (_CONTRASTIVE, 1, 0)),
    Voice("full", _tuned("full"), _always, 0.8, (_FULL, 1, 0)),
    Voice("pet", _pet, _has_pool, 0.8, (_MEMBERS * _FULL, 0, 2 * _MEMBERS + 3 * _EPOCH)),
    # Five epochs over the surer half of the texts.
    Voice("pcp", _pcp, _has_pool, 0.8, (_FULL, 0, 2 + 5 * _EPOCH / 2)),
)
_EMBEDDED = {"embedding", "names"}  # read at most a few hundred texts without labels
_WITHOUT_MODEL = {voice.name for voice in CHEAP if voice.needs_no_model}
ZERO_SHOT = Voice("zero-shot", zero_shot, has_words, 0.3, (0, 1, 0))  # where head takes too long
UNTAUGHT = (  # where no text has a label
    ZERO_SHOT,
    Voice("names", partial(_embedding, head="names"), _names_a_space, 1.5, (0, 1, 0)),
)


def untaught(task: Task) -> list[Voice]:
    """Return what is heard where labels teach nothing: the first, and those that suit."""
    return [voice for voice in UNTAUGHT if voice is ZERO_SHOT or voice.suits(task)]


def calibration_note(voice: Voice, sampled: Task, task: Task) -> str:
    """Say on how many texts scores were calibrated if that is not all, else nothing."""
    if voice.learns_from_pool or not voice.passes[1] or voice.name in _EMBEDDED:
        return ""
    if voice is ZERO_SHOT:
        n, whole = (item.n_labeled + len(item.data.pool) for item in (sampled, task))
        texts, none = f"{whole} texts", "calibrated on sentences of many kinds, not on"
    else:
        n, whole = len(sampled.data.pool), len(task.data.pool)
        texts, none = f"{whole} texts without labels", "not calibrated on"
    if n == whole:
        return ""
    return f"calibrated on {n} of {texts}" if n else f"{none} the {texts}: no time"


def words_of_classes(task: Task) -> str:
    """Say what stands for the classes when labels do not."""
    if task.verbalizer is None:
        return "the names of the classes"
    has_names = any(isinstance(label, str) for label in task.classes)
    return (
        "the names and descriptions of the classes"
        if has_names
        else "the descriptions of the classes"
    )
