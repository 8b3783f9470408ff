"""A small WordNet in its own format, with byte offsets that are right."""

from __future__ import annotations

from pathlib import Path

_LICENCE = "  1 This software and database is being provided to you, the LICENSEE\n"


def write_wordnet(folder: Path) -> Path:
    """Write nouns, and a verb; and return the folder.

    sport, athletics: "an active diversion"; hyponym: contact_sport; related: the verb play.
    legal_document; game (no relations).
    """
    nouns = [
        ("sport", ("sport", "athletics"), [("~", "contact_sport", "n"), ("+", "play", "v")],
         'an active diversion; "he liked the team"'),
        ("contact_sport", ("contact_sport",), [("@", "sport", "n")], "a game with contact"),
        ("game", ("game",), [], "a diversion"),
        ("legal_document", ("legal_document", "instrument"), [], "writing about law"),
    ]  # fmt: skip
    verbs = [("play", ("play", "game_on"), [], "do a sport")]
    offsets: dict[tuple[str, str], int] = {}
    for _ in range(2):  # the second time, offsets are known
        for letter, part, rows in (("n", "noun", nouns), ("v", "verb", verbs)):
            text, index = _LICENCE, {}
            for key, words, pointers, gloss in rows:
                offsets[letter, key] = len(text.encode())
                for word in words:
                    index.setdefault(word, []).append(offsets[letter, key])
                text += _line(offsets, letter, key, words, pointers, gloss)
            (folder / f"data.{part}").write_text(text, encoding="utf-8")
            lines = [
                f"{word} {letter} {len(at)} 0 {len(at)} 0 {' '.join(f'{o:08d}' for o in at)}  \n"
                for word, at in sorted(index.items())
            ]
            (folder / f"index.{part}").write_text(_LICENCE + "".join(lines), encoding="utf-8")
    return folder


def _line(offsets, letter, key, words, pointers, gloss) -> str:
    spelt = " ".join(f"{word} 0" for word in words)
    tied = "".join(
        f" {symbol} {offsets.get((part, target), 0):08d} {part} 0000"
        for symbol, target, part in pointers
    )
    head = f"{offsets[letter, key]:08d} 04 {letter} {len(words):02x} {spelt} {len(pointers):03d}"
    return f"{head}{tied} | {gloss}  \n"
