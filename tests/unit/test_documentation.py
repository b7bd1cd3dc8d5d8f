"""The pages of the documentation: all are found, and what they point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.rglob("*.md")),
    *sorted(ROOT.glob("examples/*/README.md")),
]
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


def links(page: Path) -> list[tuple[str, Path]]:
    text = re.sub(r"```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [(words, (page.parent / target).resolve()) for words, target in LINK.findall(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_something(page: Path) -> None:
    assert [target for _, target in links(page) if not target.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_decision_is_called_by_its_number(page: Path) -> None:
    called = [(words, target.name) for words, target in links(page) if re.search(r"decision \d", words)]

    assert [pair for pair in called if pair[1][:3] not in pair[0]] == []


def test_the_readme_leads_to_every_guide_reference_and_example() -> None:
    wanted = {*DOCS.glob("guides/*.md"), *DOCS.glob("reference/*.md"), *ROOT.glob("examples/*/README.md")}

    assert wanted - {target for _, target in links(ROOT / "README.md")} == set()


def test_every_page_is_in_the_navigation_of_the_documentation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")

    assert [
        page for page in sorted(DOCS.rglob("*.md")) if str(page.relative_to(DOCS)) not in navigation
    ] == []


def test_every_example_has_a_page() -> None:
    folders = [manifest.parent for manifest in ROOT.glob("examples/*/wisp.toml")]

    assert [folder.name for folder in folders if not (folder / "README.md").exists()] == []


CAPABILITIES = sorted(DOCS.glob("reference/capabilities/*.md"))
PACKAGES = {
    path.parent.name: path
    for folder in ("capabilities", "spin")
    for path in ROOT.glob(f"wit/{folder}/deps/*/package.wit")
}
SHOWN = re.compile(r"<!-- wit: (\S+) -->\n```wit\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", CAPABILITIES, ids=lambda page: page.stem)
def test_a_page_of_a_capability_shows_its_wit_as_the_host_has_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    shown = dict(SHOWN.findall(text))

    assert text.count("```wit") == len(shown) > 0
    assert shown == {name: PACKAGES[name].read_text(encoding="utf-8") for name in shown}
