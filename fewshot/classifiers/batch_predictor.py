"""Labels and probabilities for tables: batches of an engine, parts of a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

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
        names = _column_names(batch)
        columns = text_columns(fields_of(classifier), self.text, names)
        check_added(added_names(classifier, self.proba, self.prefix), names)
        texts = _texts(batch, columns)
        added = label_columns(
            classifier, texts, self.proba, self.min_confidence, prefix=self.prefix
        )
        return _extended(batch, added, next(iter(columns)), classifier)

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


def _is_pandas(batch: Any) -> bool:
    return hasattr(batch, "iloc") and hasattr(batch, "columns")


def _is_polars(batch: Any) -> bool:
    return hasattr(batch, "hstack") and hasattr(batch, "columns")


def _is_arrow(batch: Any) -> bool:
    return hasattr(batch, "append_column")


def _column_names(batch: Any) -> list[str] | None:
    """Return the names of the columns; None for a list of texts."""
    if _is_arrow(batch):
        return list(batch.column_names)
    if _is_pandas(batch) or _is_polars(batch):
        return list(batch.columns)
    if isinstance(batch, Mapping):
        return list(batch)
    if not isinstance(batch, (list, tuple)):
        raise InputError(
            "a batch is a list of texts or of mappings, a mapping of columns, a DataFrame of "
            f"pandas or polars, or an Arrow table; got {type(batch).__name__}"
        )
    names = dict.fromkeys(name for row in batch if isinstance(row, Mapping) for name in row)
    return list(names) or None


def _texts(batch: Any, columns: Mapping[str, str]) -> list[Any]:
    """Return texts, or for several fields mappings."""
    if isinstance(batch, (list, tuple)):
        rows = [row if isinstance(row, Mapping) else {} for row in batch]
        if batch and not isinstance(batch[0], Mapping):
            return list(batch)
        values = [[row.get(name) for row in rows] for name in columns.values()]
    elif _is_arrow(batch):
        values = [batch.column(name).to_pylist() for name in columns.values()]
    else:
        values = [list(batch[name]) for name in columns.values()]
    if len(values) == 1:
        return list(values[0])
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def _extended(
    batch: Any, added: Mapping[str, list[Any]], field_name: str, classifier: Classifier
) -> Any:
    """Return a batch with further columns; of Arrow and polars their types are always the same."""
    if _is_arrow(batch):
        for name, column in _typed(added, classifier).items():
            batch = batch.append_column(name, column)
        return batch
    if _is_pandas(batch):
        return batch.assign(**added)
    if _is_polars(batch):
        import polars

        typed = _typed(added, classifier)
        return batch.hstack([polars.Series(name, column) for name, column in typed.items()])
    if isinstance(batch, Mapping):
        is_array = any(isinstance(values, np.ndarray) for values in batch.values())
        return {**batch, **(_arrays(added, classifier) if is_array else added)}
    rows = [row if isinstance(row, Mapping) else {field_name: row} for row in batch]
    return [
        {**row, **{name: values[i] for name, values in added.items()}} for i, row in enumerate(rows)
    ]


def _typed(added: Mapping[str, list[Any]], classifier: Classifier) -> dict[str, Any]:
    """Return columns of Arrow: the labels, then numbers."""
    import pyarrow

    label = pyarrow.array(classifier.classes_.tolist()).type
    if classifier.thresholds_ is not None:
        label = pyarrow.list_(label)
    types = [label, *[pyarrow.float64()] * (len(added) - 1)]
    return {
        name: pyarrow.array(values, kind)
        for (name, values), kind in zip(added.items(), types, strict=True)
    }


def _arrays(added: Mapping[str, list[Any]], classifier: Classifier) -> dict[str, npt.NDArray[Any]]:
    """Return columns as arrays; one of lists has an element for each."""
    (name, labels), *numbers = added.items()
    has_lists = classifier.thresholds_ is not None
    found = np.fromiter(labels, dtype=object) if has_lists else np.array(labels)
    return {name: found, **{other: np.array(values, dtype=float) for other, values in numbers}}
