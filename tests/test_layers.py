"""The pure side stays pure: no event loop, HTTP, Wasm runtime, clock or files. Read from the imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "edged"
PURE = (
    "admission", "scheduling", "control", "abi", "rego", "toml_lines.py", "config_reader.py",
    "kubernetes_checks.py", "names.py", "errors.py",
    "wasm/hostcalls.py", "wasm/errors.py", "wasm/binary.py", "otlp/encoding.py", "otlp/settings.py",
)  # fmt: skip
SHELLS = {"scheduling/guest.py", "scheduling/guest_pool.py"}
"""I/O that sits beside the pure core it serves: guests as scheduler plugins."""
FORBIDDEN = {
    "trio", "asyncio", "httpx2", "httpx", "lightkube", "wasmtime", "httptools", "h11", "time",
    "os", "pathlib", "socket", "subprocess", "threading", "tempfile", "io", "shutil",
}  # fmt: skip
OUTSIDE = (
    "edged.wasm", "edged.apiserver", "edged.http1", "edged.webhook", "edged.loops", "edged.cli",
    "edged.sandbox", "edged.daemon", "edged.config", "edged.logs", "edged.systemd", "edged.status",
)  # fmt: skip
ALLOWED = ("edged.wasm.hostcalls", "edged.wasm.errors", "edged.wasm.binary")
"""Of those: files that are pure themselves."""
HEAVY = {"yaml", "cryptography", "h11", "jsonpatch", "asyncio", "rich", "re2"}
"""Never imported at the top of a file that the daemon loads: each costs megabytes that stay."""
DAEMON = (
    "admission", "scheduling", "control", "abi", "rego", "wasm", "apiserver", "http1", "webhook", "loops", "otlp",
    "registry",
    "daemon.py", "config.py", "config_reader.py", "kubernetes_checks.py", "toml_lines.py", "logs.py",
    "systemd.py", "status.py", "errors.py", "names.py", "cli/__init__.py", "cli/run.py",
)  # fmt: skip


def files(names: tuple[str, ...]) -> Iterator[Path]:
    for name in names:
        path = ROOT / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.exists() else []


def imports(path: Path, *, nested: bool) -> Iterator[str]:
    """Full names of what a file imports, `nested` also in functions; TYPE_CHECKING blocks are left out."""
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not nested:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


PURE_FILES = [path for path in files(PURE) if name_of(path) not in SHELLS]


@pytest.mark.parametrize("path", PURE_FILES, ids=name_of)
def test_pure_files_import_nothing_that_acts(path: Path) -> None:
    for name in imports(path, nested=True):
        allowed = any(_inside(name, module) for module in ALLOWED)
        assert name.split(".")[0] not in FORBIDDEN, f"{name} in a pure file"
        assert allowed or not any(_inside(name, module) for module in OUTSIDE), f"{name} in a pure file"


@pytest.mark.parametrize("path", list(files(DAEMON)), ids=name_of)
def test_daemon_files_import_nothing_heavy_at_the_top(path: Path) -> None:
    heavy = [name for name in imports(path, nested=False) if name.split(".")[0] in HEAVY]
    assert not heavy


def test_only_one_file_touches_the_raw_runtime() -> None:
    users = {
        name_of(path)
        for path in files((".",))
        for name in imports(path, nested=True)
        if name.startswith(("wasmtime._bindings", "wasmtime._ffi"))
    }
    assert users <= {"wasm/bindings.py"}


def test_both_sides_exist() -> None:
    assert len(list(files(PURE))) > 3
    assert len(list(files(DAEMON))) > 3


def _inside(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")
