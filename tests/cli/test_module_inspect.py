"""`edged module inspect`: which kind of module it is, what edged calls of a plugin, and whether that loads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edged.cli.main import main
from edged.cli.module_inspect import examine, told
from edged.wasm import bindings
from tests.guests.scheduler.build import wat

MODULES = Path(__file__).parents[2] / "modules"
AGENT = MODULES / "controllers" / "kos-agent" / "kos-agent.wasm"
PLUGIN = MODULES / "scheduling" / "device-fit" / "device-fit.wasm"
Inspect = Callable[..., tuple[int, str]]


@pytest.fixture
def inspect(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Inspect:
    def run(module: Path | bytes, *options: str) -> tuple[int, str]:
        if isinstance(module, bytes):
            (tmp_path / "m.wasm").write_bytes(module)
            module = tmp_path / "m.wasm"
        code = main(["module", "inspect", str(module), "--cache-dir", str(tmp_path / "cache"), *options])
        return code, capsys.readouterr().out

    return run


def plugin(*functions: str, more: str = "") -> bytes:
    """A guest with these exports; each is written with its result: `filter i32`."""
    body = "".join(
        f'(func (export "{name}") {f"(result {kind}) {kind}.const 0" if kind else ""})'
        for name, _, kind in (each.partition(" ") for each in functions)
    )
    return bytes(bindings.wat2wasm(f'(module (memory (export "memory") 1) {body} {more})'))


def test_a_plugin_is_told_with_its_points_and_the_events_it_waits_for(inspect: Inspect) -> None:
    code, out = inspect(PLUGIN)
    told = dict(line.split(":", 1) for line in out.splitlines() if not line.startswith(" "))
    said = {key: value.strip() for key, value in told.items()}
    assert code == 0 and said["kind"] == "scheduler plugin" and said["edged can load it"] == "yes"
    assert max(len(line) for line in out.splitlines() if not line.startswith(("module:", "digest:"))) <= 80
    assert said["extension points"] == "prefilter, filter"
    assert said["called"] == "enqueue, prefilter, filter"
    assert said["tried again after"] == "Node (add, update_node_label)"


def test_exports_that_are_not_called_have_a_reason() -> None:
    found = examine(plugin("filter i32", "bind i32", "postbind", "prescore i32", "unreserve"), "m.wasm")
    assert found["called"] == ["filter", "unreserve", "postbind"]
    assert found["points"] == ["filter", "reserve", "postbind"]
    assert found["notCalled"] == {
        "prescore": "only if the module also exports score",
        "bind": 'only if `points` names "bind"',
    }


def test_what_speaks_against_reusing_results_is_named() -> None:
    listing = '(import "k8s.io/api" "nodeList" (func (param i32 i32) (result i32)))'
    wasm = bytes(bindings.wat2wasm(
        f'(module {listing} (memory (export "memory") 1) (func (export "filter") (result i32) i32.const 0))'
    ))  # fmt: skip
    found = examine(wasm, "m.wasm")
    assert found["listsNodes"] and any("depends_on" in line for line in told(found))


@pytest.mark.parametrize(
    ("module", "problem"),
    [
        (plugin("prescore i32"), "wasm: filter, score, reserve, permit or bind must be exported"),
        (plugin("filter i64"), "wasm: guest exports the wrong signature for func[filter]. should be () -> (i32)"),
        (plugin("filter i32", more="(func $s unreachable) (start $s)"), "unreachable"),
        (plugin("other i32"), "it is no scheduler plugin"),
    ],
    ids=["nothing decides", "signature", "traps", "neither"],
)
def test_a_plugin_that_does_not_load_says_why(inspect: Inspect, module: bytes, problem: str) -> None:
    code, out = inspect(module)
    assert code == 1
    last = out.splitlines()[-1]
    assert last.startswith("edged can load it:  no: ") and problem in last
    assert inspect(module, "-o", "json")[0] == 1


def test_a_policy_is_named_as_one(inspect: Inspect) -> None:
    for name in ("pod-privileged", "required-labels"):
        code, out = inspect(MODULES / "admission" / name / f"{name}.wasm")
        assert code == 0 and "admission policy" in out and "`edged policy inspect`" in out.splitlines()[-1]


def test_a_controller_is_told_with_the_exports_that_are_called(inspect: Inspect) -> None:
    code, out = inspect(AGENT, "-o", "json")
    found = json.loads(out)
    assert code == 0 and found["kind"] == "controller" and found["problem"] is None and found["points"] == []
    assert found["called"][:3] == ["edged_ctl_abi", "edged_ctl_setup", "edged_ctl_reconcile"]
    assert "edged_ctl_v1.ext" in found["imports"] and found["notCalled"] == {}
    assert inspect(AGENT)[1].splitlines()[-1] == "edged can load it:  yes"


def controller(*, abi: int = 65536, more: str = "", imports: str = "") -> bytes:
    """The smallest controller; with `edged_ctl_abi`'s answer, more functions, or imports."""
    memory = '(memory (export "memory") 1)'
    calls = "".join(f'(func (export "edged_ctl_{name}") (param i32) (result i64) i64.const 0)'
                    for name in ("setup", "reconcile"))  # fmt: skip
    version = f'(func (export "edged_ctl_abi") (result i32) i32.const {abi})'
    return bytes(bindings.wat2wasm(f"(module {imports} {memory} {version} {calls} {more})"))


@pytest.mark.parametrize(
    ("module", "problem"),
    [
        (controller(abi=131072), "the module was built for version 2 of edged_ctl, this edged has version 1"),
        (controller(more='(func (export "edged_ctl_map") (result i64) i64.const 0)'),
         "the module exports edged_ctl_map as () -> (I) instead of (i) -> (I)"),
        (controller(imports='(import "edged_ctl_v1" "open_file" (func))'),
         "unknown import: function edged_ctl_v1.open_file is not offered to this module"),
        (controller(imports='(import "edged_ctl_v1" "random" (func (param i32) (result i32)))'),
         "import edged_ctl_v1.random has the wrong signature: (i) -> (i) instead of (ii) -> (i)"),
        (controller(more='(func (export "_initialize") unreachable)'), "unreachable"),
    ],
    ids=["version", "export", "import", "signature", "traps"],
)  # fmt: skip
def test_a_controller_that_does_not_load_says_why(inspect: Inspect, module: bytes, problem: str) -> None:
    code, out = inspect(module)
    last = out.splitlines()[-1]
    assert code == 1 and "controller" in out and last.startswith("edged can load it:  no: ") and problem in last


def test_an_export_that_the_abi_does_not_have_is_named(inspect: Inspect) -> None:
    code, out = inspect(controller(more='(func (export "edged_ctl_start"))'))
    assert code == 0 and "not called:         edged_ctl_start: edged_ctl_v1 has no such export\n" in out


def test_json_has_everything(inspect: Inspect) -> None:
    code, out = inspect(bytes(bindings.wat2wasm(wat("counts"))), "-o", "json")
    found = json.loads(out)
    assert code == 0 and found["kind"] == "scheduler plugin" and found["events"] is None
    assert set(found["called"]) <= set(found["exports"])


def test_without_compiling_nothing_is_cached(inspect: Inspect, tmp_path: Path) -> None:
    code, out = inspect(PLUGIN, "--no-compile", "-o", "json")
    assert code == 0 and json.loads(out)["events"] is None
    assert not list((tmp_path / "cache").rglob("*.cwasm")) and not any((tmp_path / "cache").glob("*-*"))
