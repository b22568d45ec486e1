"""The commands as plain values, for completions and man pages. They come from the parsers that parse them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from edged.cli.parsing import Parser

FILES = ("FILE", "PATH", "DIR", "MODULE", "POLICY", "OUT", "NAME=PATH")
"""Placeholders behind which a file may stand."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An option, or what stands without one. `value`: the placeholder, "" for a flag; `choices`: the possible words."""

    names: tuple[str, ...]
    value: str
    choices: tuple[str, ...]
    help: str

    @property
    def takes_file(self) -> bool:
        return self.value in FILES and not self.choices


@dataclass(frozen=True, slots=True)
class CommandTree:
    """A command. `words`: such as ("edged", "policy", "run")."""

    words: tuple[str, ...]
    summary: str
    description: str
    usage: str
    notes: str
    arguments: tuple[Argument, ...]
    examples: tuple[str, ...]
    children: tuple[CommandTree, ...]

    def walk(self) -> Iterator[CommandTree]:
        """This command and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def options(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if argument.names)

    @property
    def positionals(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if not argument.names)


def tree_of(parser: Parser, summary: str = "") -> CommandTree:
    """`summary`: what the list of commands says of it."""
    children = list(parser.children())
    summaries = parser.summaries()
    return CommandTree(
        words=tuple(parser.prog.split()),
        summary=summary or parser.description or "",
        description=parser.description or "",
        usage=" ".join(parser.format_usage().removeprefix("usage: ").split()),
        notes=parser.notes,
        arguments=tuple(_argument(action) for action in parser.options()),
        examples=parser.examples,
        children=tuple(tree_of(child, summaries[name]) for name, child in children),
    )


def _argument(action: argparse.Action) -> Argument:
    takes_value = action.nargs != 0
    placeholder = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    choices = tuple(map(str, action.choices)) if action.choices is not None else ()
    text = (action.help or "") % {"default": action.default}
    return Argument(tuple(action.option_strings), placeholder if takes_value else "", choices, text)
