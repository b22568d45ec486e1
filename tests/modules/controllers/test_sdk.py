"""What modules in Zig, C and WAT are made with: the tests in Zig, the header, the smallest module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import wasmtime

from edged.controllers.core.codes import unpacked
from edged.controllers.core.manifest import manifest_of

ROOT = Path(__file__).resolve().parents[3]
IN_C = """
#include "edged_ctl.h"
static const char manifest[] = "{\\"for\\":{\\"apiVersion\\":\\"v1\\",\\"kind\\":\\"ConfigMap\\"}}";
int32_t edged_ctl_abi(void) { return EDGED_CTL_ABI; }
int64_t edged_ctl_setup(uint32_t length) { return edged_ctl_body(manifest, sizeof manifest - 1); }
int64_t edged_ctl_reconcile(uint32_t length) { return 0; }
EDGED_CTL_STOP int64_t edged_ctl_stop(void) { return 0; }
"""


def zig(*arguments: str, folder: Path = ROOT) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ziglang", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.toolchains("zig")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("arguments", [
    ("sdk/zig/json.zig",), ("modules/lib/network.zig",),
    ("--dep", "edged_ctl", "-Mroot=modules/lib/object_status.zig", "-Medged_ctl=sdk/zig/edged_ctl.zig"),
], ids=["json", "network", "object_status"])  # fmt: skip
def test_in_zig(arguments: tuple[str, ...], tmp_path: Path) -> None:
    zig("test", *arguments, "--cache-dir", str(tmp_path))


def is_a_controller_of_config_maps(wasm: bytes) -> None:
    store = wasmtime.Store()
    exports = wasmtime.Instance(store, wasmtime.Module(store.engine, wasm), []).exports(store)
    memory, setup, abi = exports["memory"], exports["edged_ctl_setup"], exports["edged_ctl_abi"]
    assert isinstance(memory, wasmtime.Memory) and isinstance(setup, wasmtime.Func) and isinstance(abi, wasmtime.Func)
    assert abi(store) >> 16 == 1
    result = unpacked(setup(store, 0))
    body = memory.read(store, result.pointer, result.pointer + result.length)
    assert manifest_of(bytes(body)).for_ == ("v1", "ConfigMap")


def test_the_smallest_module() -> None:
    is_a_controller_of_config_maps(bytes(wasmtime.wat2wasm((ROOT / "sdk" / "wat" / "smallest.wat").read_text())))


@pytest.mark.toolchains("zig")
@pytest.mark.timeout(600)
def test_a_module_in_c(tmp_path: Path) -> None:
    (tmp_path / "module.c").write_text(IN_C)
    zig("cc", "-target", "wasm32-freestanding", "-nostdlib", "-Os", "-Wl,--no-entry", "-Wl,--strip-all",
        f"-I{ROOT / 'sdk' / 'c'}", "-o", "module.wasm", "module.c", folder=tmp_path)
    is_a_controller_of_config_maps((tmp_path / "module.wasm").read_bytes())
