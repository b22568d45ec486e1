"""The commands as values."""

from __future__ import annotations

from edged.cli import main
from edged.cli.command_tree import tree_of


def test_the_tree_has_every_command_with_its_arguments() -> None:
    tree = tree_of(main.parser())
    commands = {" ".join(command.words): command for command in tree.walk()}
    assert {f"edged {name}" for name in main.COMMANDS} <= set(commands)
    run = commands["edged policy run"]
    assert run.summary == "ask a policy about a request"
    assert run.usage.startswith("edged policy run [-h]")
    assert [argument.value for argument in run.positionals] == ["POLICY"]
    output = next(option for option in run.options if "-o" in option.names)
    assert (output.value, output.takes_file) == ("FORMAT", False)
    assert "json" in output.choices
    file = next(option for option in run.options if "--filename" in option.names)
    assert file.takes_file
    raw = next(option for option in run.options if "--raw" in option.names)
    assert (raw.value, raw.takes_file) == ("", False)


def test_old_spellings_are_not_offered() -> None:
    demo = next(command for command in tree_of(main.parser()).walk() if command.words == ("edged", "demo"))
    assert "--json" not in {name for option in demo.options for name in option.names}
