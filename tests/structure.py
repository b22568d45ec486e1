"""The figures of the source tree: how large classes and functions are, what each subject holds, where types say `Any`.

    python -m tests.structure [--json] [CHECKOUT]

CHECKOUT is the folder that holds `edged/`, this one unless another is named, so that an older state can be measured
with the same rules. A code line is one that is neither blank nor a comment nor part of a docstring; a string that
stands alone as a statement counts as a docstring wherever it stands. A class's or function's lines are those from its
first decorator to its end, what is nested in it included.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

PACKAGE = "edged"
LARGEST = 20
CLASS_LIMIT = 200
FUNCTION_LIMIT = 46

_NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    """A class or a function with its number of code lines."""

    name: str
    place: str
    lines: int


@dataclass(frozen=True, slots=True)
class Subject:
    """A folder at the top of the package; the files beside the folders are the subject `.`."""

    name: str
    files: int
    lines: int
    code_lines: int


@dataclass(frozen=True, slots=True)
class Source:
    """What was counted in one file."""

    path: str
    lines: int
    code_lines: int
    classes: tuple[Size, ...]
    functions: tuple[Size, ...]
    any_parameters: int
    type_ignores: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted in a checkout. `classes` and `functions` hold the largest ones only."""

    files: int
    lines: int
    code_lines: int
    subjects: tuple[Subject, ...]
    classes: tuple[Size, ...]
    classes_above_limit: int
    functions: tuple[Size, ...]
    functions_above_limit: int
    any_parameters: int
    type_ignores: int
    repeated_names: dict[str, int]
    circles: tuple[tuple[str, ...], ...]


def code_lines(text: str) -> set[int]:
    """Numbers of the lines that hold code."""
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            code.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            code.difference_update(_span(node))
    return {number for number, line in enumerate(text.splitlines(), 1) if number in code and line.strip()}


def sizes(text: str, place: str) -> tuple[list[Size], list[Size]]:
    """The classes and the functions of a file, nested ones too, by qualified name."""
    code = code_lines(text)
    classes: list[Size] = []
    functions: list[Size] = []

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                visit(child, prefix)
                continue
            name = prefix + child.name
            start = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
            lines = sum(number in code for number in range(start, (child.end_lineno or start) + 1))
            (classes if isinstance(child, ast.ClassDef) else functions).append(Size(name, place, lines))
            visit(child, name + ".")

    visit(ast.parse(text), "")
    return classes, functions


def any_parameters(text: str) -> int:
    """Parameters of functions and methods whose annotation contains `Any`."""
    count = 0
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.arguments):
            extra = [argument for argument in (node.vararg, node.kwarg) if argument]
            parameters = [*node.posonlyargs, *node.args, *node.kwonlyargs, *extra]
            count += sum(bool(each.annotation) and _contains_any(each.annotation) for each in parameters)
    return count


def type_ignores(text: str) -> int:
    """Comments that tell mypy to look away."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(token.type == tokenize.COMMENT and "type: ignore" in token.string for token in tokens)


def imported(text: str, module: str, modules: set[str], *, package: bool = False) -> set[str]:
    """The `modules` that the file of `module` imports anywhere: at the top, in functions, or for types only.

    `from a import b` is an import of the file `a.b` where there is one, else of `a`. `package` says that the file is
    an `__init__.py`, which is where a relative import starts to count.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                parents = module.split(".")
                kept = parents[: len(parents) - node.level + package]
                start = ".".join([*kept, start] if start else kept)
            for alias in node.names:
                full = f"{start}.{alias.name}"
                names.add(full if full in modules else start)
    return {name for name in names if name in modules and name != module}


def circles(graph: dict[str, set[str]]) -> list[tuple[str, ...]]:
    """Groups of files of which each imports, directly or through others, every other one; the largest first."""
    reached = {start: _reachable(graph, start) for start in graph}
    left = set(graph)
    groups = []
    for start in sorted(graph):
        if start in left and start in reached[start]:
            group = {other for other in reached[start] if start in reached[other]}
            left -= group
            groups.append(tuple(sorted(group)))
    return sorted(groups, key=lambda group: (-len(group), group))


def measure(checkout: Path) -> Figures:
    """All figures of the package in `checkout`."""
    root = checkout / PACKAGE
    texts = {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*.py"))}
    sources = [_source(path, text) for path, text in texts.items()]
    modules = {_module(path): path for path in texts}
    graph = {
        name: imported(texts[path], name, set(modules), package=path.endswith("__init__.py"))
        for name, path in modules.items()
    }
    names = Counter(name for name in (path.rpartition("/")[2] for path in texts) if name != "__init__.py")
    classes = _by_size(size for source in sources for size in source.classes)
    functions = _by_size(size for source in sources for size in source.functions)
    return Figures(
        files=len(sources),
        lines=sum(source.lines for source in sources),
        code_lines=sum(source.code_lines for source in sources),
        subjects=tuple(_subjects(sources)),
        classes=tuple(classes[:LARGEST]),
        classes_above_limit=sum(size.lines > CLASS_LIMIT for size in classes),
        functions=tuple(functions[:LARGEST]),
        functions_above_limit=sum(size.lines > FUNCTION_LIMIT for size in functions),
        any_parameters=sum(source.any_parameters for source in sources),
        type_ignores=sum(source.type_ignores for source in sources),
        repeated_names={name: count for name, count in sorted(names.items()) if count > 1},
        circles=tuple(tuple(modules[name] for name in group) for group in circles(graph)),
    )


def show(figures: Figures, out: TextIO) -> None:
    """The figures for people."""

    def section(title: str, rows: Iterable[tuple[object, ...]]) -> None:
        print(f"\n{title}", file=out)
        for first, *rest in rows:
            print(f"  {first:>6}  {'  '.join(str(each) for each in rest)}", file=out)

    print(f"{figures.files} files, {figures.lines} lines, {figures.code_lines} code lines", file=out)
    print(f"{figures.any_parameters} parameters whose annotation contains Any", file=out)
    print(f"{figures.type_ignores} comments `type: ignore`", file=out)
    subjects = sorted(figures.subjects, key=lambda subject: subject.name)
    section(
        "subjects: files, lines, code lines, name",
        ((each.files, f"{each.lines:>6}  {each.code_lines:>6}", each.name) for each in subjects),
    )
    section(
        f"classes above {CLASS_LIMIT} code lines: {figures.classes_above_limit}; the largest:",
        ((each.lines, each.name, each.place) for each in figures.classes),
    )
    section(
        f"functions above {FUNCTION_LIMIT} code lines: {figures.functions_above_limit}; the largest:",
        ((each.lines, each.name, each.place) for each in figures.functions),
    )
    repeated = figures.repeated_names
    section(
        f"file names that occur more than once (without __init__.py): {len(repeated)}",
        ((count, name) for name, count in sorted(repeated.items(), key=lambda item: (-item[1], item[0]))),
    )
    section(
        f"circles of files, imports for types included: {len(figures.circles)}",
        ((len(group), " ".join(group)) for group in figures.circles),
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.structure", description="Figures of the source tree.")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("checkout", nargs="?", type=Path, default=Path(__file__).parent.parent)
    options = parser.parse_args(arguments)
    if not (options.checkout / PACKAGE).is_dir():
        parser.error(f"there is no {PACKAGE}/ in {options.checkout}")
    figures = measure(options.checkout)
    if options.json:
        print(json.dumps(asdict(figures), indent=2))
    else:
        show(figures, sys.stdout)


def _source(path: str, text: str) -> Source:
    classes, functions = sizes(text, path)
    return Source(
        path=path,
        lines=len(text.splitlines()),
        code_lines=len(code_lines(text)),
        classes=tuple(classes),
        functions=tuple(functions),
        any_parameters=any_parameters(text),
        type_ignores=type_ignores(text),
    )


def _subjects(sources: list[Source]) -> Iterator[Subject]:
    by_name: dict[str, list[Source]] = {}
    for source in sources:
        top, separator, _ = source.path.partition("/")
        by_name.setdefault(top if separator else ".", []).append(source)
    for name, members in sorted(by_name.items()):
        lines = sum(source.lines for source in members)
        yield Subject(name, len(members), lines, sum(source.code_lines for source in members))


def _contains_any(annotation: ast.expr | None) -> bool:
    if annotation is None:
        return False
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name) and node.id == "Any":
            return True
        if isinstance(node, ast.Attribute) and node.attr == "Any":
            return True
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _quoted_any(node.value):
            return True
    return False


def _quoted_any(text: str) -> bool:
    try:
        return _contains_any(ast.parse(text, mode="eval").body)
    except SyntaxError:  # a literal, not a quoted annotation
        return False


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    pending = list(graph[start])
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending.extend(graph[name])
    return seen


def _by_size(unsorted: Iterable[Size]) -> list[Size]:
    return sorted(unsorted, key=lambda size: (-size.lines, size.place, size.name))


def _module(path: str) -> str:
    return ".".join([PACKAGE, *path.removesuffix(".py").removesuffix("__init__").rstrip("/").split("/")]).rstrip(".")


def _span(node: ast.Expr) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


if __name__ == "__main__":
    main()
