"""The README explains each section, and each key of what policies add."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.bench.__main__ import SECTIONS, WITHOUT_WRK, chosen, module_name
from tests.bench.added_figures import RATIOS

README = (Path(__file__).parent / "README.md").read_text()


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_can_be_run_and_is_explained(section: str) -> None:
    assert callable(importlib.import_module(module_name(section)).run)
    assert f"\n## {section}: " in README


def test_the_readme_explains_no_other_sections() -> None:
    assert set(re.findall(r"^## (\w+): ", README, re.MULTILINE)) == set(SECTIONS)
    assert set(SECTIONS) >= WITHOUT_WRK


@pytest.mark.parametrize("key", RATIOS)
def test_a_key_of_what_policies_add_is_explained(key: str) -> None:
    assert f"`{key}`" in README


def test_sections_are_chosen_by_name_and_controllers_together() -> None:
    assert chosen(None) == list(SECTIONS)
    assert chosen("audit,memory") == ["audit", "memory"]
    found = chosen("memory,controllers")
    assert found[0] == "memory" and len(found) > 1
    assert set(found[1:]) == {section for section in SECTIONS if section.startswith("ctl_")}
