"""`-w` shows something again only when what matters of it has changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edged.cli import watching


def test_what_changes_is_shown_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    slept: list[float] = []
    monkeypatch.setattr(watching.time, "sleep", slept.append)
    seen: Iterator[tuple[str, int]] = iter([("a", 1), ("a", 2), ("b", 3)])
    shown: list[tuple[str, int]] = []

    def look() -> tuple[str, int]:
        found = next(seen, None)
        if found is None:
            raise KeyboardInterrupt
        return found

    with pytest.raises(KeyboardInterrupt):
        watching.watch(look, shown.append, lambda found: found[0])
    assert shown == [("a", 1), ("b", 3)]
    assert capsys.readouterr().out == "\n"
    assert slept == [1.0] * 3
