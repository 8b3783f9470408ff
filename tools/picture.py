"""Draw the picture of the README: ``python -m tools.picture`` writes ``docs/assets/prompt.svg``.

All numbers in it are those of the embedded model.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fewshot import PromptClassifier, Verbalizer
from fewshot.benchmark.report.svg import shape

OUTPUT = Path(__file__).parents[1] / "docs" / "assets" / "prompt.svg"
TEXT = "Fans buy shares in the club."
TEMPLATE = "A {mask} text: {text}"
WORDS = {
    "sport": ["football", "team", "game"],
    "business": ["company", "market", "money"],
    "politics": ["election", "party", "law"],
}
_WIDTH, _HEIGHT, _LEFT = 640, 400, 28
_BAR = 150  # the longest bar
_STYLE = """
text { font-family: system-ui, sans-serif; font-size: 19px; fill: var(--ink); }
.small { font-size: 15px; fill: var(--faint); }
.strong { font-weight: 650; }
.code { font-family: ui-monospace, monospace; font-size: 17px; }
.on { fill: #ffffff; font-weight: 650; }
.card { fill: var(--card); stroke: var(--line); }
.accent { fill: #00796b; }
.bar { fill: var(--bar); }
.best { fill: #00897b; }
svg { --ink: #1f2933; --faint: #5c6873; --card: #ffffff; --line: #d5dbe1; --bar: #b8c4ce; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6eaee; --faint: #a3adb7; --card: #1d2329; --line: #3a444e; --bar: #52606d; }
}
"""


def main() -> None:
    """Write the picture."""
    OUTPUT.write_text(picture(), encoding="utf-8")
    sys.stdout.write(f"{OUTPUT}\n")


def picture() -> str:
    """Return the picture: the prompt, the mask, the words, the label."""
    shares, label, probability = scores()
    elements = [
        shape("style", {}, _STYLE),
        shape(
            "rect",
            {"x": 1, "y": 1, "width": _WIDTH - 2, "height": _HEIGHT - 2, "rx": 12, "class": "card"},
        ),
        *_prompt(),
        *_words(shares, label),
        *_answer(label, probability),
    ]
    described = f"The prompt for {TEXT!r}: the words at the mask say {label}"
    return shape(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH} {_HEIGHT}",
            "role": "img",
            "aria-label": described,
        },
        "\n".join(elements) + "\n",
    )


def scores() -> tuple[dict[str, float], str, float]:
    """Return the share of each word at the mask, and the class with its probability."""
    words = [word for of_class in WORDS.values() for word in of_class]
    by_word = PromptClassifier(
        TEMPLATE, Verbalizer({word: [word] for word in words}), tuning="none", name_weight=0
    ).fit()
    by_class = PromptClassifier(TEMPLATE, WORDS, tuning="none", name_weight=0).fit()
    shares = dict(
        zip(by_word.classes_.tolist(), by_word.predict_proba([TEXT])[0].tolist(), strict=True)
    )
    proba = by_class.predict_proba([TEXT])[0]
    best = int(proba.argmax())
    return shares, str(by_class.classes_[best]), float(proba[best])


def _text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    return shape("text", {"x": x, "y": y, "class": kind, "text-anchor": anchor}, content)


def _prompt() -> list[str]:
    """Draw the text, and the prompt that the template makes of it."""
    before, after = TEMPLATE.format(mask="\0", text=TEXT).split("\0")
    return [
        _text(_LEFT, 40, "your text", "small"),
        _text(_LEFT + 120, 40, TEXT, "strong"),
        _text(_LEFT, 88, "the prompt", "small"),
        _text(_LEFT + 120, 88, before.strip(), "code"),
        shape(
            "rect",
            {"x": _LEFT + 142, "y": 68, "width": 86, "height": 28, "rx": 6, "class": "accent"},
        ),
        _text(_LEFT + 185, 88, "[MASK]", "code on", "middle"),
        _text(_LEFT + 238, 88, after.strip(), "code"),
        _text(_LEFT, 136, "A masked language model scores the words at the mask:", "small"),
    ]


def _words(shares: dict[str, float], label: str) -> list[str]:
    """Draw a bar for each word, in a column for each class."""
    elements, longest = [], max(shares.values())
    for column, (name, words) in enumerate(WORDS.items()):
        x = _LEFT + column * 200
        elements.append(_text(x, 172, name, "strong"))
        for row, word in enumerate(words):
            y = 200 + row * 46
            width = max(3.0, _BAR * shares[word] / longest)
            kind = "best" if name == label else "bar"
            elements.append(_text(x, y, word, "small"))
            elements.append(_text(x + _BAR + 8, y, f"{shares[word]:.2f}", "small", "end"))
            elements.append(
                shape(
                    "rect",
                    {"x": x, "y": y + 7, "width": width, "height": 10, "rx": 3, "class": kind},
                )
            )
    return elements


def _answer(label: str, probability: float) -> list[str]:
    return [
        _text(_LEFT, 368, "the label", "small"),
        shape(
            "rect",
            {"x": _LEFT + 112, "y": 344, "width": 190, "height": 36, "rx": 18, "class": "accent"},
        ),
        _text(_LEFT + 207, 369, f"{label} {probability:.2f}", "on", "middle"),
        _text(_LEFT + 320, 368, "without a single labelled text", "small"),
    ]


if __name__ == "__main__":
    main()
