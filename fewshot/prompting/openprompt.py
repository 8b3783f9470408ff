"""Templates in OpenPrompt's format, as patterns in ours."""

from __future__ import annotations

import json
import re

from fewshot.errors import TemplateError

_KEYS = frozenset({"placeholder", "meta", "mask", "special", "text", "shortenable"})
# The one post-processing in OpenPrompt's own files; other code in a file is refused, never run.
_STRIP = "lambda x:x.strip('.')"


def read_openprompt(line: str) -> str:
    """Return the pattern of a template in OpenPrompt's format."""
    parts = re.split(r"(\{[^{}]*\})", line.strip())
    return "".join(_pattern(part, line) for part in parts)


def _pattern(part: str, line: str) -> str:
    if not part.startswith("{"):
        return part.replace("{", "{{").replace("}", "}}")
    entries = _read_braces(part, line)
    processing = entries.pop("post_processing", None)
    unknown = [key for key in entries if key not in _KEYS]
    if unknown or processing not in (None, _STRIP):
        raise TemplateError(
            f"cannot read {part!r} of the OpenPrompt template {line!r}: "
            f"known keys are {sorted(_KEYS)}, and code is not run"
        )
    if "mask" in entries:
        return "{mask}"
    if "text" in entries:
        return str(entries["text"]).replace("{", "{{").replace("}", "}}")
    if entries.get("special") == "<sep>":
        return "{sep}"
    name = entries.get("placeholder", entries.get("meta"))
    if name is None:
        raise TemplateError(f"{part!r} of the OpenPrompt template {line!r} names no field")
    is_whole = str(entries.get("shortenable", True)).lower() == "false"
    options = ["whole"] * is_whole + ["bare"] * (processing is not None)
    return "{" + str(name) + (":" + ",".join(options) if options else "") + "}"


def _read_braces(part: str, line: str) -> dict[str, object]:
    """Read JSON in which a lone key is allowed and True and False may be Python's."""
    content = part[1:-1].strip()
    content = content if ":" in content else f"{content}: null"
    content = re.sub(r":\s*True\b", ": true", re.sub(r":\s*False\b", ": false", content))
    try:
        entries: dict[str, object] = json.loads("{" + content + "}")
    except json.JSONDecodeError as error:
        raise TemplateError(
            f"cannot read {part!r} of the OpenPrompt template {line!r}: {error}"
        ) from error
    return entries
