"""What a page on installing tells its reader to do: commands, the output that they should have, and files to edit.

    ```sh                   one command per line; a line that ends with a backslash goes on in the next
    ```console              `$ command`, and below it what it prints; `...` stands for anything in a line, or for any
                            lines
    ```toml                 behind "Append to `FILE`:", the text to append

A command has to succeed, unless the output that the page shows begins with "Error". Pure; test_pages.py runs it all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

FENCE = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")
APPEND = re.compile(r"Append to `([^`]+)`:\s*\Z")
HEADING = re.compile(r"(?m)^## (.+)$")


class Unclear(ValueError):
    """A block of which nobody could say what a reader does with it."""


@dataclass(frozen=True, slots=True)
class Command:
    text: str
    output: str | None = None
    """What the page shows; None where it shows nothing."""

    @property
    def may_fail(self) -> bool:
        return (self.output or "").startswith("Error")

    def printed(self, text: str) -> bool:
        """Whether that is what the page shows."""
        return self.output is None or re.fullmatch(_pattern(self.output), _stripped(text)) is not None


@dataclass(frozen=True, slots=True)
class Append:
    path: str
    text: str


Action = Command | Append


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    actions: tuple[Action, ...]

    @property
    def numbered(self) -> bool:
        """Whether it is a step of the installation, and not something for later."""
        return re.match(r"\d+\. ", self.heading) is not None


def sections(page: str) -> list[Section]:
    """The page by its second-level headings. Raises Unclear."""
    _, *parts = HEADING.split(page)
    return [Section(heading, tuple(_actions(text))) for heading, text in zip(parts[::2], parts[1::2], strict=True)]


def _actions(text: str) -> Iterator[Action]:
    for block in FENCE.finditer(text):
        language, content = block[1], block[2]
        if language == "sh":
            yield from map(Command, _lines(content))
        elif language == "console":
            yield from _session(content)
        elif language == "toml" and (named := APPEND.search(text[: block.start()])):
            yield Append(named[1], content)
        else:
            raise Unclear(f"a block of {language or 'no language'}: {content.partition(chr(10))[0]}")


def _lines(content: str) -> list[str]:
    joined = re.sub(r"\\\n\s*", "", content)
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def _session(content: str) -> Iterator[Command]:
    first, *parts = re.split(r"(?m)^\$ ", content)
    if first.strip() or not parts:
        raise Unclear(f"a block of console has to begin with a command: {content.partition(chr(10))[0]}")
    for part in parts:
        command, _, output = part.partition("\n")
        yield Command(command, output if output.strip() else None)


def _pattern(shown: str) -> str:
    def of(line: str) -> str:
        return r"(.*\n)*" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + r"\n"

    return "".join(map(of, _stripped(shown).splitlines()))


def _stripped(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.strip().splitlines())
