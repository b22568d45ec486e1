"""Tables, JSON and YAML as commands print them."""

from __future__ import annotations

import json
from argparse import ArgumentParser

import pytest
import yaml

from edged.cli.output import HelpFormatter, print_data, print_table


def test_columns_are_aligned_and_nothing_steers_the_terminal(capsys: pytest.CaptureFixture[str]):
    print_table(("NAME", "NODE"), [("web", None), ("a long name", "b"), ("\x1b[2J", "")])
    assert capsys.readouterr().out.splitlines() == [
        "NAME          NODE",
        "web           -",
        "a long name   b",
        "\\x1b[2J       -",
    ]


@pytest.mark.parametrize(("output", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_data_reads_back(output: str, load: object, capsys: pytest.CaptureFixture[str]):
    data = {"b": [1, None, "ä"], "a": {"x": "1"}}
    print_data(data, output)
    found = load(capsys.readouterr().out)  # type: ignore[operator]
    assert found == data
    assert list(found) == ["b", "a"]  # in the order given


def test_help_of_one_paragraph_is_wrapped_and_lines_of_examples_stay():
    formatter = HelpFormatter("edged", width=40)
    formatter.add_text("word " * 20)
    assert max(map(len, formatter.format_help().splitlines())) <= 40
    parser = ArgumentParser(description="first\n    second", formatter_class=HelpFormatter)
    assert "first\n    second" in parser.format_help()
