"""Labels and probabilities for tables: batches of an engine, parts of a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from fewshot.classifiers.batches import column_names, extended, texts_of
from fewshot.data.locks import LongLock
from fewshot.data.settings import check_settings, or_none, proportion
from fewshot.data.task_kind import decide
from fewshot.errors import InputError, PersistenceError, did_you_mean
from fewshot.runtime.classifier import ExportedClassifier, exported_fingerprint
from fewshot.runtime.classifier import load as load_exported
from fewshot.runtime.manifest import FOLDER

if TYPE_CHECKING:
    from fewshot.classifiers.base import TextClassifier  # loads scikit-learn

_MODELS_KEPT = 4  # by a process
_LOADING = LongLock()  # threads of one process load a model once

Classifier: TypeAlias = "TextClassifier | ExportedClassifier"


@dataclass(frozen=True)
class BatchPredictor:
    """Predict batches of a table with a saved classifier, in any process of any engine.

    It is a small picklable function that carries the path of the folder and a fingerprint of what
    it holds: weights never go through a scheduler. Each process loads the classifier when the
    first batch arrives, and keeps it. Engines call it for each batch: ``ds.map_batches(predictor)``
    in Ray Data, ``df.map_partitions(predictor)`` in Dask, ``dataset.map(predictor, batched=True)``
    in `datasets`.

    Parameters
    ----------
    folder : str or Path
        Written by ``save`` or :func:`fewshot.export`; every process must be able to read it.
    text : str, sequence of str or mapping of str to str, optional
        The column of the texts; several columns in the order of the template's fields, or columns
        by field. By default the columns that are named as the fields are.
    proba : bool, default=False
        Whether to add the probability of each class.
    min_confidence : float, optional
        Below it the label is None.
    prefix : str, default=""
        Begins the names of the columns that are added: ``label``, ``score`` (the probability of
        the most likely class) and, with `proba`, ``proba_<class>``. Where texts have several
        labels, ``label`` is a list of them.

    Raises
    ------
    PersistenceError
        If there is no saved classifier, or, in another process, a different one.
    InputError
        If a column is missing, or one that is added is there already; if there is a
        `min_confidence` for several labels, which have thresholds of their own.

    See Also
    --------
    load : The classifier itself.

    Examples
    --------
    >>> from fewshot import BatchPredictor
    >>> predictor = BatchPredictor("ticket-model", text="body")  # doctest: +SKIP
    >>> predictor({"body": ["Where is my parcel?"]})  # doctest: +SKIP
    {'body': ['Where is my parcel?'], 'label': ['shipping'], 'score': [0.93]}
    """

    folder: str | Path
    text: str | Sequence[str] | Mapping[str, str] | None = None
    proba: bool = False
    min_confidence: float | None = None
    prefix: str = ""
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        check_settings(self, {"min_confidence": or_none(self.min_confidence, proportion)})
        path = Path(self.folder).resolve()
        object.__setattr__(self, "folder", path)
        object.__setattr__(self, "fingerprint", _fingerprint(path))

    def __call__(self, batch: Any) -> Any:
        """Return a batch of the same kind with the new columns; for a list, a list of dicts."""
        classifier = self.classifier()
        names = column_names(batch)
        columns = text_columns(fields_of(classifier), self.text, names)
        check_added(added_names(classifier, self.proba, self.prefix), names)
        texts = texts_of(batch, columns)
        added = label_columns(
            classifier, texts, self.proba, self.min_confidence, prefix=self.prefix
        )
        return extended(batch, added, next(iter(columns)), classifier)

    def classifier(self) -> Classifier:
        """Return the classifier, which is loaded once per process.

        Returns
        -------
        estimator or ExportedClassifier
        """
        with _LOADING:
            return _loaded(str(self.folder), self.fingerprint)


def fields_of(classifier: Any) -> tuple[str, ...]:
    """Return the fields of the texts that a fitted classifier takes."""
    if hasattr(classifier, "fields_"):
        return tuple(classifier.fields_)
    return tuple(classifier.template_.field_names)


def text_columns(
    fields: Sequence[str],
    given: str | Sequence[str] | Mapping[str, str] | None,
    names: Sequence[str] | None,  # None: rows that are texts themselves
) -> dict[str, str]:
    """Return the column of each field."""
    if given is None:
        columns = dict(zip(fields, fields, strict=True))
    elif isinstance(given, Mapping):
        columns = dict(given)
    else:
        listed = [given] if isinstance(given, str) else list(given)
        by_name = dict(zip(listed, listed, strict=True))
        is_named = set(by_name) == set(fields)
        if not is_named and len(listed) != len(fields):
            raise InputError(
                f"the classifier takes the fields {list(fields)}, got {len(listed)} columns: "
                f"{listed}; name a column for each"
            )
        columns = by_name if is_named else dict(zip(fields, listed, strict=True))
    if set(columns) != set(fields):
        raise InputError(
            f"the classifier takes the fields {list(fields)}, got columns for {list(columns)}"
        )
    for name in columns.values():
        if names is not None and name not in names:
            raise InputError(
                f"no column {name!r}{did_you_mean(name, names)}; the columns are {list(names)}"
            )
    return {name: columns[name] for name in fields}


def added_names(classifier: Classifier, proba: bool, prefix: str) -> list[str]:
    """Return the names of the columns that predictions add."""
    classes = [f"proba_{label}" for label in classifier.classes_] if proba else []
    return [f"{prefix}{name}" for name in ("label", "score", *classes)]


def check_added(added: Sequence[str], names: Collection[str] | None) -> None:
    """Refuse to replace columns."""
    taken = [name for name in added if name in ([] if names is None else names)]
    if taken:
        raise InputError(
            f"there is a column {taken[0]!r} already; give the predictions' columns another name "
            "with a prefix, such as 'predicted_'"
        )


def label_columns(
    classifier: Classifier,
    texts: Any,
    proba: bool = False,
    min_confidence: float | None = None,
    *,
    prefix: str = "",
) -> dict[str, list[Any]]:
    """Predict texts; return the columns that :func:`added_names` names."""
    names = added_names(classifier, proba, prefix)
    if not len(texts):
        return {name: [] for name in names}
    scores = classifier._decision_scores(texts)  # the most likely class is that of `predict`
    rows = classifier._probabilities(scores)
    thresholds, confidence = classifier.thresholds_, rows.max(1)
    if thresholds is None:
        labels = classifier.classes_[scores.argmax(1)].tolist()
    elif min_confidence is None:
        labels = [classifier.classes_[row].tolist() for row in decide(rows, thresholds)]
    else:
        raise InputError("min_confidence is for one label per text; several have thresholds_")
    if min_confidence is not None:
        pairs = zip(labels, confidence >= min_confidence, strict=True)
        labels = [label if is_sure else None for label, is_sure in pairs]
    columns = [labels, confidence.tolist(), *(rows.T.tolist() if proba else [])]
    return dict(zip(names, columns, strict=True))


@lru_cache(maxsize=_MODELS_KEPT)
def _loaded(folder: str, fingerprint: str) -> Classifier:
    """Return the classifier of a folder that ``save`` or ``export`` has written."""
    path = Path(folder)
    if _fingerprint(path) != fingerprint:
        raise PersistenceError(
            f"{folder} holds another classifier than when the predictor was made; make it again "
            "after saving, or save to a new folder"
        )
    if _is_exported(path):
        return load_exported(path)
    from fewshot.saving import estimators  # loads torch

    classifier: TextClassifier = estimators.load_estimator(path)
    if "verbose" in classifier.get_params():
        classifier.set_params(verbose=0)
    return classifier


def _fingerprint(folder: Path) -> str:
    if _is_exported(folder):
        return exported_fingerprint(folder)
    from fewshot.saving.estimators import saved_fingerprint  # loads torch

    return saved_fingerprint(folder)


def _is_exported(folder: Path) -> bool:
    return (folder / FOLDER.file).is_file()
