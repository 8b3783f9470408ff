"""Sensitivity of the predictions of a fitted classifier to the wording of its template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr, softmax
from sklearn.utils.validation import check_is_fitted

from fewshot.classifiers.prompt import PromptClassifier
from fewshot.data.examples import Examples, read_examples
from fewshot.data.labels import read_labels
from fewshot.errors import InputError, MissingExtraError
from fewshot.prompting.prompts import tokenize_slots
from fewshot.prompting.template import Template
from fewshot.prompting.wordings import read_wordings
from fewshot.scoring.calibration import OWN_TEXTS, calibration_examples
from fewshot.scoring.scorer import Encoded, PromptScorer
from fewshot.tuning.soft_templates import check_template_tokens

if TYPE_CHECKING:
    import pandas


Proba = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class TemplateSensitivity:
    """Predictions of one classifier with several wordings of its template.

    A small spread alone says little: it also comes about when all wordings are equally bad. Read
    it beside the mean and the worst.

    Parameters
    ----------
    templates : tuple of str
        The classifier's own template first.
    changed : tuple of float
        Share of the texts whose prediction differs from that of the classifier's own template.
    accuracies : tuple of float, optional
        Of each template; None without labels.
    agreement : float
        Share of the texts of which all templates predict the same class.
    divergence : float
        Jensen-Shannon divergence of the probabilities, averaged over texts and pairs of
        templates; 0 if all are equal, at most ln 2.

    See Also
    --------
    template_sensitivity : Measures it.

    Examples
    --------
    >>> from fewshot import TemplateSensitivity
    >>> templates = ("{mask}: {text}", "{text} ({mask})")
    >>> TemplateSensitivity(templates, (0.0, 0.2), (0.9, 0.8), 0.8, 0.01).worst
    0.8
    """

    templates: tuple[str, ...]
    changed: tuple[float, ...]
    accuracies: tuple[float, ...] | None
    agreement: float
    divergence: float

    @property
    def mean(self) -> float:
        """Mean accuracy over the templates; NaN without labels, as the next three."""
        return float(np.mean(self._values))

    @property
    def deviation(self) -> float:
        """Standard deviation of the accuracies, with the number of templates as the divisor."""
        return float(np.std(self._values))

    @property
    def spread(self) -> float:
        """Best accuracy minus worst."""
        return float(np.ptp(self._values))

    @property
    def worst(self) -> float:
        """Lowest accuracy."""
        return float(np.min(self._values))

    def to_frame(self) -> pandas.DataFrame:
        """Return a table with one row per template.

        Returns
        -------
        pandas.DataFrame
            With the columns ``template``, ``changed`` and, with labels, ``accuracy``.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "to_frame() makes a DataFrame of pandas, which is not installed: pip install "
                '"fewshot[notebooks]"'
            ) from error
        columns: dict[str, Sequence[object]] = {"template": self.templates, "changed": self.changed}
        if self.accuracies is not None:
            columns["accuracy"] = self.accuracies
        return pandas.DataFrame(columns)

    def __repr__(self) -> str:
        width = max(map(len, self.templates))
        lines = [
            f"{self.agreement:.1%} of the texts get one class from all {len(self.templates)} "
            f"templates; mean divergence {self.divergence:.4f}"
        ]
        if self.accuracies is not None:
            lines[0] += f"; accuracy {self.mean:.3f} ± {self.deviation:.3f}, worst {self.worst:.3f}"
        for i, (template, changed) in enumerate(zip(self.templates, self.changed, strict=True)):
            accuracy = "" if self.accuracies is None else f"  accuracy {self.accuracies[i]:.3f}"
            lines.append(f"{template.ljust(width)}  {changed:6.1%} changed{accuracy}")
        return "\n".join(lines)

    @property
    def _values(self) -> tuple[float, ...]:
        return (np.nan,) if self.accuracies is None else self.accuracies


def template_sensitivity(
    clf: PromptClassifier, X: Any, templates: Sequence[str | Template], y: Any = None
) -> TemplateSensitivity:
    """Measure how predictions of a fitted classifier move with the wording of its template.

    Nothing is fitted anew: the model, tuned or not, reads the texts in each template. Each
    wording is calibrated as the classifier is, its prior moved by what the wording changes in the
    mean scores of the label words over `X` (over texts without content, if the classifier was
    calibrated by these). Wordings that training has not seen show most.

    Parameters
    ----------
    clf : PromptClassifier
        Fitted.
    X : sequence of str, of tuple or of mapping; DataFrame
    templates : sequence of str or Template
        Other wordings, with the same fields.
    y : sequence of str or int, optional
        Labels, to report the accuracy with each template; -1 or None for rows without one.

    Returns
    -------
    TemplateSensitivity
        Shares and divergences from 0 to 1.

    See Also
    --------
    PromptClassifier : Its `template` is compared with the others.

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TemplateError
        If a template cannot be parsed, has a field that the classifier's own lacks, or virtual
        tokens that name no words and were not tuned.
    ModelError
        If a template has another number of virtual tokens than the model was tuned with.
    InputError
        If there is no wording other than the classifier's own, no row of `y` has a label, or `clf`
        is no prompt classifier, or gives texts several labels.

    Examples
    --------
    >>> from fewshot import PromptClassifier, template_sensitivity
    >>> clf = PromptClassifier("{text} It was {mask}.", {"neg": ["bad"], "pos": ["good"]})
    >>> clf.fit(["great", "good", "bad", "awful"], ["pos", "pos", "neg", "neg"])  # doctest: +SKIP
    >>> template_sensitivity(clf, ["fine"], ["{text} A {mask} one."])  # doctest: +SKIP
    """
    if not isinstance(clf, PromptClassifier):
        raise InputError(f"clf is a fitted PromptClassifier, got {type(clf).__name__}")
    check_is_fitted(clf)
    if clf.task_kind_.has_several:
        raise InputError(
            "template_sensitivity counts changes of the one class of a text, and clf gives texts "
            "several labels; fit a classifier for each template and compare their predictions"
        )
    own = clf.template_
    others = [wording for wording in read_wordings(templates, own) if wording != own]
    if not others:
        raise InputError(
            f"templates holds no wording other than the classifier's own, {own.text!r}"
        )
    for wording in others:
        check_template_tokens(clf.model_, wording)
    examples = read_examples(X, own.field_names)
    labels = None if y is None else read_labels(y, len(examples))
    if labels is not None and not labels.is_labeled.any():
        raise InputError("no row of y has a label; leave y out, or label some rows")
    probabilities = _probabilities(clf, examples, others)
    accuracies = None
    if labels is not None:
        truth = labels.values[labels.is_labeled]
        predicted = [clf.classes_[p.argmax(1)][labels.is_labeled] for p in probabilities]
        accuracies = tuple(float(np.mean(labels_of == truth)) for labels_of in predicted)
    return summarize([own, *others], probabilities, accuracies)


def _probabilities(
    clf: PromptClassifier, examples: Examples, others: Sequence[Template]
) -> list[Proba]:
    """Return class probabilities [n, n_classes] with the classifier's template and with others."""
    own, scorer = clf.template_, clf.scorer_
    encode = _encoder(scorer, [own, *others], examples)
    probe, weights = encode, np.ones(len(examples))
    if clf.calibration_ in OWN_TEXTS:
        free = calibration_examples(own.field_names, clf.calibration_)
        probe, weights = _encoder(scorer, [own, *others], free), np.ones(len(free))
    probabilities = [softmax(scorer.scores(encode(own)) + clf._offset, axis=1)]
    before = probe(own)
    for wording in others:
        worded = scorer.reworded(wording, before, probe(wording), weights)
        scores = worded.scores(encode(wording)) + clf._offset
        probabilities.append(softmax(scores, axis=1))
    return probabilities


def _encoder(
    scorer: PromptScorer, templates: Sequence[Template], examples: Examples
) -> Callable[[Template], Encoded]:
    """Tokenize examples once, and return a function that encodes them in one of the templates."""
    slots = tokenize_slots(scorer.lm.tokenizer, templates, examples, scorer.lm.tokens)

    def encode(template: Template) -> Encoded:
        return scorer.encode(replace(scorer, template=template).views_of(slots))

    return encode


def summarize(
    templates: Sequence[Template],
    probabilities: Sequence[Proba],
    accuracies: tuple[float, ...] | None,
) -> TemplateSensitivity:
    """Summarize probabilities [n, n_classes] of each template, the classifier's own first."""
    predicted = np.array([p.argmax(1) for p in probabilities])  # [templates, n]
    divergences = [_jensen_shannon(p, q) for p, q in combinations(probabilities, 2)]
    return TemplateSensitivity(
        templates=tuple(template.text for template in templates),
        changed=tuple(float(share) for share in (predicted != predicted[0]).mean(1)),
        accuracies=accuracies,
        agreement=float((predicted == predicted[0]).all(0).mean()),
        divergence=float(np.mean(divergences)),
    )


def _jensen_shannon(first: Proba, second: Proba) -> float:
    """Return the divergence, averaged over rows."""
    mean = (first + second) / 2
    rows = (rel_entr(first, mean) + rel_entr(second, mean)).sum(1) / 2
    return float(np.mean(rows))
