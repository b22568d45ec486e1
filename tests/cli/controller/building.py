"""Controllers for tests of `edged controller`: modules in WAT, scripts, and the command itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from edged.cli.main import main
from edged.json_text import dumps, loads
from edged.wasm import bindings

ALL = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
CONFIGMAPS = {"watches": [{"id": "maps", "apiVersion": "v1", "kind": "ConfigMap"}]}
SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}}


def _text(value: object) -> tuple[str, int]:
    data = value if isinstance(value, bytes) else dumps(value)
    return "".join(f"\\{byte:02x}" for byte in data), len(data)


def wat(reconcile: str, *, manifest: object = CONFIGMAPS, request: object = "", answer: object = "") -> bytes:
    """A module whose reconcile is that code. `$request` is a function that gives address and length of the request,
    `$answer` the export's answer of that JSON."""
    said, asked, told = _text(manifest), _text(request), _text(answer)
    return bytes(bindings.wat2wasm(f"""(module
  (import "edged_ctl_v1" "write" (func $write (param i32 i32) (result i64)))
  (import "edged_ctl_v1" "now_ms" (func $now (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "{said[0]}") (data (i32.const 4096) "{asked[0]}") (data (i32.const 8192) "{told[0]}")
  (func $request (result i32 i32) (i32.const 4096) (i32.const {asked[1]}))
  (func $answer (result i64) (i64.const {8192 << 32 | told[1]}))
  (func (export "edged_ctl_abi") (result i32) (i32.const 65536))
  (func (export "edged_ctl_setup") (param i32) (result i64) (i64.const {1024 << 32 | said[1]}))
  (func (export "edged_ctl_reconcile") (param i32) (result i64) {reconcile}))"""))


def applies(text: str = "x") -> bytes:
    """A module that keeps the ConfigMap default/made as it should be."""
    request = {"verb": "apply", "apiVersion": "v1", "kind": "ConfigMap", "namespace": "default", "name": "made",
               "force": True, "object": {"data": {"text": text}}}  # fmt: skip
    code = "(if (result i64) (i64.lt_s (call $write (call $request)) (i64.const 0)) " \
           "(then (i64.const -1)) (else (i64.const 0)))"
    return wat(code, request=request)


def script(folder: Path, *steps: dict[str, Any], **keys: Any) -> Path:
    """A script with one test of these steps."""
    path = folder / "controller-test.yaml"
    test = {"name": "it", "steps": list(steps), **keys.pop("test", {})}
    path.write_text(yaml.safe_dump({"controller": {"allow": ALL}, **keys, "tests": [test]}, sort_keys=False))
    return path


def played(
    capsys: pytest.CaptureFixture[str], folder: Path, module: bytes, *steps: dict[str, Any], code: int = 0, **keys: Any
) -> dict[str, Any]:
    """The one result of a script, as -o json prints it."""
    (folder / "m.wasm").write_bytes(module)
    path = script(folder, *steps, **keys)
    cache = ["--cache-dir", str(folder / "cache")]
    found = main(["controller", "test", str(folder / "m.wasm"), str(path), "-o", "json", *cache])
    out, err = capsys.readouterr()
    assert found == code, out + err
    return dict(loads(out.encode())["results"][0])
