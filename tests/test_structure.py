"""`tests/structure.py` counts by the rules it names, on sources made up here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import structure

TEXT = '''\
"""A docstring
of two lines."""

import typing
from typing import Any  # counted: a comment behind code

# a comment


LIMIT = """a string that is code

and has a blank line"""
"""Said about LIMIT."""


@decorated
class Queue:
    """One line."""

    size: int = 0

    @property
    def first(self) -> int:
        # nothing
        return self.items[0]

    def add(
        self,
        item: dict[str, Any],
        *more: Any,
        key: "list[Any]",
        mode: Literal["a b"] = "a b",
        **rest: typing.Any,
    ) -> Any:
        def inner(x: int) -> Any:  # type: ignore[misc]
            return x

        return inner
'''


def test_code_lines_are_neither_blank_nor_comment_nor_docstring() -> None:
    assert structure.code_lines("x = 1\n\n# y\n'''z'''\ndef f():\n    '''doc\n    doc'''\n    return (\n\n    )\n") == {
        1, 5, 8, 10,
    }  # fmt: skip
    assert len(structure.code_lines(TEXT)) == 2 + 2 + 2 + 1 + 3 + 8 + 2 + 1


def test_sizes_go_from_the_first_decorator_to_the_end() -> None:
    classes, functions = structure.sizes(TEXT, "queue.py")
    assert classes == [structure.Size("Queue", "queue.py", 17)]
    assert functions == [
        structure.Size("Queue.first", "queue.py", 3),
        structure.Size("Queue.add", "queue.py", 11),
        structure.Size("Queue.add.inner", "queue.py", 2),
    ]


def test_parameters_with_any_are_counted_and_results_are_not() -> None:
    assert structure.any_parameters(TEXT) == 4
    assert structure.any_parameters("def f(a: Anything, b: int) -> Any: ...") == 0


def test_type_ignores_are_comments() -> None:
    assert structure.type_ignores(TEXT) == 1
    assert structure.type_ignores("x = 'type: ignore'") == 0


MODULES = {"edged", "edged.a", "edged.b", "edged.c", "edged.c.d"}


@pytest.mark.parametrize(
    ("text", "module", "package", "names"),
    [
        ("import edged.b, trio", "edged.a", False, {"edged.b"}),
        ("from edged import b\nfrom edged.c import d, name", "edged.a", False, {"edged.b", "edged.c.d", "edged.c"}),
        ("if TYPE_CHECKING:\n    from edged.b import B", "edged.a", False, {"edged.b"}),
        ("def late():\n    from edged.b import B", "edged.a", False, {"edged.b"}),
        ("from .b import B", "edged.a", False, {"edged.b"}),
        ("from ..b import B\nfrom . import name", "edged.c.d", False, {"edged.b", "edged.c"}),
        ("from .d import name", "edged.c", True, {"edged.c.d"}),
    ],
)
def test_imports_of_every_kind(text: str, module: str, package: bool, names: set[str]) -> None:
    assert structure.imported(text, module, MODULES, package=package) == names


def test_circles() -> None:
    graph: dict[str, set[str]] = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "x": {"y"}, "y": {"z"}}
    graph["z"] = {"x", "a"}
    assert structure.circles(graph) == [("x", "y", "z"), ("b", "c")]


def test_a_checkout_is_measured_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "edged" / "wasm"
    folder.mkdir(parents=True)
    (tmp_path / "edged" / "__init__.py").write_text("")
    (tmp_path / "edged" / "errors.py").write_text("from edged.wasm import errors\nclass Fault(Exception): ...\n")
    (folder / "__init__.py").write_text("")
    (folder / "errors.py").write_text("from edged.errors import Fault\n\ndef f(x: Any) -> None: ...\n")
    structure.main(["--json", str(tmp_path)])
    figures = json.loads(capsys.readouterr().out)
    assert (figures["files"], figures["lines"], figures["code_lines"]) == (4, 5, 4)
    assert figures["any_parameters"] == 1
    assert figures["repeated_names"] == {"errors.py": 2}
    assert figures["circles"] == [["errors.py", "wasm/errors.py"]]
    assert figures["subjects"][1] == {"name": "wasm", "files": 2, "lines": 3, "code_lines": 2}
    structure.main([str(tmp_path)])
    assert "1 parameters whose annotation contains Any" in capsys.readouterr().out


def test_a_folder_without_the_package_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        structure.main([str(tmp_path)])
    assert "there is no edged/" in capsys.readouterr().err
