"""Reads commands in documents, with the output that is shown, and the files that are to be written. Pure.

How documents write them:

- A block in which lines begin with `$ ` is a session: commands, each followed by its output.
- A block whose first word is a program is commands alone, one a line; a backslash or `<<EOF` continues a command, `#`
  begins a comment. A block with another first word is no command.
- A fenced block after a paragraph that ends with a colon, and names a file in code (`pod.yaml`), is that file.
- In output, `...` stands for any text in its line, and a line of `...` for any lines. UIDs, times and durations are
  compared by their form.

Called by test_document_commands.py.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field

PROGRAMS = {
    "adduser", "apt-get", "bash", "cat", "chown", "cp", "curl", "docker", "echo", "edged", "export", "git",
    "go", "install", "journalctl", "k3s", "kubeadm", "kubectl", "ln", "make", "man", "mkdir", "mv", "npm",
    "opa", "pip", "printf", "python", "python3", "python3.11", "rm", "runuser", "sed", "source", "sudo",
    "systemctl", "tar", "test", "tinygo", "useradd", "userdel",
}  # fmt: skip
"""What a command begins with. A path counts by its last part."""

_FENCE = re.compile(r"^(\s*)(```|~~~)(\S*)\s*$")
_FILE = re.compile(r"`([\w-]+\.(?:go|json|rego|toml|ya?ml|zig))`")
_WRAPPERS = {"sudo", "runuser", "-u", "--", "time", "watch"}
_OPERATORS = {"|", "||", "&&", ";", "&", "(", ")"}
_VOLATILE = [
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uid>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"), "<time>"),
    (re.compile(r"\b\d+(?:\.\d+)? m?s\b"), "<duration>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<sha256>"),
]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code. `line`: of its first line, from 1. `file`: the name of the file that it is, or ""."""

    line: int
    language: str
    text: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """`output`: what the document shows, None where it shows nothing. `files`: written before it, name -> content."""

    line: int
    text: str
    output: str | None = None
    files: dict[str, str] = field(default_factory=dict)


class Unclear(Exception):
    """A block that is neither a session nor commands; the message says where."""


def blocks(document: str) -> Iterator[Block]:
    """Fenced and indented blocks, in order."""
    lines = document.splitlines()
    at, paragraph = 0, ""
    while at < len(lines):
        line = lines[at]
        if fence := _FENCE.match(line):
            end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == fence[2])
            text = "\n".join(each.removeprefix(fence[1]) for each in lines[at + 1 : end])
            yield Block(at + 2, fence[3], text, _file_named(paragraph))
            at, paragraph = end + 1, ""
        elif line.startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            text = textwrap.dedent("\n".join(lines[at:end])).rstrip()
            yield Block(at + 1, "", text)
            at, paragraph = end, ""
        else:
            paragraph = f"{paragraph}\n{line}" if line.strip() else paragraph if not _next(lines, at) else ""
            at += 1


def _next(lines: list[str], at: int) -> bool:
    """Whether a paragraph begins behind this blank line; before a block the last one still counts."""
    following = next((line for line in lines[at:] if line.strip()), "")
    return not (_FENCE.match(following) or following.startswith("    "))


def _file_named(paragraph: str) -> str:
    names = _FILE.findall(paragraph)
    return names[-1] if names and paragraph.rstrip().endswith(":") else ""


def commands(document: str) -> Iterator[Command]:
    """All of a document, in order. Raises Unclear."""
    files: dict[str, str] = {}
    for block in blocks(document):
        if block.file:
            files[block.file] = block.text + "\n"
            continue
        if block.language not in ("", "console", "sh"):
            continue
        for command in _commands_of(block):
            yield Command(command.line, command.text, command.output, files)
            files = {}


def _commands_of(block: Block) -> Iterator[Command]:
    lines = block.text.splitlines()
    session = any(line.startswith("$ ") for line in lines)
    if not session and not _is_program(lines[0] if lines else ""):
        return
    at = 0
    while at < len(lines):
        line = lines[at]
        if session and not line.startswith("$ "):
            raise Unclear(f"line {block.line + at}: output before the first command of a session")
        if not session and (not line.strip() or line.startswith("#")):
            at += 1
            continue
        if not session and not _is_program(line):
            word = line.split()[0]
            raise Unclear(f"line {block.line + at}: is {word!r} a program? Commands with output begin with `$ `")
        begin, text = at, line.removeprefix("$ ")
        at += 1
        while at < len(lines) and (text.endswith("\\") or _open_heredoc(text)):
            text += "\n" + lines[at]
            at += 1
        output = None
        if session:
            end = next((i for i in range(at, len(lines)) if lines[i].startswith("$ ")), len(lines))
            output = "\n".join(lines[at:end]).rstrip() or None
            at = end
        yield Command(block.line + begin, text, output)


def _is_program(line: str) -> bool:
    words = line.split()
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    return bool(words) and words[0].rpartition("/")[2] in PROGRAMS


def _open_heredoc(text: str) -> bool:
    found = re.search(r"<<-?'?(\w+)'?", text.partition("\n")[0])
    return found is not None and text.splitlines()[-1].strip() != found[1]


def edged_calls(command: str) -> list[list[str]]:
    """The arguments of each `edged` in a command line, behind pipes and wrappers (`sudo`, `runuser ... --`)."""
    line = command.replace("\\\n", " ")
    if "<<" in line:
        line = line.partition("\n")[0].partition("<<")[0]
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    calls: list[list[str]] = []
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word in _OPERATORS:
            if (found := _call(words)) is not None:
                calls.append(found)
            words = []
        else:
            words.append(word)
    return calls


def _call(words: list[str]) -> list[str] | None:
    """The arguments behind `edged`; without redirections."""
    while words and (words[0] in _WRAPPERS or re.fullmatch(r"[A-Z_]+=.*", words[0])):
        words = words[2:] if words[0] == "-u" else words[1:]
    if not words or words[0].rpartition("/")[2] != "edged":
        return None
    plain: list[str] = []
    skip = False
    for word in words[1:]:
        if word in (">", ">>", "<", ">&"):
            skip = True
        elif skip:
            skip = False
        else:
            plain.append(word)
    return plain


def inline_calls(document: str) -> Iterator[list[str]]:
    """The words of each `edged ...` in running text up to a pipe, one list for each alternative of `a|b`."""
    prose = re.sub(r"(?ms)^(```|~~~).*?^\1\s*$", "", document)
    for span in re.findall(r"`(edged [^`]+)`", prose):
        words = span.partition(" | ")[0].split()[1:]
        choices = words[0].split("|") if words else []
        last = next((i for i, word in enumerate(words) if "|" in word and not word.startswith("-")), None)
        if last is None or not choices:
            yield words
            continue
        for choice in words[last].split("|"):
            yield [*words[:last], choice, *words[last + 1 :]]


def matches(expected: str, actual: str) -> bool:
    """Whether output is as the document shows it; the head of this file says how `...` and changing parts count."""
    pattern = "".join(_line_pattern(line) for line in _settled(expected).splitlines())
    return re.fullmatch(pattern, _settled(actual).rstrip("\n") + "\n") is not None


def _line_pattern(line: str) -> str:
    if line.strip() == "...":
        return r"(?:.*\n)*"
    return r"[^\n]*".join(re.escape(part) for part in line.split("...")) + r" *\n"


def _settled(text: str) -> str:
    for pattern, stands in _VOLATILE:
        text = pattern.sub(stands, text)
    return "\n".join(line.rstrip() for line in text.splitlines())
