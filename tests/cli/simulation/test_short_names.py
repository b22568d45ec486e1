"""Names are cut where they differ."""

from __future__ import annotations

import random
from importlib import resources
from pathlib import Path

import pytest

from edged.cli.simulation.short_names import shorten
from tests.cli.browser import chromium


@pytest.mark.parametrize("room", [10, 14, 21])
@pytest.mark.parametrize(
    "names",
    [
        [f"edge-{n}.workshop.example.lan" for n in range(30)],
        ["edge-1.lan-added-1", "edge-1.lan-added-2", "edge-1.lan", "edge-2.lan-added-1"],
        [f"{a}-in-the-middle-{b}-of-a-name-{c}" for a in "ab" for b in "cd" for c in "ef"],
        [f"{'x' * 40}{n}{'y' * 40}" for n in range(9)],
    ],
)
def test_names_stay_apart(names: list[str], room: int) -> None:
    cut = shorten(names, room)
    assert list(cut) == names
    assert len(set(cut.values())) == len(names)
    assert max(map(len, cut.values())) <= room


def test_what_fits_is_not_cut() -> None:
    assert shorten(["a", "bb"], 2) == {"a": "a", "bb": "bb"}
    assert shorten([], 2) == {}
    cut = shorten(["node-1", "a-much-longer-name-than-there-is-room"], 12)
    assert cut["node-1"] == "node-1"
    assert cut["a-much-longer-name-than-there-is-room"] == "a-much…-room"


def test_any_names() -> None:
    chance = random.Random(1)
    for _ in range(200):
        names = ["".join(chance.choices("ab-", k=chance.randint(1, 40))) for _ in range(chance.randint(1, 30))]
        cut = shorten(names, 12)
        assert len(set(cut.values())) == len(set(names))
        assert max(map(len, cut.values())) <= 12


def test_a_common_domain_goes_first() -> None:
    names = [f"edge-node-{n}.workshop.example.lan" for n in range(9)]
    cut = shorten([*names, f"{names[1]}-added-1", "10.0.0.1"], 14)
    assert [cut[name] for name in names] == [f"edge-node-{n}" for n in range(9)]
    assert cut[f"{names[1]}-added-1"] == "edge-no…dded-1"
    assert cut["10.0.0.1"] == "10.0.0.1"


def test_the_page_makes_the_same_of_them(tmp_path: Path) -> None:
    """picture.js does it again, in JavaScript."""
    source = (resources.files("edged.cli.simulation") / "picture.js").read_text()
    functions = source[source.index("/** `a.example.lan`") : source.index("const signOf")]
    html = tmp_path / "page.html"
    html.write_text(f"<script>{functions}</script>")
    chance, several = random.Random(2), []
    for _ in range(50):
        domain = chance.choice(("", ".example.lan", ".b"))
        letters = chance.choice(("ab-.", "abcdefgh"))
        names = ["".join(chance.choices(letters, k=chance.randint(1, 30))) + domain for _ in range(12)]
        several.append(list(dict.fromkeys(names)))
    with chromium() as browser:
        browser.open(html)
        found = browser.run("return arguments[0].map((names) => shorten(names, 12))", several)
    assert found == [list(shorten(names, 12).values()) for names in several]
