"""The structure that ARCHITECTURE.md draws, read from the imports: what is pure, and who may import whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import structure

ROOT = Path(__file__).parent.parent / "edged"
PURE = (
    "fabric",
    "admission/rules", "admission/resources", "admission/audit", "scheduling/core", "scheduling/objects",
    "scheduling/plugins", "scheduling/guests", "scheduling/config", "scheduling/explain", "scheduling/simulation",
    "kube/cel",
    "kube/control", "kube/values", "kube/defaults", "abi", "toml", "errors.py", "json_text.py", "json_parts.py",
    "yaml_text", "protobuf_wire.py", "wasm/hostcalls.py", "wasm/account.py", "wasm/errors.py", "wasm/binary.py",
    "wasm/instructions.py", "wasm/image_exports.py", "wasm/rewriting.py", "wasm/companion.py", "wasm/merging.py",
    "wasm/purpose.py", "records.py",
    "telemetry/otlp.py", "telemetry/otlp_settings.py", "registry/origin.py", "registry/reference.py",
    "admission/config.py", "controllers/config.py", "controllers/core", "controllers/wording.py", "kube/config.py",
    "registry/config.py",
    "telemetry/config.py", "tls/config.py", "wasm/config.py", "daemon/protection.py", "tls/validity.py",
)  # fmt: skip
"""No event loop, HTTP, Wasm runtime, clock or files."""
SHELLS = {
    "fabric/client.py", "fabric/server.py", "fabric/netlink.py",
    "admission/resources/custom_resources.py", "admission/resources/resource_objects.py",
    "admission/resources/resource_reviews.py", "admission/resources/resource_status.py",
    "admission/resources/resource_configs.py", "admission/resources/resource_loads.py",
    "admission/resources/resource_memory.py", "admission/resources/resource_reports.py",
    "admission/resources/resource_webhooks.py",
    "admission/audit/auditor.py", "admission/audit/audit_run.py", "admission/audit/audit_requests.py",
    "admission/audit/audit_conditions.py",
    "scheduling/guests/guest.py", "scheduling/guests/guest_leases.py", "scheduling/guests/guest_pool.py",
    "scheduling/guests/guest_template.py", "scheduling/guests/loaded_guest.py", "scheduling/guests/node_loop.py",
}  # fmt: skip
"""I/O that sits beside the pure core it serves: the task of a subject, guests as scheduler plugins."""
FORBIDDEN = {
    "trio", "asyncio", "httpx2", "httpx", "lightkube", "wasmtime", "httptools", "h11", "time",
    "os", "pathlib", "socket", "subprocess", "threading", "tempfile", "io", "shutil",
}  # fmt: skip
ACTS = (
    "edged.wasm", "edged.kube", "edged.http", "edged.tls", "edged.process", "edged.registry", "edged.telemetry",
    "edged.admission.host", "edged.admission.endpoint", "edged.scheduling.run", "edged.controllers.run", "edged.cli",
    "edged.sandbox", "edged.daemon", "edged.config",
)  # fmt: skip
"""Rooms of edged that do I/O: nothing pure imports them, but for what is pure in them."""
CHILDREN = {"admission/host/x509_trust.py"}
"""Programs that only a child process loads."""
HEAVY = {"yaml", "cryptography", "h11", "jsonpatch", "asyncio", "rich", "re2"}
"""Never imported at the top of a file that the daemon loads: each costs megabytes that stay."""
DAEMON = (
    "admission", "controllers", "scheduling", "kube", "abi", "wasm", "http", "tls", "process", "telemetry", "toml",
    "registry", "fabric/config.py", "fabric/client.py", "fabric/memory.py",
    "daemon", "config.py", "errors.py", "json_text.py", "json_parts.py",
    "protobuf_wire.py", "cli/__init__.py", "records.py",
    "yaml_text/__init__.py", "yaml_text/scalars.py", "yaml_text/events.py", "yaml_text/values.py",
    "yaml_text/writing.py", "yaml_text/quick.py",
    "cli/run.py",
)  # fmt: skip

OTHER_JSON = {
    "telemetry/logs.py",  # ASCII whatever comes: no line separator or lone surrogate reaches a terminal
    "abi/rego/values.py", "abi/rego/documents.py",  # Rego's sets, its integers of any size, OPA's spacing
    # Children: ASCII, whatever the locale of their pipes.
    "process/child_program.py", "admission/endpoint/cel_check.py",
    "cli/policy/suite_report.py", "cli/policy/scaffold.py",  # for people to read, spaced as Python does it
}  # fmt: skip
"""Files that read or write JSON by themselves, and why."""

GROUND = {"errors", "records", "json_text", "json_parts", "yaml_text", "process", "telemetry", "toml"}
MAY_IMPORT = {
    "errors": set(),
    "records": set(),
    "toml": {"errors", "records"},
    "json_text": {"errors", "records"},
    "json_parts": {"errors", "json_text", "records"},
    "yaml_text": {"errors", "json_text", "records"},
    "process": {"errors", "json_text", "telemetry", "toml", "records"},
    "protobuf_wire": set(),
    "telemetry": {"errors", "protobuf_wire", "toml", "records"},
    "wasm": {"errors", "process", "toml", "records"},
    "http": GROUND,
    "tls": GROUND,
    "abi": {"errors", "json_text", "json_parts", "yaml_text", "wasm", "records"},
    "kube": {*GROUND, "http"},
    "registry": {*GROUND, "http", "wasm"},
    "admission": {*GROUND, "http", "tls", "abi", "wasm", "kube", "registry"},
    "scheduling": {*GROUND, "http", "protobuf_wire", "wasm", "kube", "registry"},
    "fabric": GROUND,
    "controllers": {*GROUND, "http", "wasm", "kube", "registry", "fabric"},
    "config": {*GROUND, "wasm", "kube", "registry", "fabric", "admission", "controllers", "scheduling"},
    "daemon": {
        *GROUND, "http", "tls", "abi", "wasm", "kube", "registry", "fabric", "admission", "controllers", "scheduling",
        "config",
    },
    "sandbox": {"errors", "json_text", "yaml_text", "kube", "process", "telemetry", "records"},
    "__main__": {"cli"},
}
"""Room (the first folder or file below edged/): the rooms that it may import. `cli` may import every room."""


def files(names: tuple[str, ...]) -> Iterator[Path]:
    for name in names:
        path = ROOT / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def imports(path: Path, *, nested: bool, types: bool = False) -> Iterator[str]:
    """Full names of what a file imports: `nested` also in functions, `types` also what only type checkers read."""
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and not types:
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
PURE_MODULES = {"edged." + name_of(path).removesuffix(".py").replace("/", ".") for path in PURE_FILES}
FILES = list(files((".",)))


@pytest.mark.parametrize("path", PURE_FILES, ids=name_of)
def test_pure_files_import_nothing_that_acts(path: Path) -> None:
    for name in imports(path, nested=True):
        pure = any(_inside(name, module) for module in PURE_MODULES)
        assert name.split(".")[0] not in FORBIDDEN, f"{name} in a pure file"
        assert pure or not any(_inside(name, module) for module in ACTS), f"{name} in a pure file"


@pytest.mark.parametrize("path", [path for path in files(DAEMON) if name_of(path) not in CHILDREN], ids=name_of)
def test_daemon_files_import_nothing_heavy_at_the_top(path: Path) -> None:
    heavy = [name for name in imports(path, nested=False) if name.split(".")[0] in HEAVY]
    assert not heavy


OUTSIDE_CEL = [path for path in files(DAEMON) if not name_of(path).startswith("kube/cel/")]


@pytest.mark.parametrize("path", OUTSIDE_CEL, ids=name_of)
def test_the_daemon_leaves_cel_to_its_children(path: Path) -> None:
    """It would cost the daemon 7 MiB."""
    users = [name for name in imports(path, nested=False) if _inside(name, "edged.kube.cel")]
    assert not users


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_rooms_import_only_what_stands_below_them(path: Path) -> None:
    room = _room(path)
    if room == "cli":
        return
    for name in imports(path, nested=True, types=True):
        if name.startswith("edged."):
            other = name.split(".")[1]
            assert other in MAY_IMPORT[room] | {room, "__version__"}, f"{name} in {room}"


def test_files_import_each_other_in_no_circle() -> None:
    """Imports for type checkers included."""
    assert structure.measure(ROOT.parent).circles == ()


def test_only_one_file_touches_the_raw_runtime() -> None:
    users = {
        name_of(path)
        for path in FILES
        for name in imports(path, nested=True)
        if name.startswith(("wasmtime._bindings", "wasmtime._ffi"))
    }
    assert users <= {"wasm/bindings.py"}


def test_json_is_read_and_written_in_one_file() -> None:
    users = {
        name_of(path)
        for path in FILES
        for name in imports(path, nested=True)
        if name.split(".")[0] in ("json", "orjson")
    }
    assert users == {"json_text.py", *OTHER_JSON}


def test_json_is_read_in_parts_in_one_file() -> None:
    users = {
        name_of(path) for path in FILES for name in imports(path, nested=True) if name.split(".")[0] == "msgspec"
    }
    assert users == {"json_parts.py"}


def test_yaml_is_read_and_written_in_one_place() -> None:
    users = {name_of(path) for path in FILES for name in imports(path, nested=True) if name.split(".")[0] == "yaml"}
    assert users == {"yaml_text/events.py", "yaml_text/scanner.py"}


def test_every_name_here_exists() -> None:
    assert [name for name in (*PURE, *SHELLS, *CHILDREN, *DAEMON) if not (ROOT / name).exists()] == []
    assert set(MAY_IMPORT) | {"cli"} == {_room(path) for path in FILES} - {"__init__"}


def _room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _inside(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")
