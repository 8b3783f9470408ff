"""The bi-encoder's memory, and cross-encoders with either convention."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewshot.errors import ModelError, VerbalizerError
from fewshot.knowledge import CrossEncoderFilter
from fewshot.knowledge.similarity import TermEncoder, cosines
from fewshot.models.sentence_encoder import SentenceEncoder
from tests.tiny_sentences import tiny_cross_encoder, tiny_sentence_transformer

NAMES = ["sports", "government"]


@pytest.fixture
def encoder(tiny_bert) -> TermEncoder:
    return TermEncoder(SentenceEncoder.load(tiny_sentence_transformer(tiny_bert), None))


def test_embeddings_have_length_one_and_are_the_encoders(encoder, tiny_bert):
    texts = ["football team", "vote", "football team"]

    found = encoder.embed(texts)

    expected = tiny_sentence_transformer(tiny_bert).encode(texts, normalize_embeddings=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_is_known_is_not_embedded_again(encoder):
    first = encoder.embed(["football", "vote", "football"])
    assert (encoder.n_passes, encoder.n_texts) == (1, 2)

    again = encoder.embed(["vote", "team", "football"])

    assert (encoder.n_passes, encoder.n_texts) == (2, 3)
    np.testing.assert_array_equal(again[[2, 0]], first[:2])


def test_of_several_names_of_a_class_the_nearest_counts(encoder):
    found = cosines(encoder, ["team", "law"], [["team", "vote"], ["law"]])

    single = cosines(encoder, ["team", "law"], [["team"], ["vote"], ["law"]])
    assert encoder.n_texts == 3
    np.testing.assert_allclose(found, np.stack([single[:, :2].max(1), single[:, 2]], 1))
    assert found[0, 0] == pytest.approx(1.0, abs=1e-6)


# ---- Cross-encoders ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def likeness(tiny_bert):
    """A cross-encoder whose scores of equal sentences are above those of others, or below."""
    model = tiny_cross_encoder(tiny_bert)
    same, other = (
        model.predict([("sports", second)], show_progress_bar=False)[0]
        for second in ("sports", "government")
    )
    return model, "above" if same > other else "below"


def test_scores_are_those_of_the_model(likeness):
    model, keep = likeness
    pairs = [("sports", "team"), ("sports", "vote"), ("government", "vote")]

    found = CrossEncoderFilter(model, keep=keep).score(pairs)

    np.testing.assert_allclose(found, model.predict(pairs, show_progress_bar=False))
    assert found.dtype == np.float64


@pytest.mark.parametrize(
    ("keep", "expected"), [("below", [False, True, True]), ("above", [True, False, False])]
)
def test_a_threshold_is_passed_on_the_side_that_is_named(keep, expected, likeness):
    scores = np.array([0.95, 0.2, 0.1])  # x of E6, methods/sciprompt.md

    assert CrossEncoderFilter(likeness[0], keep=keep).keeps(scores).tolist() == expected


def test_the_right_convention_passes_and_the_other_is_refused(likeness):
    model, right = likeness
    wrong = {"above": "below", "below": "above"}[right]

    CrossEncoderFilter(model, keep=right).check_convention(NAMES)
    with pytest.raises(VerbalizerError, match=f"'{wrong}' does not fit.*use keep='{right}'"):
        CrossEncoderFilter(model, keep=wrong).check_convention(NAMES)


def test_a_model_with_several_outputs_is_refused(tiny_bert):
    model = tiny_cross_encoder(tiny_bert, num_labels=3)

    with pytest.raises(ModelError, match="gives 3 scores per pair; use one with num_labels=1"):
        CrossEncoderFilter(model).score([("a", "b")])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep": "over"}, r"keep is one of \['above', 'below'\], got 'over'"),
        ({"threshold": None}, "threshold is a number, got None"),
    ],
)
def test_bad_settings_are_refused(likeness, settings, message):
    with pytest.raises(VerbalizerError, match=message):
        CrossEncoderFilter(likeness[0], **settings).keeps(np.array([0.5]))


def test_something_else_than_a_cross_encoder_is_refused():
    with pytest.raises(ModelError, match="a CrossEncoder, a folder or a hub id, got int"):
        CrossEncoderFilter(3).score([("a", "b")])


def test_a_cross_encoder_that_gives_nan_is_refused(tiny_bert):
    model = tiny_cross_encoder(tiny_bert)
    with torch.no_grad():
        model.model.classifier.bias.fill_(float("nan"))

    with pytest.raises(ModelError, match=r"cross-encoder's scores of 1 of 1 texts are not finite"):
        CrossEncoderFilter(model).score([("sports", "team")])
