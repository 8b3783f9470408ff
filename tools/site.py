"""Build the documentation into ``site/``: ``python -m tools.site``, or ``make docs``.

Warnings are errors. Nothing is fetched, neither while building nor by a page that is read.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from fewshot.errors import MissingExtraError

ROOT = Path(__file__).parents[1]
SITE = ROOT / "site"
# What a page loads by itself: a link that a reader may follow is none of these.
_LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(https?:)?//"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|preconnect|icon))[^>]*\bhref=[\"']?(https?:)?//",
    re.IGNORECASE,
)


def main() -> int:
    """Build the site; return 1 if anything is wrong with it."""
    shutil.rmtree(SITE, ignore_errors=True)
    build()
    pages = sorted(SITE.rglob("*.html"))
    fetching = [page for page in pages if fetched(page.read_text(encoding="utf-8"))]
    for page in fetching:
        sys.stderr.write(f"{page.relative_to(ROOT)} loads something from elsewhere\n")
    sys.stdout.write(f"{len(pages)} pages in {SITE.relative_to(ROOT)}/: open index.html\n")
    return 1 if fetching else 0


def build() -> None:
    """Build the pages; stop at the first warning of mkdocs.

    Raises
    ------
    MissingExtraError
        If the packages of the extra ``docs`` are not installed.
    """
    try:
        import material  # noqa: F401
        import mkdocstrings  # noqa: F401
        from mkdocs.__main__ import cli
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the documentation is built with {error.name}, which is not installed: "
            'pip install "fewshot[docs]"'
        ) from error
    os.environ["NO_MKDOCS_2_WARNING"] = "1"
    settings = ROOT / "mkdocs.yml"
    cli(["--quiet", "build", "--strict", "-f", str(settings)], standalone_mode=False)


def fetched(page: str) -> list[str]:
    """Return the tags of a page that load something from another host."""
    return [match[0] for match in _LOADED.finditer(page)]


if __name__ == "__main__":
    raise SystemExit(main())
