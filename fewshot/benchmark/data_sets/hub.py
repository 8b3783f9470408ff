"""Data sets of the Hugging Face hub, for users who are online."""

from __future__ import annotations

from pathlib import Path

from fewshot.benchmark.data_sets.columns import read_labelled
from fewshot.benchmark.data_sets.protocols import LabelledTexts
from fewshot.benchmark.data_sets.tables import Row
from fewshot.errors import HubError, InputError


def read_hub_split(
    path: str, config: str | None, split: str, fields: tuple[str, ...], label: str
) -> LabelledTexts:
    """Read one split of a data set on the hub, or of a folder that `datasets` can load.

    Labels that the data set numbers and names get their names.

    Parameters
    ----------
    path : str
        Id on the hub, such as ``"cardiffnlp/tweet_eval"``, or a folder.
    config : str or None
        Which configuration, if there are several.
    split : str
        Such as ``"train"``.
    fields : tuple of str
        Columns that hold text.
    label : str
        Column of the labels.

    Returns
    -------
    LabelledTexts

    Raises
    ------
    HubError
        If the hub cannot be reached, or has no such data set.
    InputError
        If there is no such configuration, split or column, or a row has no text or no label.
    """
    import datasets  # takes a second

    where = f"{path}, split {split!r}" if config is None else f"{path} ({config}), split {split!r}"
    if not Path(path).is_dir() and not datasets.config.HF_HUB_OFFLINE:
        _reach_hub(path)
    try:
        loaded = datasets.load_dataset(path, config, split=split)
    except OSError as error:
        raise HubError(
            f"cannot load the data set {path!r}: {error}; check the id, or give files: "
            "train: texts.csv"
        ) from error
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{where}: {error}") from error
    names = getattr(loaded.features.get(label), "names", None)
    rows = [Row(number, dict(values)) for number, values in enumerate(loaded, start=1)]
    if names is not None:
        for row in rows:
            value = row.values[label]
            row.values[label] = names[value] if value >= 0 else None  # -1: a hidden label
    return read_labelled(rows, fields, label, where)


def _reach_hub(path: str) -> None:
    """Fail within seconds; the hub's client would retry for half a minute."""
    from fewshot.models.loading import hub_answers  # loads torch

    if not hub_answers():
        raise HubError(
            f"the data set {path!r} is on the hub, which cannot be reached; go online, set "
            "HF_HUB_OFFLINE=1 if it is in the local cache, or give files: train: texts.csv"
        )
