"""Charts of a data set: score against shots, and score against seconds of training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from fewshot.benchmark.metrics import METRICS
from fewshot.benchmark.report.svg import decimals, nice_ticks, shape
from fewshot.benchmark.statistics import Estimate
from fewshot.benchmark.summary import Group

_WIDTH, _HEIGHT = 340, 320  # pixels: a phone shows them as they are
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 328, 30, 272  # the frame
_EDGE = 7  # of a marker outside the frame
_LEAST_RANGE = 0.05  # of the score axis, so that noise does not look like a difference
_MOST_RANGE = 0.35  # of the means shown: a baseline far below would compress all others
_FASTEST = 1e-3  # seconds: shorter times are drawn here
# Okabe and Ito (2008), without their yellow, which is too light for white paper, and with grey.
_COLORS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "currentColor", "#e69f00", "#56b4e9", "#7a7a7a",
)  # fmt: skip
# Paths around (0, 0), of about the same area.
_MARKERS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",  # circle
    "M-3.6 -3.6h7.2v7.2h-7.2z",  # square
    "M0 -5L4.6 3.4h-9.2z",  # triangle
    "M0 -5.2L5.2 0L0 5.2L-5.2 0z",  # diamond
    "M0 5L4.6 -3.4h-9.2z",  # triangle upside down
    "M-4.6 -1.5h3.1v-3.1h3v3.1h3.1v3h-3.1v3.1h-3v-3.1h-3.1z",  # plus
    "M0 -5L1.5 -1.6L5 -1.3L2.4 1.1L3.1 4.6L0 2.8L-3.1 4.6L-2.4 1.1L-5 -1.3L-1.5 -1.6z",  # star
    "M-5 -2.2h10v4.4h-10z",  # bar
)
_DASHES = ("", "5 3", "1.5 2.5")


@dataclass(frozen=True, slots=True)
class _Point:
    """A point of a chart, with its tooltip."""

    x: float
    score: float
    title: str


@dataclass(frozen=True, slots=True)
class _Scale:
    """Scores to heights."""

    low: float
    high: float

    def __call__(self, score: float) -> float:
        return _BOTTOM - (score - self.low) / (self.high - self.low) * (_BOTTOM - _TOP)


def learning_curves(groups: Sequence[Group], methods: Sequence[str]) -> str:
    """Draw the scores of the methods against shots, with intervals as bands."""
    across = _across([float(place) for place in range(len(groups))])
    scale, ticks = _scores(groups)
    axes = [*_score_axis(scale, ticks)]
    for place, group in enumerate(groups):
        axes += _tick_across(across(place), str(group.shots))
    bands: list[str] = []
    curves: list[str] = []
    for number, method in enumerate(methods):
        known = [(i, g, score) for i, g in enumerate(groups) if (score := g.score(method))]
        bands += _band([across(i) for i, _, _ in known], [s for _, _, s in known], scale, number)
        points = [
            _Point(across(i), score.mean, f"{method}, {group.shots} shots: {_interval(score)}")
            for i, group, score in known
        ]
        curves += _curve(points, scale, number)
    return _chart(groups[0], "shots", axes, [*bands, *curves], "Shots, evenly spaced")


def score_by_seconds(groups: Sequence[Group], methods: Sequence[str]) -> str:
    """Draw the scores of the methods against seconds of training."""
    timed = [entry.costs.fit_seconds for group in groups for entry in group.entries.values()]
    logs = [math.log10(max(seconds, _FASTEST)) for seconds in timed if seconds is not None]
    low, high = math.floor(min(logs, default=0)), math.ceil(max(logs, default=1))
    powers = list(range(low, max(high, low + 1) + 1))
    across = _across([float(power) for power in powers])
    scale, ticks = _scores(groups)
    axes = [*_score_axis(scale, ticks)]
    for power in powers:
        axes += _tick_across(across(power), f"{10.0**power:g}")
    curves: list[str] = []
    for number, method in enumerate(methods):
        points = []
        for group in groups:
            score, entry = group.score(method), group.entries.get(method)
            if score is None or entry is None or entry.costs.fit_seconds is None:
                continue
            seconds = entry.costs.fit_seconds
            title = f"{method}, {group.shots} shots: {_interval(score)} in {seconds:.3g} s"
            x = across(math.log10(max(seconds, _FASTEST)))
            points.append(_Point(x, score.mean, title))
        curves += _curve(points, scale, number)
    return _chart(groups[0], "seconds", axes, curves, "Seconds of fit (log scale)")


def legend(methods: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the line and marker of each method, and its name."""
    return tuple((_swatch(number), method) for number, method in enumerate(methods))


def _swatch(number: int) -> str:
    content = _line([(2.0, 8.0), (30.0, 8.0)], number) + _marker(16, 8, number, "")
    size: dict[str, str | float] = {"width": 32, "height": 16, "aria-hidden": "true"}
    return shape("svg", size | {"viewBox": "0 0 32 16"}, content)


def _across(values: Sequence[float]) -> Callable[[float], float]:
    """Return the scale of the horizontal axis; a single value is in the middle."""
    low, width = min(values), max(values) - min(values)
    left, right = _LEFT + 14, _RIGHT - 14

    def place(value: float) -> float:
        share = (value - low) / width if width else 0.5
        return left + share * (right - left)

    return place


def _scores(groups: Sequence[Group]) -> tuple[_Scale, list[float]]:
    """Fit the axis to the means; bands may extend it by half as much on either side."""
    metric = groups[0].metric
    scores = [entry.scores[metric] for g in groups for entry in g.entries.values() if entry.by_seed]
    means = [score.mean for score in scores]
    low, high = min(means, default=0.0), max(means, default=1.0)
    reach = max(high - low, _LEAST_RANGE) / 2
    lows = [score.low for score in scores if score.low is not None]
    highs = [score.high for score in scores if score.high is not None]
    bottom = max(min([low - 0.1 * reach, *lows]), low - reach, 0.0)
    if METRICS[metric].higher_is_better:
        bottom = max(bottom, high - _MOST_RANGE)
    top = min(max([high + 0.1 * reach, *highs]), high + reach)
    if METRICS[metric].higher_is_better:
        top = min(top, 1.0)
    if top - bottom < _LEAST_RANGE:
        bottom = max(0.0, top - _LEAST_RANGE)
    ticks = nice_ticks(bottom, max(top, bottom + _LEAST_RANGE))
    return _Scale(ticks[0], ticks[-1]), ticks


def _score_axis(scale: _Scale, ticks: list[float]) -> Iterator[str]:
    places = decimals(ticks)
    for tick in ticks:
        y = scale(tick)
        yield shape("line", {"class": "grid", "x1": _LEFT, "x2": _RIGHT, "y1": y, "y2": y})
        yield _text(_LEFT - 6, y + 4, f"{tick:.{places}f}", "end")


def _tick_across(x: float, label: str) -> Iterator[str]:
    yield shape("line", {"class": "grid", "x1": x, "x2": x, "y1": _BOTTOM, "y2": _BOTTOM + 5})
    yield _text(x, _BOTTOM + 18, label, "middle")


def _band(
    places: Sequence[float], scores: Sequence[Estimate], scale: _Scale, number: int
) -> Iterator[str]:
    known = [
        (x, scale(score.low), scale(score.high))
        for x, score in zip(places, scores, strict=True)
        if score.low is not None and score.high is not None
    ]
    color = _color(number)
    if len(known) == 1:
        ((x, low, high),) = known
        line: dict[str, str | float] = {"x1": x, "x2": x, "y1": low, "y2": high}
        yield shape("line", line | {"stroke": color, "stroke-width": 6, "stroke-opacity": 0.15})
    elif known:
        outline = [(x, high) for x, _, high in known] + [(x, low) for x, low, _ in reversed(known)]
        yield shape("polygon", {"points": _places(outline), "fill": color, "fill-opacity": 0.11})


def _curve(points: Sequence[_Point], scale: _Scale, number: int) -> Iterator[str]:
    if len(points) > 1:
        yield _line([(point.x, scale(point.score)) for point in points], number)
    for place, point in enumerate(points):
        size = 1.0 if place == len(points) - 1 else 0.75
        if point.score < scale.low:
            # A point below the frame is drawn at its edge, hollow.
            yield _marker(point.x, _BOTTOM, number, f"{point.title}, below", size, is_hollow=True)
        else:
            yield _marker(point.x, scale(point.score), number, point.title, size)


def _line(points: Sequence[tuple[float, float]], number: int) -> str:
    dash = _DASHES[number // len(_COLORS) % len(_DASHES)]
    attributes: dict[str, str | float] = {
        "points": _places(points),
        "fill": "none",
        "stroke": _color(number),
        "stroke-width": 1.8,
    }
    return shape("polyline", attributes | ({"stroke-dasharray": dash} if dash else {}))


def _marker(
    x: float, y: float, number: int, title: str, size: float = 1.0, *, is_hollow: bool = False
) -> str:
    # With more methods than colors, a color comes again with another marker.
    kind = (number + number // len(_COLORS)) % len(_MARKERS)
    attributes: dict[str, str | float] = {
        "d": _MARKERS[kind],
        "transform": f"translate({x:.2f} {y:.2f}) scale({size:g})",
        "fill": "var(--page)" if is_hollow else _color(number),
        "stroke": _color(number) if is_hollow else "var(--page)",
        "stroke-width": 1.4 if is_hollow else 0.8,
    }
    return shape("path", attributes, f"<title>{escape(title)}</title>" if title else "")


def _chart(group: Group, kind: str, axes: Sequence[str], curves: Sequence[str], label: str) -> str:
    metric = METRICS[group.metric]
    name = f"{metric.title} against {kind}"
    better = "" if metric.higher_is_better else " (lower is better)"
    texts = [
        _text(_LEFT, 16, name + better, "start", "name"),
        _text((_LEFT + _RIGHT) / 2, _BOTTOM + 38, label, "middle"),
    ]
    attributes: dict[str, str | float] = {
        "role": "img",
        "aria-label": f"{name} on {group.title}; the tables below hold the numbers",
        "viewBox": f"0 0 {_WIDTH} {_HEIGHT}",
        "width": _WIDTH,
        "height": _HEIGHT,
    }
    width, height = _RIGHT - _LEFT + 2 * _EDGE, _BOTTOM - _TOP + 2 * _EDGE
    # An inner picture clips lines and bands that leave its frame.
    frame: dict[str, str | float] = {
        "x": _LEFT - _EDGE,
        "y": _TOP - _EDGE,
        "width": width,
        "height": height,
        "viewBox": f"{_LEFT - _EDGE} {_TOP - _EDGE} {width} {height}",
    }
    inside = shape("svg", frame, "\n".join(["", *curves, ""]))
    return shape("svg", attributes, "\n".join([*texts, *axes, inside]))


def _text(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> str:
    return shape("text", {"class": kind, "x": x, "y": y, "text-anchor": anchor}, escape(text))


def _interval(score: Estimate) -> str:
    if score.low is None:
        return f"{score.mean:.3f}"
    return f"{score.mean:.3f} [{score.low:.3f}, {score.high:.3f}]"


def _color(number: int) -> str:
    return _COLORS[number % len(_COLORS)]


def _places(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
