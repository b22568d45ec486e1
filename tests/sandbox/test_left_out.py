"""docs/sandbox.md has the reasons for which answers of the sandbox differ from those of the real API server."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.beside.left_out import page

PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"
BEGIN, END = "<!-- left out -->\n", "<!-- end -->"


def test_the_page_has_every_reason() -> None:
    """To write it anew: put what `page()` gives between the marks."""
    written = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert written == page()
