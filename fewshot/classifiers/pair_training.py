"""Tuning of a sentence encoder on pairs of texts, with setfit's trainer."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
from sentence_transformers import SentenceTransformer
from tqdm.auto import tqdm
from transformers import TrainerCallback

from fewshot.models.quiet import quiet_transformers
from fewshot.models.reproducible import exclusive_global_state, limited_threads
from fewshot.training.history import Epoch

_BAR_DELAY = 2.0  # seconds; a short run shows no bar


@dataclass(frozen=True)
class PairTraining:
    """Settings of tuning on pairs."""

    learning_rate: float
    num_epochs: int
    batch_size: int
    batch_tokens: int  # about; decides how many threads are worth it
    seed: int
    show_progress: bool


def train_on_pairs(
    transformer: SentenceTransformer,
    texts: list[str],
    pairs: npt.NDArray[np.int64],  # [n_pairs, 3]: two texts, and 1 for one class, else 0
    settings: PairTraining,
) -> list[Epoch]:
    """Tune in place: pairs of one class towards cosine 1, of two classes towards 0."""
    # setfit's trainer runs the steps. It keeps no files, reports to nobody, and leaves the global
    # random state as it was. Its accelerator is one for the process, so fits in threads take turns.
    dataset = datasets.Dataset.from_dict(
        {
            "sentence_1": [texts[i] for i in pairs[:, 0]],
            "sentence_2": [texts[i] for i in pairs[:, 1]],
            "label": pairs[:, 2].astype(float).tolist(),
        }
    )
    with exclusive_global_state(), _quiet_setfit(), tempfile.TemporaryDirectory() as folder:
        trainer = _trainer(transformer, settings, folder)
        trainer.train_dataset = dataset
        if settings.show_progress:
            trainer.add_callback(_Progress(len(pairs)))
        with limited_threads(settings.batch_tokens):
            trainer.train()
    transformer.eval()
    return _history(trainer.state.log_history)


class _Progress(TrainerCallback):
    """A bar of the steps, with the number of pairs."""

    def __init__(self, n_pairs: int) -> None:
        self._n_pairs = n_pairs

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002  # the caller's signature
        self._bar = tqdm(
            total=state.max_steps, desc=f"setfit, {self._n_pairs} pairs", delay=_BAR_DELAY
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        self._bar.update()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        self._bar.close()


def _trainer(transformer: SentenceTransformer, settings: PairTraining, folder: str) -> Any:
    """Return setfit's trainer of the encoder, without the reports and files that it makes."""
    from setfit import SetFitModel, Trainer, TrainingArguments

    arguments = TrainingArguments(
        output_dir=folder,
        batch_size=settings.batch_size,
        num_epochs=settings.num_epochs,
        body_learning_rate=settings.learning_rate,
        seed=settings.seed,
        show_progress_bar=False,
        report_to="none",
        logging_strategy="epoch",
        logging_first_step=False,
        save_strategy="no",
    )
    trainer = Trainer(model=SetFitModel(model_body=transformer), args=arguments).st_trainer
    # The cosine loss; setfit knows where each version of sentence-transformers keeps it.
    trainer.loss = arguments.loss(transformer)
    trainer.args.dataloader_pin_memory = False  # warns where there is no GPU
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ in _UNWANTED_CALLBACKS:
            trainer.remove_callback(callback)
    return trainer


_UNWANTED_CALLBACKS = (  # they print, or collect the content of a model card
    *("PrinterCallback", "ProgressCallback", "ModelCardCallback"),
    *("NotebookProgressCallback", "SetFitNotebookProgressCallback"),
)


@contextmanager
def _quiet_setfit() -> Iterator[None]:
    """Silence setfit's logger and undo the warning filter that its import sets."""
    with warnings.catch_warnings(), quiet_transformers():
        from setfit import logging

        verbosity = logging.get_verbosity()
        logging.set_verbosity_error()
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)


def _history(log: list[dict[str, Any]]) -> list[Epoch]:
    rows = [row for row in log if "embedding_loss" in row]
    return [
        Epoch(epoch=number, loss=float(row["embedding_loss"]), learning_rate=row["learning_rate"])
        for number, row in enumerate(rows)
    ]
