"""The parser: whose usage an error shows, nearest names, old spellings, and what is loaded."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from edged.cli import main as frame
from edged.cli.parsing import Parser


def every_command(parser: Parser | None = None) -> Iterator[Parser]:
    """The parsers of all commands, outermost first."""
    parser = parser or frame.parser()
    yield parser.declared()
    for _, child in parser.children():
        yield from every_command(child)


COMMANDS = list(every_command())


@pytest.mark.parametrize(
    ("words", "usage", "text"),
    [
        (["status", "-A"], "usage: edged status ", "edged status has no option -A"),
        (["policy", "run", "--kubeconfg", "x", "-f", "y", "z"], "usage: edged policy run ",
         "did you mean --kubeconfig?"),
        (["polcy"], "usage: edged ", "there is no command 'polcy' in `edged`; did you mean policy?"),
        (["policy", "insepct"], "usage: edged policy ",
         "there is no operation 'insepct' in `edged policy`; did you mean inspect?"),
        (["status", "-o", "jsn"], "usage: edged status ", "'jsn' is not possible; did you mean json?"),
        (["status", "-o", "qqq"], "usage: edged status ", "possible: table, wide, json, yaml"),
        (["webhook", "render", "surplus"], "usage: edged webhook render ",
         "edged webhook render does not take 'surplus'"),
        (["policy", "annotate", "m.wasm", "-m", "x"], "usage: edged policy annotate ", "--output-path FILE is needed"),
    ],
)  # fmt: skip
def test_an_error_shows_the_usage_of_the_command_that_was_meant(
    words: list[str], usage: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert frame.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(usage)
    assert text in err
    assert err.count("usage:") == 1
    assert err.splitlines()[-1] == f"edged: `{usage[7:].strip()} --help` shows what is possible"


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("parser", COMMANDS, ids=lambda parser: parser.prog)
def test_help_fits_the_terminal(parser: Parser, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    examples = [f"  {line}" for line in parser.examples]
    lines = [line for line in parser.format_help().splitlines() if line not in examples]
    # One option of a usage is one word for argparse, and one choice between options, too.
    word = re.compile(r" +\[?-\S+( [A-Z]+)?( \|.*)?\]?")
    wide = [line for line in lines if len(line) > columns and not word.fullmatch(line)]
    assert wide == []
    assert max(map(len, examples), default=0) <= 80


@pytest.mark.parametrize("parser", COMMANDS, ids=lambda parser: parser.prog)
def test_every_command_is_described_and_has_examples_that_parse(parser: Parser) -> None:
    assert parser.description
    if any(True for _ in parser.children()):
        return
    assert parser.examples, parser.prog
    assert any(parser.prog in line for line in parser.examples)


@pytest.mark.parametrize("parser", COMMANDS, ids=lambda parser: parser.prog)
def test_options_that_are_everywhere_mean_the_same_everywhere(parser: Parser) -> None:
    meant = {"-o": "output", "-n": "namespace", "-A": "all_namespaces", "-l": "selector", "-w": "watch",
             "--context": "context"}  # fmt: skip
    for action in parser.options():
        for name in action.option_strings:
            assert action.dest == meant.get(name, action.dest), f"{parser.prog} {name}"


def test_an_old_spelling_works_and_says_what_it_is_called_now(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="p")
    parser.add_argument("--output", default="table")
    parser.old_option("--json", instead="-o json", dest="output", nargs=0, const="json")
    assert parser.parse_args(["--json"]).output == "json"
    assert capsys.readouterr().err == "edged: --json is now -o json\n"
    assert "--json" not in parser.format_help()
    assert parser.parse_args([]).output == "table"


def test_only_the_chosen_command_is_imported() -> None:
    code = ("import sys; from edged.cli import main; main.main(['crds', '--help']); "
            "print(sorted(m for m in sys.modules if m.startswith('edged.cli.')), file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "edged.cli.crds" in done.stderr
    assert "edged.cli.audit" not in done.stderr


def test_paragraphs_are_wrapped_and_examples_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    parser = Parser(prog="p")
    parser.describe("word " * 20, "p " + "x" * 60, notes="note " * 20)
    shown = parser.format_help()
    assert "  p " + "x" * 60 in shown
    assert "word " * 8 not in shown
    assert "note " * 8 not in shown
