"""The site of the documentation: what it is made of, and that it loads nothing from elsewhere."""

from __future__ import annotations

import re
import sys

import pytest

pytest.importorskip("mkdocs", reason='the extra "docs" is not installed')

from fewshot.errors import MissingExtraError
from tools.site import build, fetched
from tools.site_docstrings import linked
from tools.site_pages import command_line, on_page_content, reference, relinked, unescaped


def test_a_build_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "material", None)

    with pytest.raises(MissingExtraError, match=r'pip install "fewshot\[docs\]"'):
        build()


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://unpkg.com/iframe-worker/shim"></script>',
        '<link rel="stylesheet" href="//fonts.example/css">',
        '<link href="https://fonts.example" rel=preconnect>',
        '<img alt="badge" src="http://img.example/badge.svg">',
    ],
)
def test_what_a_page_loads_from_another_host_is_found(tag: str) -> None:
    assert len(fetched(f"<p>{tag}</p>")) == 1


def test_links_that_readers_follow_are_not_loaded() -> None:
    assert fetched('<a href="https://example.org">a</a><img src="../assets/prompt.svg">') == []


def test_links_of_the_readme_lead_to_pages_of_the_site() -> None:
    text = '[a](docs/evidence/tuning.md#results) [b](CHANGELOG.md) <img src="docs/assets/a.svg">'

    found = relinked(text, "README.md")

    assert found == (
        '[a](evidence/tuning.md#results) [b](project/changelog.md) <img src="assets/a.svg">'
    )


def test_links_of_a_page_lead_to_files_outside_the_docs() -> None:
    text = "[a](../../benchmarks/results/first/report.md) [b](defaults.md) [c](../../Makefile)"

    found = relinked(text, "docs/evidence/tuning.md")

    assert found == "[a](reports/first.md) [b](defaults.md) c (`Makefile`)"


def test_escapes_of_reports_are_not_printed() -> None:
    assert unescaped("| p \\< 0.001 | \\~5 | a\\_b |") == "| p &lt; 0.001 | ~5 | a\\_b |"


def test_all_commands_are_described_with_their_examples() -> None:
    text = command_line()

    for command in ("fit", "predict", "evaluate", "zero-shot", "words", "init", "info", "download"):
        assert f"## `fewshot {command}`" in text
    assert "```sh\nfewshot info\nfewshot info model\n```" in text


def test_summaries_of_commands_are_whole_sentences() -> None:
    listed = re.findall(r"^\* `[\w-]+`: (.+)$", command_line(), re.MULTILINE)

    assert "Learn a classifier from a file with a few labels per class." in listed
    assert [summary for summary in listed if summary.endswith("...")] == []


def test_each_public_name_is_on_a_page() -> None:
    pages = reference()

    assert "::: fewshot.PromptClassifier\n" in pages["classifiers"]
    assert "::: fewshot.Verbalizer\n" in pages["data_and_prompts"]
    assert "::: fewshot.tuning.LoRA\n" in pages["tuning"]


def test_no_dash_is_left_before_a_description_that_is_empty() -> None:
    item = '<code>rate</code>\n  –\n  <div class="doc-md-description">{}</div>'

    assert on_page_content(item.format("\n\n")) == "<code>rate</code>"
    assert on_page_content(item.format("Of a step.")) == item.format("Of a step.")


def test_roles_of_sphinx_become_links() -> None:
    assert linked("Use :class:`~fewshot.Verbalizer`.") == "Use [`Verbalizer`][fewshot.Verbalizer]."


def test_each_parameter_has_its_own_entry() -> None:
    text = "One line.\n\nParameters\n----------\nrank, C\n    See there.\nn, m : int\n    Texts.\n"

    assert linked(text) == (
        "One line.\n\nParameters\n----------\n"
        "rank\n    See there.\nC\n    See there.\nn : int\n    Texts.\nm : int\n    Texts.\n"
    )


def test_see_also_links_to_what_it_names() -> None:
    text = (
        "One line.\n\nSee Also\n--------\nTemplate, Verbalizer : The parts.\nfit : Learn.\n\nNotes"
    )

    assert linked(text) == (
        "One line.\n\nSee Also\n--------\n"
        "- [`Template`][fewshot.Template], [`Verbalizer`][fewshot.Verbalizer]: The parts.\n"
        "- `fit`: Learn.\n\nNotes"
    )
