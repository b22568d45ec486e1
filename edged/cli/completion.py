"""`edged completion SHELL`: prints a script that completes commands, options and their values in bash, zsh or fish.

The scripts are made from the parsers (command_tree.py) and hold everything, so that Tab starts no Python. The libraries
that do this for argparse have no fish, or start the program at each Tab.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator

from edged.cli import main
from edged.cli.command_tree import Argument, CommandTree, tree_of
from edged.cli.parsing import Parser


def declare(parser: Parser) -> None:
    parser.describe("Prints a completion script for a shell.",
                    "edged completion bash > /etc/bash_completion.d/edged",
                    "edged completion zsh > /usr/local/share/zsh/site-functions/_edged",
                    "edged completion fish > ~/.config/fish/completions/edged.fish")
    parser.add_argument("shell", metavar="SHELL", choices=tuple(SCRIPTS), help="bash, zsh or fish")


def run(args: argparse.Namespace) -> int:
    print(SCRIPTS[args.shell](tree_of(main.parser())), end="")
    return 0


def bash(tree: CommandTree) -> str:
    """A function for `complete`, with a case for each command."""
    return "\n".join([
        "# bash completion of edged, made by `edged completion bash`",
        "_edged() {",
        "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}",
        "    local command=edged words= files= i",
        *_walk_words(tree, "for ((i = 1; i < COMP_CWORD; i++)); do", "${COMP_WORDS[i]}"),
        '    case "$command" in',
        *(line for command in tree.walk() for line in _shell_case(command)),
        "    esac",
        '    COMPREPLY=($(compgen -W "$words" -- "$current"))',
        '    [ -n "$files" ] && COMPREPLY+=($(compgen -f -- "$current"))',
        "    return 0",
        "}",
        "complete -o filenames -F _edged edged",
        "",
    ])  # fmt: skip


def zsh(tree: CommandTree) -> str:
    """A function for zsh's completion system; commands and options come with what they do."""
    return "\n".join([
        "#compdef edged",
        "# zsh completion of edged, made by `edged completion zsh`",
        "_edged() {",
        "    local command=edged previous=${words[CURRENT-1]} i files=",
        "    local -a found",
        *_walk_words(tree, "for ((i = 2; i < CURRENT; i++)); do", "${words[i]}"),
        '    case "$command" in',
        *(line for command in tree.walk() for line in _zsh_case(command)),
        "    esac",
        "    _describe 'edged' found",
        "    [[ -n $files ]] && _files",
        "    return 0",
        "}",
        'if [ "$funcstack[1]" = "_edged" ]; then _edged "$@"; else compdef _edged edged; fi',
        "",
    ])  # fmt: skip


def fish(tree: CommandTree) -> str:
    """A `complete` line for each command and option. The condition is the command that has been typed so far."""
    lines = [
        "# fish completion of edged, made by `edged completion fish`",
        "function __edged_command",
        "    set -l command edged",
        "    for word in (commandline -opc)[2..-1]",
        '        switch "$command $word"',
        f"            case {_quoted(' '.join(command.words) for command in tree.walk() if len(command.words) > 1)}",
        '                set command "$command $word"',
        "        end",
        "    end",
        '    test "$command" = "$argv"',
        "end",
        "complete -c edged -f",
        *(line for command in tree.walk() for line in _fish_lines(command)),
    ]
    return "\n".join([*lines, ""])


SCRIPTS: dict[str, Callable[[CommandTree], str]] = {"bash": bash, "zsh": zsh, "fish": fish}


def _walk_words(tree: CommandTree, loop: str, word: str) -> list[str]:
    """Lines that find the command in the words before the cursor."""
    known = "|".join(f'"{" ".join(command.words)}"' for command in tree.walk() if len(command.words) > 1)
    return [f"    {loop}", f'        case "$command {word}" in', f"            {known})",
            f'                command="$command {word}" ;;', "        esac", "    done"]  # fmt: skip


def _words(command: CommandTree) -> list[tuple[str, str]]:
    """(word, what it does) that may come next: commands below, choices, options."""
    below = [(child.words[-1], child.summary) for child in command.children]
    choices = [(choice, "") for argument in command.positionals for choice in argument.choices]
    longest = [(max(option.names, key=len), option.help) for option in command.options]
    return [*below, *choices, *longest]


def _takes_file(command: CommandTree) -> str:
    return "1" if any(argument.takes_file for argument in command.positionals) else ""


def _values(command: CommandTree) -> Iterator[tuple[str, Argument]]:
    """(case pattern of the option's names, option) of options that have a value."""
    for option in command.options:
        if option.value:
            yield "|".join(option.names), option


def _shell_case(command: CommandTree) -> Iterator[str]:
    yield f'        "{" ".join(command.words)}")'
    yield f'            words="{" ".join(word for word, _ in _words(command))}" files={_takes_file(command)}'
    yield '            case "$previous" in'
    for pattern, option in _values(command):
        files = "1" if option.takes_file else ""
        yield f'                {pattern}) words="{" ".join(option.choices)}" files={files} ;;'
    yield "            esac ;;"


def _zsh_case(command: CommandTree) -> Iterator[str]:
    yield f'        "{" ".join(command.words)}")'
    yield f"            found=({_described(_words(command))}) files={_takes_file(command)}"
    yield '            case "$previous" in'
    for pattern, option in _values(command):
        files = "1" if option.takes_file else ""
        found = _described((choice, "") for choice in option.choices)
        yield f"                {pattern}) found=({found}) files={files} ;;"
    yield "            esac ;;"


def _described(words: Iterable[tuple[str, str]]) -> str:
    return _quoted(word.replace(":", "\\:") + (f":{text}" if text else "") for word, text in words)


def _fish_lines(command: CommandTree) -> Iterator[str]:
    condition = f"complete -c edged -n '__edged_command {' '.join(command.words)}'"
    for child in command.children:
        yield f"{condition} -a {child.words[-1]} -d {_quoted([child.summary])}"
    for argument in command.positionals:
        if argument.choices:
            yield f"{condition} -a {_quoted([' '.join(argument.choices)])}"
        if argument.takes_file:
            yield f"{condition} -F"
    for option in command.options:
        names = "".join(f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in option.names)
        value = ""
        if option.choices:
            value = f" -x -a {_quoted([' '.join(option.choices)])}"
        elif option.value:
            value = " -r -F" if option.takes_file else " -x"
        yield f"{condition}{names}{value} -d {_quoted([option.help])}"


def _quoted(words: Iterable[str]) -> str:
    """In single quotes, as all three shells read them: a quote inside is written between double quotes."""
    return " ".join("'" + word.replace("'", "'\"'\"'") + "'" for word in words)
