"""Everything works under `python -OO`: no assert in edged/ does work or guards behaviour, and the parts run without."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_layers import FILES, ROOT, name_of


@pytest.mark.parametrize("path", [path for path in FILES if "assert" in path.read_text()], ids=name_of)
def test_asserts_only_narrow_types(path: Path) -> None:
    """An assert says that something is not None, or of which type it is: what a type checker could not see."""
    asserts = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Assert)]
    assert [ast.unparse(node) for node in asserts if not _narrows(node.test)] == []


def _narrows(test: ast.expr) -> bool:
    if isinstance(test, ast.BoolOp):
        return all(_narrows(each) for each in test.values)
    if isinstance(test, ast.Compare):
        return ast.unparse(test).endswith(" is not None") and _is_name(test.left)
    return (
        isinstance(test, ast.Call)
        and isinstance(test.func, ast.Name)
        and test.func.id == "isinstance"
        and _is_name(test.args[0])
    )


def _is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_name(node.value))


@pytest.mark.parametrize(
    ("text", "narrows"),
    [
        ("x is not None", True),
        ("self.a.b is not None and isinstance(c, int)", True),
        ("x", False),
        ("x > 0", False),
        ("f() is not None", False),
        ("isinstance(f(), int)", False),
    ],
)
def test_what_narrows(text: str, narrows: bool) -> None:
    assert _narrows(ast.parse(text, mode="eval").body) == narrows


def optimized(*arguments: str, timeout_s: float) -> str:
    """What edged prints without asserts and docstrings."""
    done = subprocess.run(
        [sys.executable, "-OO", "-X", "faulthandler", "-m", *arguments],
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_the_torture_test_passes_without_asserts() -> None:
    result = json.loads(optimized("tests.wasm.torture", "--seconds", "3", "--seed", "5", timeout_s=60))
    assert result["wrong"] == []
    assert result["calls"]["cancelled"] > 0


@pytest.mark.long
def test_the_demo_works_without_asserts() -> None:
    """Admission, scheduling, the embedded API server and the compiling child, end to end."""
    optimized("edged", "demo", timeout_s=120)
