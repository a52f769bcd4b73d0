"""Links between pages lead somewhere, and every page is reached from the README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT
from tracejit import config
from tracejit.config import Settings


def links(page: Path) -> list[Path]:
    """Where the links of a page lead, without those into the web."""
    targets = re.findall(r"\]\(([^)]+)\)", page.read_text())
    return [(page.parent / t.partition("#")[0]).resolve() for t in targets if "://" not in t and not t.startswith("#")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        assert target.exists(), target


def test_every_page_is_linked_from_the_readme() -> None:
    assert {page.resolve() for page in PAGES[1:]} <= set(links(PAGES[0]))


def test_every_setting_is_explained() -> None:
    text = (ROOT / "docs" / "inspecting.md").read_text()
    for name in Settings.__annotations__:
        assert f"| `{name}` | `{config.variable(name)}` |" in text, name
