"""What the compiling child runs: its settings are the engine's, and it imports next to nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edged.wasm import bindings
from edged.wasm.compilation import PIECE, compile_with, configuration, new_engine
from edged.wasm.engine import Engine
from edged.wasm.errors import BadModule
from edged.wasm.module import map_compiled

ROOT = Path(__file__).parents[2]


def test_the_compiled_form_comes_in_pieces_and_fits_the_daemons_engine(tmp_path):
    many = "".join(f'(func (export "f{n}") (result i32) i32.const {n})' for n in range(4000))
    pieces: list[bytes] = []
    engine = Engine()
    compile_with(new_engine(configuration("native", wide=engine.wide)), bindings.wat2wasm(f"(module {many})"),
                 lambda piece: pieces.append(bytes(piece)))  # fmt: skip
    assert len(pieces) > 1 and max(map(len, pieces)) == PIECE
    (tmp_path / "code").write_bytes(b"".join(pieces))
    assert map_compiled(engine, str(tmp_path / "code"))


def test_what_does_not_compile_gives_nothing():
    with pytest.raises(BadModule, match="magic"):
        compile_with(new_engine(configuration("native", wide=False)), b"no module", pytest.fail)


def test_the_child_imports_no_event_loop():
    """Each child has what it imports in memory: with trio it was 13 MiB more, and a third of a second."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import edged.wasm.compile_child, edged.wasm.compilation; "
    command = [sys.executable, "-I", "-c", f"{code} print(*sys.modules)", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert not imported & {"trio", "dataclasses", "inspect", "ssl", "asyncio", "orjson", "edged.wasm.engine", "logging"}
