"""SciPrompt's verbalizers: alone, in a classifier, and as what they leave behind."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone

import fewshot
from fewshot import PromptClassifier, SciPromptVerbalizer, Verbalizer
from fewshot.data.examples import Examples
from fewshot.errors import CoverageWarning, PersistenceError, VerbalizerError
from fewshot.knowledge import (
    CorpusTerms,
    CrossEncoderFilter,
    GivenTerms,
    Lookup,
    ModelNeighbours,
    SciPromptSoftVerbalizer,
    TermFile,
    VerbalizerTask,
    VocabularyWords,
    sciprompt,
)
from fewshot.knowledge.neighbours import vocabulary_words
from fewshot.knowledge.similarity import TermEncoder
from fewshot.models.sentence_encoder import SentenceEncoder
from fewshot.scoring.aggregation import aggregate, word_log_probs
from fewshot.scoring.label_words import LabelWords
from tests.tiny_sentences import tiny_cross_encoder, tiny_sentence_transformer

_EMERGING = Path(__file__).parents[3] / "shared" / "data" / "emerging_nlp"
LABELS = ["business", "sports"]
TERMS = GivenTerms({"business": {"market": 0.9, "basketball": 0.5}, "sports": {"football team": 1}})
TEXTS = [
    "the football team", "a player and a goal", "football match", "the market price", "stock price",
    "a bank and the market", "the team of the football match", "money of the bank",
]  # fmt: skip
Y = ["sports"] * 3 + ["business"] * 3 + ["sports", "business"]


@pytest.fixture(scope="module")
def encoder(tiny_bert):
    return tiny_sentence_transformer(tiny_bert)


def given(**settings) -> SciPromptVerbalizer:
    return SciPromptVerbalizer([TERMS], encoder=None, **settings)


def classifier(lm, verbalizer, **settings) -> PromptClassifier:
    options = {"tuning": "none", "calibration": "domain", "random_state": 0, "verbose": 0}
    return PromptClassifier(verbalizer=verbalizer, model=lm, **options | settings)


# ---- The arithmetic of the paper --------------------------------------------------------------


def test_the_weighted_example_of_the_specification():
    # E4 of methods/sciprompt.md: class A with logits (2, 1), class B with (0, 1, .5).
    scores = torch.tensor([[2.0, 1.0, 0.0, 1.0, 0.5]]).double()
    prior = word_log_probs(torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0]]).double())[0]
    own = torch.tensor([0, 0, 1, 1, 1])
    weights = torch.tensor([1.0, 0.6, 1.0, 0.9, 0.5]).double().exp()

    plain, calibrated = (
        aggregate(word_log_probs(scores, p), own, "weighted", weights) for p in (None, prior)
    )

    assert plain[0].tolist() == pytest.approx([-1.140496, -2.258130], abs=1e-6)
    assert plain.softmax(-1)[0].tolist() == pytest.approx([0.753550, 0.246450], abs=1e-6)
    assert calibrated[0].tolist() == pytest.approx([-1.535853, -2.051677], abs=1e-6)
    assert calibrated.softmax(-1)[0].tolist() == pytest.approx([0.626171, 0.373829], abs=1e-6)


def test_class_vectors_of_the_specification():
    # E5 of methods/sciprompt.md; the official code dilutes words by their pieces: (.375, .375).
    own = {"A": {"t0": 1.0, "t1": 1.0}, "B": {"t2": 0.5}}
    words = LabelWords(
        ("A", "B"),
        tuple(tuple(row) for row in own.values()),
        torch.arange(3),
        torch.arange(3),
        torch.ones(3, dtype=torch.int64),
        torch.tensor([1.0, 1.0, 0.5]),
    )

    vectors = words.class_vectors(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))

    assert vectors.tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_thresholds_of_the_specification(lm, tiny_bert):
    # E6 of methods/sciprompt.md: (x, b) of four terms, of which x < 0.9 and b > 0.5 are kept.
    contrast = {"money": 0.0, "one": 0.95, "two": 0.2, "three": 0.2, "four": 0.1}
    scores = {"one": 0.9, "two": 0.6, "three": 0.5, "four": 1.0000002}

    class Contrast(type(tiny_cross_encoder(tiny_bert))):
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)

        def predict(self, pairs, **_options):
            return np.array([contrast.get(b, 0.0 if a == b else 1.0) for a, b in pairs])

    verbalizer = SciPromptVerbalizer(
        [GivenTerms({"sports": scores, "business": ["money"]})],
        encoder=None,
        cross_encoder=CrossEncoderFilter(Contrast(), threshold=0.9, keep="below"),
        min_similarity=0.5,
        weights="score",
    ).resolve(LABELS, model=lm)

    assert verbalizer["sports"] == ("sports", "four", "two")
    assert verbalizer.weights["sports"] == (1.0, 1.0, 0.6)


@pytest.mark.skipif(not _EMERGING.is_dir(), reason="../shared/data/emerging_nlp is not here")
@pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")
def test_the_shipped_terms_load_and_give_the_official_scores(lm):
    rows = [line.split(",") for line in (_EMERGING / "terms.txt").read_text().splitlines()]
    scores = [line.split(",") for line in (_EMERGING / "scores.txt").read_text().splitlines()]
    labels = list(json.loads((_EMERGING / "label_mappings.json").read_text())["label_dict"])
    source = TermFile(_EMERGING / "terms.txt", _EMERGING / "scores.txt")

    found = SciPromptVerbalizer(
        [source], None, encoder=None, min_similarity=0.5, weights="softmax"
    ).resolve(labels, model=lm)

    for label, row, numbers in zip(labels, rows, scores, strict=True):
        pairs = zip(row[1:], numbers[1:], strict=True)
        score = {" ".join(term.split()): float(number) for term, number in pairs}
        terms = found[label][1:]
        expected = softmax([1.0, *(min(score[term], 1.0) for term in terms)])
        weights = np.array(found.weights[label])
        np.testing.assert_allclose(weights / weights.sum(), expected)
        lost = {note.dropped.split(" '")[0] for note in found.provenance if note.label == label}
        assert lost <= {"", "the same tokens as a better term", "unknown to the tokenizer"} | {
            "closer to"
        }
    assert sum(found.coverage.values()) > 1500  # of 1,992, some with signs unknown to tiny BERT


def test_aggregation_is_the_official_one_on_padded_tensors(lm):
    clf = classifier(lm, given(weights="softmax"), name_weight=0).fit(TEXTS, Y)
    words = clf.label_words_
    ids = words.tokens[words.index].split(words.n_pieces.tolist())
    task = VerbalizerTask(
        ("business", "sports"), lm, clf.template_, 64, examples=Examples({"text": TEXTS})
    )
    with torch.inference_mode():
        states = torch.from_numpy(lm.states(task.prompts()).mask[:, 0])
        vocabulary = lm.mask_head.token_logits(states, torch.arange(len(lm.tokenizer))).double()

    # Steps 6 to 10 of methods/sciprompt.md, with padding to [classes, terms].
    def probabilities(logits: torch.Tensor) -> torch.Tensor:
        terms = torch.stack([logits[..., i].mean(-1) for i in ids], -1)
        padded = torch.full((*logits.shape[:-1], 2, 3), -10000.0).double()
        padded[..., 0, :3], padded[..., 1, :2] = terms[..., :3], terms[..., 3:]
        return padded.flatten(-2).softmax(-1).unflatten(-1, (2, 3))

    ratio = probabilities(vocabulary) / (probabilities(vocabulary.mean(0)) + 1e-15)
    calibrated = ratio / ratio.sum((-1, -2), keepdim=True)
    alpha = torch.tensor([[1.0, 0.9, 0.5], [1.0, 1.0, -10000.0]]).double().softmax(-1)
    expected = (alpha * (calibrated + 1e-15).log() * (alpha > 0)).sum(-1)
    assert words.words == (("business", "market", "basketball"), ("sports", "football team"))
    np.testing.assert_allclose(clf.predict_proba(TEXTS), expected.softmax(-1).numpy(), atol=1e-5)


def test_one_word_a_class_is_the_manual_verbalizer(lm):
    bare = SciPromptVerbalizer([GivenTerms({})], encoder=None, weights="softmax")
    with pytest.warns(CoverageWarning):
        found = classifier(lm, bare, labels=LABELS).fit(TEXTS)

    manual = classifier(lm, {"business": "business", "sports": "sports"}).fit(TEXTS)

    np.testing.assert_array_equal(found.predict_proba(TEXTS), manual.predict_proba(TEXTS))


def test_equal_weights_are_kpts_mean(lm):
    uniform = classifier(lm, given(weights="uniform"), labels=LABELS).fit(TEXTS)

    words = {
        "business": ["business", "market", "basketball"],
        "sports": ["sports", "football team"],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mean = classifier(lm, words, aggregation="mean").fit(TEXTS)
    assert uniform.aggregation_ == "mean"
    np.testing.assert_array_equal(uniform.predict_proba(TEXTS), mean.predict_proba(TEXTS))


# ---- What comes out ---------------------------------------------------------------------------


def test_names_come_first_and_terms_follow_by_score(lm):
    found = given().resolve(LABELS, model=lm)

    assert found.label_words == {
        "business": ("business", "market", "basketball"),
        "sports": ("sports", "football team"),
    }
    assert found.weights["business"] == (1.0, 0.9, 0.5)


def test_the_result_is_a_plain_verbalizer_that_can_be_saved_and_used_again(lm, tmp_path):
    found = given().resolve(LABELS, model=lm)

    found.to_yaml(tmp_path / "words.yaml")
    again = Verbalizer.from_file(tmp_path / "words.yaml")

    assert type(found) is Verbalizer
    assert again == found
    assert not again.provenance


def test_provenance_tells_source_score_and_why_terms_were_dropped(lm, encoder):
    source = GivenTerms({"sports": ["football", "sports", "12"], "business": ["market"]})

    found = SciPromptVerbalizer([source], encoder=encoder, min_similarity=-1.0).resolve(
        LABELS, model=lm
    )

    notes = {(note.label, note.term): note for note in found.provenance}
    assert notes["sports", "football"].source == "given"
    assert -1 < notes["sports", "football"].similarity < 1
    assert notes["sports", "12"].dropped == "no letters"
    # The first note of a name tells that it is one.
    assert [note.source for note in found.provenance if note.term == "sports"] == ["name", "given"]


@pytest.mark.parametrize(
    ("settings", "labels", "message"),
    [
        ({}, [0, 1], "are not words"),
        ({}, "sports", "labels is a list of all labels.*, got 'sports'"),
        ({"names": {"business": "money", "sport": "x"}}, LABELS,
         r"no name for the labels \['sports'\].*\['sport'\]"),
        ({"frequency_cut": 0.5}, LABELS, "ask the model about texts: pass some in fit"),
    ],
)  # fmt: skip
def test_labels_and_settings_that_give_no_words_are_refused(settings, labels, message, lm):
    with pytest.raises(VerbalizerError, match=message):
        given(**settings).resolve(labels, model=lm)


def test_names_may_be_given(lm):
    source = GivenTerms({0: ["money"], 1: ["team"]})
    names = {0: "business", 1: ["sports", "football"]}

    found = SciPromptVerbalizer([source], encoder=None, names=names).resolve([0, 1], model=lm)

    assert found.label_words == {0: ("business", "money"), 1: ("sports", "football", "team")}


def test_terms_are_found_in_texts_and_vocabulary(lm, encoder):
    found = SciPromptVerbalizer(
        [CorpusTerms(max_share=0.6), VocabularyWords(), ModelNeighbours(n_candidates=5)],
        3,
        encoder=encoder,
        min_similarity=-1.0,
    ).resolve(LABELS, TEXTS, model=lm)

    sources = {part for note in found.provenance for part in note.source.split("+")}
    assert {"name", "corpus", "vocabulary", "model"} == sources
    assert all(1 < n <= 1 + 3 * 3 for n in found.coverage.values())


@pytest.mark.filterwarnings("ignore::fewshot.errors.CoverageWarning")
def test_rare_tokens_and_irrelevant_terms_are_dropped(lm):
    source = GivenTerms({"sports": ["football", "goal", "vote"], "business": ["market", "law"]})

    def find(**settings):
        finder = SciPromptVerbalizer([source], encoder=None, **settings)
        return finder.resolve(LABELS, TEXTS, model=lm)

    reasons = {
        how: [note.dropped for note in find(**how_to).provenance if note.dropped]
        for how, how_to in (
            ("rare", {"frequency_cut": 0.5}),
            ("cut", {"relevance": "cut"}),
            ("ratio", {"relevance": "ratio"}),
        )
    }
    assert all(reasons.values())
    assert set(reasons["rare"]) == {"a token among the 50% predicted least"}
    assert all(why.startswith("relevance ") for why in reasons["cut"] + reasons["ratio"])


def test_a_term_opposite_to_the_name_weighs_nothing(lm, monkeypatch):
    class Opposite:
        def embed(self, texts):
            return np.array([[-1.0 if text == "vote" else 1.0] for text in texts])

    monkeypatch.setattr(sciprompt, "term_encoder", lambda _model: Opposite())
    source = GivenTerms({"sports": ["vote", "team"], "business": ["market"]})

    found = SciPromptVerbalizer([source], min_similarity=-2.0).resolve(LABELS, model=lm)

    assert found["sports"] == ("sports", "team", "vote")
    assert found.weights["sports"] == (1.0, 1.0, 0.0)


@pytest.mark.filterwarnings("ignore::fewshot.errors.CoverageWarning")
def test_fifty_classes_are_embedded_in_one_pass_and_not_again(lm, tiny_bert, monkeypatch):
    encoder = TermEncoder(SentenceEncoder.load(tiny_sentence_transformer(tiny_bert), None))
    monkeypatch.setattr(sciprompt, "term_encoder", lambda _model: encoder)
    labels = sorted(vocabulary_words(lm.tokenizer))[:50]
    finder = SciPromptVerbalizer([CorpusTerms(max_share=0.6), VocabularyWords()])
    clf = classifier(lm, finder, labels=labels)

    first = clf.fit(TEXTS).verbalizer_
    passes, texts = encoder.n_passes, encoder.n_texts
    second = clf.fit(TEXTS).verbalizer_

    assert len(first.labels) == 50
    assert passes == 1
    assert (encoder.n_passes, encoder.n_texts) == (1, texts)
    assert second == first


# ---- Bad input --------------------------------------------------------------------------------


def test_classes_that_no_source_knows_are_named(lm):
    source = GivenTerms({"sports": ["team"]})

    with pytest.warns(
        CoverageWarning, match=r"no source has a term for \['business'\].*GivenTerms"
    ):
        found = SciPromptVerbalizer([source], encoder=None).resolve(LABELS, model=lm)

    assert found.coverage == {"business": 1, "sports": 2}


def test_thresholds_that_drop_everything_leave_the_names_and_say_so(lm):
    with pytest.warns(
        CoverageWarning, match=r"\['business', 'sports'\] were dropped .*similarity 0.90, not above"
    ):
        found = given(min_similarity=2.0).resolve(LABELS, model=lm)

    assert found.label_words == {"business": ("business",), "sports": ("sports",)}


# ---- In a classifier --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SciPromptVerbalizer, SciPromptSoftVerbalizer])
@pytest.mark.parametrize("tuning", ["none", "head", fewshot.tuning.BitFit(num_epochs=1)], ids=str)
def test_a_classifier_finds_its_words_in_fit(kind, tuning, lm, encoder, tmp_path):
    finder = kind([TERMS, VocabularyWords()], 3, encoder=encoder, min_similarity=-1.0)
    clf = classifier(lm, finder, tuning=tuning).fit(TEXTS, Y)

    clf.save(tmp_path / "model")

    assert type(clf.verbalizer_) is Verbalizer
    assert clf.verbalizer_["sports"][0] == "sports"
    assert len(clf.verbalizer_["sports"]) > 2
    assert not hasattr(finder, "verbalizer_")
    proba = clf.predict_proba(TEXTS)
    for other in (fewshot.load(tmp_path / "model"), pickle.loads(pickle.dumps(clf))):
        np.testing.assert_array_equal(other.predict_proba(TEXTS), proba)
        assert other.verbalizer_.provenance == clf.verbalizer_.provenance
    np.testing.assert_array_equal(clone(clf).fit(TEXTS, Y).predict_proba(TEXTS), proba)


def test_labels_without_texts_are_enough(lm):
    clf = classifier(lm, given(), labels=LABELS, calibration="none").fit()

    assert clf.aggregation_ == "weighted"
    assert clf.verbalizer_["sports"] == ("sports", "football team")


def test_a_found_verbalizer_gives_the_same_classifier_when_passed_back(lm):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a term of several pieces is expected
        found = classifier(lm, given()).fit(TEXTS, Y)
        warnings.simplefilter("ignore")
        plain = classifier(lm, found.verbalizer_).fit(TEXTS, Y)

    np.testing.assert_array_equal(plain.predict_proba(TEXTS), found.predict_proba(TEXTS))


def test_learned_weights_fit_the_labels_better(lm):
    start = classifier(lm, given(weights="softmax")).fit(TEXTS, Y)
    learned = classifier(lm, given(weights="learnable")).fit(TEXTS, Y)
    unlabelled, untrained = (
        classifier(lm, given(weights=weights), labels=LABELS).fit(TEXTS)
        for weights in ("learnable", "softmax")
    )

    def loss(clf) -> float:
        columns = [clf.classes_.tolist().index(label) for label in Y]
        return -float(clf.predict_log_proba(TEXTS)[np.arange(len(Y)), columns].mean())

    assert loss(learned) < loss(start)
    assert np.mean(learned.verbalizer_.weights["business"]) == pytest.approx(1.0)
    np.testing.assert_allclose(
        unlabelled.predict_proba(TEXTS), untrained.predict_proba(TEXTS), atol=1e-6
    )


def test_soft_words_are_one_vector_a_class(lm):
    soft = SciPromptSoftVerbalizer([TERMS], encoder=None)
    clf = classifier(lm, soft).fit(TEXTS, Y)

    words = clf.label_words_
    assert words.vectors.shape == (2, lm.state_size)
    assert clf.verbalizer_["business"] == ("business", "market", "basketball")
    hard = LabelWords.resolve(clf.verbalizer_, LABELS, lm.tokenizer)
    rows = lm.mask_head.decoder_rows(hard.tokens)
    first = rows[hard.index[0]] * clf.verbalizer_.weights["business"][0]
    second = rows[hard.index[1]] * clf.verbalizer_.weights["business"][1]
    third = rows[hard.index[2:4]].mean(0) * clf.verbalizer_.weights["business"][2]
    torch.testing.assert_close(words.vectors[0], (first + second + third) / 3)


@pytest.mark.parametrize("weights", ["uniform", "softmax", "learnable"])
def test_weights_that_are_shares_make_vectors_that_score_as_the_words(weights, lm):
    # Shares sum to 1 in each class, so a class with more words has no shorter vector.
    hard = classifier(lm, given(weights=weights), name_weight=0).fit(TEXTS, Y)

    finder = SciPromptSoftVerbalizer([TERMS], encoder=None, weights=weights)
    soft = classifier(lm, finder, name_weight=0)

    np.testing.assert_allclose(
        soft.fit(TEXTS, Y).predict_proba(TEXTS), hard.predict_proba(TEXTS), atol=1e-5
    )


def test_a_function_as_source_cannot_be_saved_but_its_words_can(lm, tmp_path):
    finder = SciPromptVerbalizer([Lookup({"sports": ["team"]}.get)], encoder=None)
    with pytest.warns(CoverageWarning):
        clf = classifier(lm, finder).fit(TEXTS, Y)

    with pytest.raises(PersistenceError, match=r"sources\[0\]\.function .*cannot be saved"):
        clf.save(tmp_path / "model")
    clf.set_params(verbalizer=clf.verbalizer_).save(tmp_path / "model")

    assert fewshot.load(tmp_path / "model").verbalizer_ == clf.verbalizer_
