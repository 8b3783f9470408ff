"""The frozen sentence encoder: regression on its embeddings, or the nearest class name."""

from __future__ import annotations

import copy
import pickle
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Dense
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from torch import nn
from transformers import BertConfig, BertForMaskedLM

import fewshot
from fewshot import EmbeddingClassifier, Unlabeled
from fewshot.benchmark import load_bbc_news
from fewshot.errors import InputError, ModelError, UnlabeledWarning, VerbalizerError
from fewshot.models.sentence_encoder import SentenceEncoder
from fewshot.scoring.cluster_kernel import fit_in_cluster_space
from fewshot.scoring.heads import fit_linear_head
from fewshot.scoring.thresholds import choose_thresholds
from tests.tiny_models import save_tiny, tiny_bert
from tests.tiny_sentences import tiny_sentence_transformer

TEXTS = ["a great film", "an awful film", "great fun", "awful", "great", "bad awful film"]
LABELS = ["pos", "neg", "pos", "neg", "pos", "neg"]
NAMES = {"neg": ["awful", "bad"], "pos": ["great film"]}


@pytest.fixture(scope="module")
def transformer():
    return tiny_sentence_transformer(tiny_bert())


def unit(transformer, texts) -> np.ndarray:
    return transformer.encode(texts, normalize_embeddings=True, show_progress_bar=False)


def with_middle(transformer, texts) -> np.ndarray:
    """The embeddings beside the mean states of the first of two layers."""
    tokens = [transformer.tokenizer(text, return_tensors="pt") for text in texts]
    with torch.inference_mode():
        found = [transformer[0].auto_model(**t, output_hidden_states=True) for t in tokens]
    middle = np.vstack([row.hidden_states[1].mean(1).numpy() for row in found])
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    return np.hstack([unit(transformer, texts), middle]) / np.sqrt(2)


def double_weights(model) -> None:
    """Replace all parameters by others."""
    for name, parameter in [*model.named_parameters()]:
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, nn.Parameter(2 * parameter.detach()))


class Bag(nn.Module):
    """Counts tokens."""

    def __init__(self, tokenizer) -> None:
        super().__init__()
        self.tokenizer, self.max_seq_length = tokenizer, 16

    def forward(self, features):
        counts = nn.functional.one_hot(features["input_ids"], len(self.tokenizer)).sum(1)
        return {**features, "sentence_embedding": counts.float()}


def test_it_is_the_regression_of_scikit_learn_on_embeddings_of_length_one(transformer):
    clf = EmbeddingClassifier(transformer, head="regression", C=3.0).fit(TEXTS, LABELS)

    twin = LogisticRegression(C=3.0, max_iter=1000).fit(unit(transformer, TEXTS), LABELS)
    expected = twin.predict_proba(unit(transformer, ["a film", "great"]))
    assert clf.predict_proba(["a film", "great"]) == pytest.approx(expected, abs=1e-4)
    assert (clf.head_, clf.history_, clf.coef_.shape) == ("regression", [], (32, 2))
    assert clf._n_trainable() == 32 * 2 + 2


@pytest.mark.parametrize(
    ("settings", "names"),
    [({}, [["neg"], ["pos"]]), ({"labels": ["pos", "neg"]}, [["neg"], ["pos"]]),
     ({"verbalizer": NAMES}, [["awful", "bad"], ["great film"]])],
)  # fmt: skip
def test_it_also_learns_from_the_middle_layer_and_names(transformer, settings, names):
    clf = EmbeddingClassifier(transformer, C=3.0, **settings).fit(TEXTS, LABELS)

    words = np.stack([with_middle(transformer, of_class).mean(0) for of_class in names])
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    texts, labels = np.vstack([with_middle(transformer, TEXTS), words]), [*LABELS, "neg", "pos"]
    twin = LogisticRegression(C=3.0, max_iter=1000).fit(texts, labels)
    expected = twin.predict_proba(with_middle(transformer, ["a film", "great"]))
    assert clf.predict_proba(["a film", "great"]) == pytest.approx(expected, abs=1e-4)
    assert (clf.reads_middle_, clf.coef_.shape) == (True, (64, 2))


def test_of_four_layers_the_second_is_the_middle(transformer):
    model, tokenizer = tiny_bert()
    config = BertConfig(**{**model.config.to_dict(), "num_hidden_layers": 4})
    deep = tiny_sentence_transformer((BertForMaskedLM(config), tokenizer))
    encoder = SentenceEncoder.frozen(deep, None)
    found = encoder.unit(encoder.tokenize(["a great film"]), with_middle=True)[0, 32:]

    tokens = deep.tokenizer("a great film", return_tensors="pt")
    middle = deep[0].auto_model(**tokens, output_hidden_states=True).hidden_states[2].mean(1)[0]
    expected = nn.functional.normalize(middle, dim=0).detach().numpy() / np.sqrt(2)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_an_encoder_whose_layers_were_read_can_still_be_pickled():
    by_name = EmbeddingClassifier().fit(TEXTS, LABELS)
    plain = EmbeddingClassifier(head="regression").fit(TEXTS, LABELS)  # shares the encoder

    assert by_name.reads_middle_
    for clf in (by_name, plain):
        twin = pickle.loads(pickle.dumps(clf))
        np.testing.assert_array_equal(twin.predict_proba(TEXTS), clf.predict_proba(TEXTS))


def test_layers_are_those_of_weights_that_were_replaced(transformer):
    own = copy.deepcopy(transformer)
    clf = EmbeddingClassifier(transformer).fit(TEXTS, LABELS)
    double_weights(own)
    clf.encoder_ = copy.deepcopy(transformer)
    clf.predict(TEXTS)  # reads its layers
    double_weights(clf.encoder_)
    other = EmbeddingClassifier(own).fit(TEXTS, LABELS)
    clf.coef_, clf.intercept_ = other.coef_, other.intercept_

    np.testing.assert_array_equal(clf.predict_proba(TEXTS), other.predict_proba(TEXTS))


class Odd(nn.Module):
    """Casts embeddings to half, or makes them of another layer's states."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def forward(self, features):
        if self.way == "half":
            features["sentence_embedding"] = features["sentence_embedding"].half()
        if self.way == "layers":
            features["sentence_embedding"] = features["all_layer_embeddings"][1].mean(1)
        return features


@pytest.mark.parametrize(("way", "reads"), [("half", True), ("layers", False)])
def test_modules_of_other_kinds_are_read_as_they_are(transformer, way, reads):
    own = copy.deepcopy(transformer)
    own[0].auto_model.config.output_hidden_states = True
    odd = SentenceTransformer(modules=[*own, Odd(way)])
    clf = EmbeddingClassifier(odd).fit(TEXTS, LABELS)

    assert clf.reads_middle_ == reads
    assert clf.predict(["great", "awful"]).tolist() == ["pos", "neg"]


def test_a_saved_regression_of_the_last_layer_still_reads_that_alone(transformer):
    clf = EmbeddingClassifier(transformer, head="regression").fit(TEXTS, LABELS)
    expected = clf.predict_proba(TEXTS)
    del clf.reads_middle_  # as before there was one

    np.testing.assert_array_equal(clf.predict_proba(TEXTS), expected)


def test_embeddings_may_be_wider_than_the_layers(transformer):
    wider = SentenceTransformer(modules=[*transformer, Dense(32, 40)])
    clf = EmbeddingClassifier(wider).fit(TEXTS, LABELS)

    assert (clf.reads_middle_, clf.coef_.shape) == (True, (40 + 32, 2))
    assert clf.predict(["great", "awful"]).tolist() == ["pos", "neg"]
    new = [f"{first} {second}" for first in TEXTS for second in TEXTS]
    alone = [EmbeddingClassifier(wider).fit(TEXTS, LABELS).predict_proba([text]) for text in new]
    assert (clf.predict_proba(new) == np.vstack(alone)).all()


def test_an_encoder_without_layers_is_read_as_it_is(transformer):
    clf = EmbeddingClassifier(SentenceTransformer(modules=[Bag(transformer.tokenizer)]))
    clf.fit(TEXTS, LABELS)

    assert (clf.reads_middle_, clf.coef_.shape) == (False, (len(transformer.tokenizer), 2))
    assert clf.predict(["great", "awful"]).tolist() == ["pos", "neg"]


def test_what_another_says_is_learned_by_its_weights(transformer):
    told = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8]])
    clf = EmbeddingClassifier(transformer, labels=["neg", "pos"])

    likeliest, weights = ["neg", "pos", "pos"], [1.0, 2.0, 1.0]
    clf._fit_soft(["awful", "awful", "great"], likeliest, told, weights, C=1000.0)

    # (0.9 + 2 * 0.3) / 3 of the one text; nothing is learned of the names.
    said = clf.predict_proba(["awful", "great"])
    assert said == pytest.approx(np.array([[0.5, 0.5], [0.2, 0.8]]), abs=1e-3)


@pytest.mark.parametrize("max_length", [1, 2])
def test_a_length_that_leaves_no_room_for_a_text_is_refused(transformer, max_length):
    with pytest.raises(ModelError, match="no room for a text beside the 2 special tokens"):
        EmbeddingClassifier(transformer, max_length=max_length).fit(TEXTS, LABELS)


def test_probabilities_of_a_text_are_those_of_it_alone(transformer):
    clf = EmbeddingClassifier(transformer).fit(TEXTS, LABELS)
    new = [f"{first} {second}" for first in TEXTS for second in TEXTS]

    alone = np.vstack([clf.predict_proba([text]) for text in new])

    assert (clf.predict_proba(new) == alone).all()


def test_a_class_without_an_example_is_learned_from_its_name(transformer):
    clf = EmbeddingClassifier(transformer, {**NAMES, "so": ["film"]}).fit(TEXTS, LABELS)
    alone = EmbeddingClassifier(transformer, head="regression", labels=["neg", "pos", "so"])

    assert clf.predict(["film"]).tolist() == ["so"]
    assert alone.fit(TEXTS, LABELS).predict_proba(["film"])[0, 2] == pytest.approx(1e-6, rel=1e-3)


@pytest.mark.parametrize("labels", [[1, 0] * 3, ["1", "0"] * 3, ["👍", "👎"] * 3])
def test_labels_that_are_no_words_are_no_examples(transformer, labels):
    clf = EmbeddingClassifier(transformer, C=3.0).fit(TEXTS, labels)

    twin = LogisticRegression(C=3.0, max_iter=1000).fit(with_middle(transformer, TEXTS), labels)
    expected = twin.predict_proba(with_middle(transformer, ["a film"]))
    assert clf.predict_proba(["a film"]) == pytest.approx(expected, abs=1e-4)


def test_without_labels_the_nearest_name_decides(transformer):
    clf = EmbeddingClassifier(transformer, NAMES).fit()

    awful, bad, great = unit(transformer, ["awful", "bad", "great film"])
    neg = (awful + bad) / np.linalg.norm(awful + bad)
    texts = unit(transformer, ["a film", "bad"])
    cosines = np.column_stack([texts @ neg, texts @ great])
    expected = np.exp(cosines / 0.05) / np.exp(cosines / 0.05).sum(1, keepdims=True)
    assert clf.predict_proba(["a film", "bad"]) == pytest.approx(expected, abs=1e-4)
    assert (clf.head_, clf._n_trainable()) == ("names", 0)


@pytest.mark.parametrize(
    ("settings", "data"),
    [
        ({"verbalizer": NAMES}, ()),
        ({"verbalizer": NAMES}, (TEXTS,)),
        ({"verbalizer": NAMES}, (TEXTS, [None] * 6)),
        ({"verbalizer": NAMES, "labels": ["pos", "neg"]}, (TEXTS,)),
        ({"verbalizer": NAMES, "head": "names"}, (TEXTS, LABELS)),
    ],
)
def test_names_need_no_label_and_take_nothing_from_those_there_are(transformer, settings, data):
    clf = EmbeddingClassifier(transformer, **settings).fit(*data)

    expected = EmbeddingClassifier(transformer, NAMES).fit().predict_proba(TEXTS)
    assert np.array_equal(clf.predict_proba(TEXTS), expected)
    assert clf.classes_.tolist() == ["neg", "pos"]


SEVERAL = [["pos"], ["neg"], ["pos"], ["neg", "pos"], ["pos"], ["neg"]]


def test_thresholds_of_names_are_chosen_on_all_labelled_texts(transformer):
    texts, labels = [*TEXTS, "x", "y"], [*SEVERAL, [], None]

    clf = EmbeddingClassifier(transformer, NAMES, head="names").fit(texts, labels)

    targets = np.array([[0, 1], [1, 0], [0, 1], [1, 1], [0, 1], [1, 0], [0, 0]], dtype=float)
    proba = clf.predict_proba(texts[:7])
    assert np.array_equal(clf.thresholds_, choose_thresholds(targets, np.ones(7), proba))
    assert clf.thresholds_.max() != 0.35
    alone = EmbeddingClassifier(transformer, NAMES, threshold="auto").fit()
    assert np.array_equal(clf.predict_proba(texts), alone.predict_proba(texts))


def test_texts_of_weight_zero_choose_no_threshold(transformer):
    names = EmbeddingClassifier(transformer, NAMES, head="names")
    few = names.fit(TEXTS[:4], SEVERAL[:4]).thresholds_

    found = names.fit(TEXTS, SEVERAL, sample_weight=[1, 1, 1, 1, 0, 0]).thresholds_

    assert found == pytest.approx(few)


@pytest.mark.parametrize(
    ("threshold", "data", "expected"),
    [
        ("auto", (), [0.35, 0.35]),
        ("auto", (TEXTS,), [0.35, 0.35]),
        (None, (TEXTS, [[]] * 6), [0.35, 0.35]),
        ({"neg": 0.2, "pos": 0.6}, (TEXTS, SEVERAL), [0.2, 0.6]),
    ],
)
def test_thresholds_of_names_without_labels_or_given(transformer, threshold, data, expected):
    clf = EmbeddingClassifier(transformer, NAMES, head="names", threshold=threshold).fit(*data)

    assert clf.thresholds_.tolist() == expected


def test_the_names_of_the_labels_are_the_default(transformer):
    spelled = {"BadFilm": "bad film", "GoodFun": "good fun"}

    clf = EmbeddingClassifier(transformer, labels=list(spelled)).fit()

    expected = EmbeddingClassifier(transformer, spelled).fit().predict_proba(TEXTS)
    assert np.array_equal(clf.predict_proba(TEXTS), expected)


@pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")
def test_numbers_in_y_stand_for_names(transformer):
    clf = EmbeddingClassifier(transformer, NAMES, head="names").fit(TEXTS, [1, 0] * 3)

    expected = EmbeddingClassifier(transformer, NAMES).fit().predict_proba(TEXTS)
    assert np.array_equal(clf.predict_proba(TEXTS), expected)
    assert clf.classes_.tolist() == [0, 1]


def test_names_are_saved(transformer, tmp_path):
    clf = EmbeddingClassifier(transformer, {0: "bad", 1: "good"}, max_length=5).fit()
    clf.save(tmp_path / "names")

    again = fewshot.load(tmp_path / "names")

    assert again.head_ == "names"
    assert again.classes_.dtype == np.int64
    with pytest.warns(UserWarning, match="to fit 5 tokens"):
        found = again.predict_proba(["one two three four five six"])
    with pytest.warns(UserWarning, match="to fit 5 tokens"):
        assert np.array_equal(found, clf.predict_proba(["one two three four five six"]))


def test_the_weights_are_shared_and_the_length_of_the_given_encoder_stays(transformer):
    clf = EmbeddingClassifier(transformer, max_length=5).fit(TEXTS, LABELS)

    pairs = zip(transformer.parameters(), clf.encoder_.parameters(), strict=True)
    assert all(a.data_ptr() == b.data_ptr() for a, b in pairs)
    assert (clf.max_length_, transformer.max_seq_length) == (5, 96)


def test_an_encoder_by_name_is_loaded_once(tmp_path):
    folder = save_tiny(tmp_path / "plain")

    one, other = (EmbeddingClassifier(folder).fit(TEXTS, LABELS) for _ in range(2))

    assert one.encoder_ is other.encoder_


@pytest.mark.parametrize(
    ("settings", "data", "error", "message"),
    [
        ({}, (), InputError, "neither labelled texts nor names of classes; pass X and y, or name"),
        ({}, (TEXTS,), InputError, "requires y to be passed, but the target y is None"),
        ({"verbalizer": NAMES}, (None, LABELS), InputError, "y was passed without X"),
        ({"labels": [0, 1]}, (), VerbalizerError, r"labels \[0, 1\] are not words .* verbalizer="),
        ({"verbalizer": NAMES, "labels": ["pos", "x"]}, (), VerbalizerError, "'x'"),
        ({"head": "names"}, (TEXTS, ["pos"] * 6), InputError, "2 classes at least, got 1"),
    ],
)
def test_what_names_no_classes_is_refused(transformer, settings, data, error, message):
    with pytest.raises(error, match=message):
        EmbeddingClassifier(transformer, **settings).fit(*data)


def test_a_dry_run_counts_tokens(transformer):
    cost = EmbeddingClassifier(transformer).dry_run(["great film"] * 4, [0, 1] * 2)

    assert (cost.n_texts, cost.n_tokens, cost.n_steps) == (4, 16, 0)
    assert cost.seconds > 0
    assert EmbeddingClassifier(transformer, NAMES).dry_run().n_texts == 0


def test_training_the_copy_of_another_estimator_does_not_change_it(transformer):
    clf = EmbeddingClassifier(transformer).fit(TEXTS, LABELS)
    before = clf.predict_proba(TEXTS)

    fewshot.SetFitClassifier(
        transformer, learning_rate=0.1, max_pairs=4, random_state=0, verbose=0
    ).fit(TEXTS, LABELS)

    assert np.array_equal(clf.predict_proba(TEXTS), before)


# ---- Texts without labels ---------------------------------------------------------------------


def others(n: int) -> list[str]:
    words = ["great", "awful", "film", "fun", "bad", "so", "boring", "like"]
    return [f"{words[i % 8]} {words[i // 8 % 8]} a {words[i // 64]}" for i in range(n)]


@pytest.mark.parametrize("pool", [others(49), others(49) + [f" {t} " for t in others(49)]])
def test_fewer_than_fifty_different_texts_without_labels_are_left_out(transformer, pool):
    with pytest.warns(UnlabeledWarning, match="left out: 49 different ones are too few, 50 are"):
        clf = EmbeddingClassifier(transformer).fit(TEXTS + pool, LABELS + [None] * len(pool))

    expected = EmbeddingClassifier(transformer).fit(TEXTS, LABELS)
    assert np.array_equal(clf.coef_, expected.coef_)
    assert clf.n_unlabeled_ == 0
    assert clf.dry_run(TEXTS + pool, LABELS + [None] * len(pool)).n_texts == 6


def test_texts_without_labels_make_the_space_that_is_learned_in(transformer):
    pool = others(60)
    X, y = TEXTS + pool, LABELS + [None] * 60
    clf = EmbeddingClassifier(transformer).fit(X, y)

    names = np.vstack([with_middle(transformer, [name]) for name in ("neg", "pos")])
    targets = np.eye(2)[[1, 0, 1, 0, 1, 0]]

    def fit(mapped):
        texts = mapped(with_middle(transformer, TEXTS).astype(np.float64))
        return fit_linear_head(
            texts, targets, np.ones(6), C=100.0, names=mapped(names.astype(np.float64))
        )

    head = fit_in_cluster_space(fit, with_middle(transformer, pool).astype(np.float64))
    assert clf.coef_ == pytest.approx(head.coef, abs=1e-2)
    assert clf.intercept_ == pytest.approx(head.intercept, abs=1e-2)
    assert (clf.n_unlabeled_, clf.dry_run(X, y).n_texts) == (60, 66)
    other = clone(clf).fit(TEXTS, LABELS, unlabeled=Unlabeled(pool))
    assert np.array_equal(clf.coef_, other.coef_)
    assert clf.dry_run(TEXTS, LABELS, unlabeled=Unlabeled(pool)).n_texts == 66
    assert np.array_equal(clf.predict_proba(TEXTS), clone(clf).fit(X, y).predict_proba(TEXTS))


@pytest.mark.parametrize("data", [(others(60),), (TEXTS + others(60), LABELS + [None] * 60)])
def test_names_are_compared_in_the_space_of_texts_without_labels(transformer, data):
    clf = EmbeddingClassifier(transformer, NAMES, head="names").fit(*data)
    plain = EmbeddingClassifier(transformer, NAMES).fit()

    assert clf.reads_middle_
    assert (clf.coef_.shape, plain.coef_.shape) == ((64, 2), (32, 2))
    again = EmbeddingClassifier(transformer, NAMES).fit(unlabeled=Unlabeled(others(60)))
    assert np.array_equal(clf.predict_proba(TEXTS), again.predict_proba(TEXTS))


def test_at_most_three_hundred_texts_without_labels_are_read(transformer):
    X, y = TEXTS + others(400), LABELS + [None] * 400

    assert EmbeddingClassifier(transformer).dry_run(X, y).n_texts == 306
    weights = [1.0] * 6 + [0.0] * 400
    clf = EmbeddingClassifier(transformer).fit(X, y, sample_weight=weights)
    expected = EmbeddingClassifier(transformer).fit(TEXTS, LABELS)
    assert np.array_equal(clf.coef_, expected.coef_)


@pytest.mark.parametrize("settings", [{"head": "regression"}, {}])
def test_texts_without_labels_say_nothing_to_the_plain_regression_or_of_several(
    transformer, settings
):
    labels = LABELS if settings else SEVERAL
    X, y = TEXTS + others(60), [*labels, *[None] * 60]
    with ExitStack() as stack:
        if not settings:
            stack.enter_context(pytest.warns(UnlabeledWarning, match="may have several labels"))
        clf = EmbeddingClassifier(transformer, **settings).fit(X, y)

    expected = EmbeddingClassifier(transformer, **settings).fit(TEXTS, labels)
    assert np.array_equal(clf.coef_, expected.coef_)


def test_cross_validation_passes_texts_without_labels_whole(transformer):
    X, y, pool = [*TEXTS] * 2, [*LABELS] * 2, Unlabeled(others(60))
    clf = EmbeddingClassifier(transformer)

    scores = cross_val_score(clf, X, y, cv=2, params={"unlabeled": pool})

    expected = [clone(clf).fit(X[6:], y[6:], unlabeled=pool).score(X[:6], y[:6])] * 2
    assert scores.tolist() == expected


def test_it_gains_by_news_without_labels():
    texts, labels = (np.array(part, dtype=object) for part in load_bbc_news())
    texts = np.array([text[:600] for text in texts], dtype=object)
    order = np.random.default_rng(0).permutation(len(texts))
    known = np.concatenate([order[labels[order] == label][:2] for label in np.unique(labels)])
    rest = np.setdiff1d(order, known, assume_unique=True)
    pool, new = rest[:150], rest[150:350]

    alone = EmbeddingClassifier().fit(texts[known], labels[known])
    X, y = [*texts[known], *texts[pool]], [*labels[known], *[None] * len(pool)]
    clf = EmbeddingClassifier().fit(X, y)

    assert clf.score(texts[new], labels[new]) >= alone.score(texts[new], labels[new]) + 0.02


def test_many_texts_without_labels_make_classes_gaussians(tmp_path):
    words = {"sports": ["team", "match", "goal"], "politics": ["vote", "law", "election"]}
    pool = [
        f"the {a} of {b} number {n}"
        for own in words.values()
        for a in own
        for b in own
        for n in range(20)
    ]
    clf = EmbeddingClassifier(labels=list(words), class_weight={"sports": 2.0})

    of_names = clone(clf).fit(pool)
    taught = clone(clf).fit(
        ["the team", "the law"], ["sports", "politics"], unlabeled=Unlabeled(pool)
    )

    for fitted in (of_names, taught):
        assert (fitted.head_, fitted.n_unlabeled_) == ("gaussians", 300)
        assert fitted._n_trainable() == fitted.coef_.size + 2
        assert fitted.predict(["a goal", "an election"]).tolist() == ["sports", "politics"]
        fitted.save(tmp_path / "model")
        again = fewshot.load(tmp_path / "model")
        assert again.head_ == "gaussians"
        assert (again.predict_proba(pool) == fitted.predict_proba(pool)).all()
