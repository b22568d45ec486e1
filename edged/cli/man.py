"""`edged man`: the manual pages, one for each command, made from the parsers (command_tree.py)."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from edged import __version__
from edged.cli import main, new_files
from edged.cli.command_tree import Argument, CommandTree, tree_of
from edged.cli.parsing import Parser
from edged.errors import ConfigError, did_you_mean

_PAGE = "a manual page of edged"
STATUS = (("0", "It worked."), ("1", "A check or an operation failed."), ("2", "Usage or configuration is wrong."),
          ("130", "Ctrl-C."), ("141", "Nobody reads the output any more."))  # fmt: skip


def declare(parser: Parser) -> None:
    parser.describe("Prints the manual page of a command, or writes those of all commands into a folder.",
                    "edged man policy run | man -l -", "edged man --directory /usr/local/share/man/man1")
    parser.add_argument("words", metavar="COMMAND", nargs="*", help="such as: policy run; default: edged itself")
    parser.add_argument("--directory", type=Path, metavar="DIR",
                        help="write all pages into DIR; pages of an earlier version there are replaced")


def run(args: argparse.Namespace) -> int:
    tree = tree_of(main.parser())
    if args.directory is not None:
        write(tree, args.directory)
        return 0
    found = {command.words[1:]: command for command in tree.walk()}
    words = tuple(args.words)
    if words not in found:
        close = did_you_mean(" ".join(words), [" ".join(known) for known in found])
        raise ConfigError(f"there is no command {' '.join(words)!r}{close}")
    print(page(found[words]), end="")
    return 0


def write(tree: CommandTree, directory: Path) -> None:
    """edged.1, edged-policy-run.1 and so on. Raises ConfigError."""
    files = {directory / f"{'-'.join(command.words)}.1": page(command).encode() for command in tree.walk()}
    for path in files:
        new_files.check(path, force=None, ours=_is_page, what=_PAGE)  # all of them before the first one is written
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{error.filename or directory}: {error.strerror}") from error
    for path, content in files.items():
        new_files.write(path, content, force=None, ours=_is_page, what=_PAGE)


def _is_page(content: bytes) -> bool:
    first = content.partition(b"\n")[0]
    return first.startswith(b".TH EDGED") and first.endswith(b'"edged"')


def page(command: CommandTree) -> str:
    """The page as roff, with man(7)'s macros."""
    name = "-".join(command.words)
    lines = [
        f'.TH {name.upper()} 1 "" "edged {__version__}" "edged"',
        ".SH NAME", f"{_text(name)} \\- {_text(command.summary.rstrip('.'))}",
        ".SH SYNOPSIS", _text(command.usage),
        ".SH DESCRIPTION", _text(command.description), *_paragraphs(command.notes),
    ]  # fmt: skip
    if command.children:
        lines += [".SH COMMANDS"]
        for child in command.children:
            lines += [".TP", f".B {_text(child.words[-1])}", _text(child.summary)]
    if command.arguments:
        lines += [".SH OPTIONS", *(line for argument in command.arguments for line in _option(argument))]
    lines += [".SH EXIT STATUS", *(line for code, text in STATUS for line in (".TP", f".B {code}", _text(text)))]
    if command.examples:
        lines += [".SH EXAMPLES", ".nf", *map(_text, command.examples), ".fi"]
    if others := _others(command):
        *first, last = (f".BR {_text(other)} (1)" for other in others)
        lines += [".SH SEE ALSO", *(f"{line}," for line in first), last]
    return "\n".join([*lines, ""])


def _others(command: CommandTree) -> list[str]:
    parent = ["-".join(command.words[:-1])] if len(command.words) > 1 else []
    return parent + ["-".join(child.words) for child in command.children]


def _option(argument: Argument) -> Iterator[str]:
    names = ", ".join(f"\\fB{_text(name)}\\fR" for name in argument.names)
    value = f"\\fI{_text(argument.value)}\\fR" if argument.value else ""
    yield ".TP"
    yield f"{names} {value}".strip()
    yield _text(argument.help)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in filter(None, text.split("\n\n")):
        yield ".PP"
        yield _text(" ".join(paragraph.split()))


def _text(text: str) -> str:
    """Characters that mean something to roff are escaped; a line that begins with a dot is no request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    escaped = escaped.replace("^", "\\(ha").replace("~", "\\(ti")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped
