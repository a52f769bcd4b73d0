"""Reading Markdown pages: their blocks of code, and what they say that these print."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@dataclass
class Example:
    """A block of Python.

    Attributes:
        line: Where it begins in the page.
        code: What it says.
        expected: What a block of text after it shows; None if there is none.
    """

    line: int
    code: str
    expected: str | None


def examples(page: Path) -> list[Example]:
    """The blocks of Python of a page, in order."""
    text = page.read_text()
    found: list[Example] = []
    end = -1
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        language, content = match[1], match[2]
        if language == "python":
            found.append(Example(text[: match.start()].count("\n") + 2, content, None))
        elif language == "text" and found and not text[end : match.start()].strip():
            found[-1].expected = content.strip("\n")
        end = match.end() if language == "python" else -1
    return found


def matches(seen: str, expected: str) -> bool:
    """Whether ``seen`` is what a page shows, where ``...`` stands for anything."""
    pattern = ".*?".join(map(re.escape, expected.split("...")))
    return re.fullmatch(pattern, seen, re.DOTALL) is not None
