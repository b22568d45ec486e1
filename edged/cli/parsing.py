"""The parser of the command line: argparse, declared only as far as it is needed, with errors that show the way on.

A command's arguments are declared when that command is parsed or its help is shown, so that `edged version` loads no
other command. Usage errors come from the parser of the command that was meant, with its usage and the nearest name.
Completions and man pages walk the same parsers (`Parser.children`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from edged.errors import did_you_mean

Declare = Callable[["Parser"], None]


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Wraps paragraphs to the terminal. Lines that begin with a space, such as examples, stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        wrap = super(argparse.RawDescriptionHelpFormatter, self)._fill_text
        paragraphs = []
        for paragraph in text.split("\n\n"):
            lines = paragraph.split("\n")
            wrapped = wrap(lines[0], width, indent) if any(line.startswith(" ") for line in lines) else \
                wrap(paragraph, width, indent)
            kept = lines[1:] if wrapped and any(line.startswith(" ") for line in lines) else []
            paragraphs.append("\n".join([wrapped, *kept]))
        return "\n\n".join(paragraphs)


class Parser(argparse.ArgumentParser):
    """The parser of one command. `declare` adds its arguments; it is called once, when they are needed.

    `examples` are whole commands; help, man pages and a test of the documents show them.
    """

    def __init__(self, *, declare: Declare | None = None, **options: Any) -> None:
        super().__init__(formatter_class=HelpFormatter, **options)
        self._declare = declare
        self.examples: tuple[str, ...] = ()
        self.notes = ""
        self._needed: dict[str, str] = {}
        self._instead: Mapping[str, str] = {}

    # --- declaring
    def describe(self, text: str, *examples: str, notes: str = "") -> None:
        """What the command does, then complete example commands; `notes`: paragraphs after the options."""
        self.description = text
        self.examples = examples
        self.notes = notes
        shown = "\n".join(["examples:" if len(examples) > 1 else "example:", *(f"  {line}" for line in examples)])
        self.epilog = "\n\n".join(part for part in (notes, shown if examples else "") if part)

    def commands(self, dest: str, metavar: str, table: Mapping[str, tuple[str, Declare]], *,
                 required: bool = True) -> None:
        """The commands below this one: name -> (summary, what declares it). The chosen name is `args.DEST`."""
        below = self.add_subparsers(dest=dest, metavar=metavar, required=required, parser_class=Parser)
        for name, (summary, declare) in table.items():
            below.add_parser(name, help=summary, description=_sentence(summary), declare=declare)

    def old_option(self, *names: str, instead: str, dest: str, **options: Any) -> None:
        """An earlier spelling: it works, is not in the help, and says on stderr what it is called now."""
        self.add_argument(*names, action=_OldSpelling, instead=instead, dest=dest, default=argparse.SUPPRESS,
                          help=argparse.SUPPRESS, **options)

    def elsewhere(self, instead: Mapping[str, str]) -> None:
        """Words of another program that people may try here -> what to do instead. An option that means something else
        here (`-o`) is explained where its value is not possible."""
        self._instead = instead

    def need(self, dest: str, name: str) -> None:
        """`args.DEST` must be given, by an option or by its old spelling, which argparse's `required` cannot say."""
        self._needed[dest] = name

    def declared(self) -> Parser:
        """This parser with its arguments."""
        declare, self._declare = self._declare, None
        if declare is not None:
            declare(self)
        return self

    def children(self) -> Iterator[tuple[str, Parser]]:
        """(name, parser) of the commands below this one, with their arguments."""
        for action in self.declared()._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, parser in action.choices.items():
                    yield name, parser.declared()

    def summaries(self) -> dict[str, str]:
        """Name -> what the list of commands says of the command below this one."""
        return {str(entry.dest): entry.help or "" for action in self.declared()._actions
                if isinstance(action, argparse._SubParsersAction) for entry in action._choices_actions}

    def options(self) -> list[argparse.Action]:
        """The options and arguments that help shows, without the commands below."""
        return [action for action in self.declared()._actions
                if action.help is not argparse.SUPPRESS and not isinstance(action, argparse._SubParsersAction)]

    # --- what argparse calls
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but words that this parser does not know are its own error, not that of the outermost one."""
        self.declared()
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(self._unknown(unknown))
        missing = [name for dest, name in self._needed.items() if getattr(found, dest) is None]
        if missing:
            self.error(f"{', '.join(missing)} is needed")
        return found, unknown

    def format_help(self) -> str:
        self.declared()
        return super().format_help()

    def format_usage(self) -> str:
        self.declared()
        return super().format_usage()

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        if isinstance(action, argparse._SubParsersAction):
            text = f"there is no {str(action.metavar or 'command').lower()} {value!r} in `{self.prog}`"
            raise argparse.ArgumentError(None, f"{text}{self._way_on(value, choices)}")
        close = did_you_mean(str(value), choices) or f"; possible: {', '.join(choices)}"
        told = [self._instead[name] for name in action.option_strings if name in self._instead]
        close += f"; {told[0]}" if told else ""
        raise argparse.ArgumentError(action, f"{value!r} is not possible{close}")

    def _unknown(self, words: Sequence[str]) -> str:
        names = [name for action in self.options() for name in action.option_strings]
        first = words[0].partition("=")[0]
        if first.startswith("-") and first != "-":
            short = first[:2] if not first.startswith("--") and first not in self._instead else first
            return f"{self.prog} has no option {short if short in self._instead else first}{self._way_on(short, names)}"
        return f"{self.prog} does not take {first!r}"

    def _way_on(self, word: str, names: Sequence[str]) -> str:
        """What to do instead, or the nearest name."""
        return f": {self._instead[word]}" if word in self._instead else did_you_mean(word, names)

    def _print_message(self, message: str, file: Any = None) -> None:
        """As argparse's, which hides that a disk is full."""
        (file or sys.stderr).write(message or "")

    def error(self, message: str) -> NoReturn:
        """One usage, one line that says what is wrong, one that says where help is. Exit code 2."""
        self.print_usage(sys.stderr)
        self.exit(2, f"edged: {message}\nedged: `{self.prog} --help` shows what is possible\n")


class _OldSpelling(argparse.Action):
    def __init__(self, *args: Any, instead: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.instead = instead

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any,
                 option_string: str | None = None) -> None:
        print(f"edged: {option_string} is now {self.instead}", file=sys.stderr)
        value = self.const if self.nargs == 0 else values
        earlier = getattr(namespace, self.dest, None)
        setattr(namespace, self.dest, [*earlier, value] if isinstance(earlier, list) else value)


def _sentence(summary: str) -> str:
    return summary[:1].upper() + summary[1:] + "."
