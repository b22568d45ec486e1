"""Modules that are compiled beside reviews: children that are killed, modules that are made to be expensive."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import wasmtime

from tests.bench.support import children
from tests.cluster.edged import MODULES, pod, policy
from tests.fire.cases.guests import own_copy
from tests.fire.context import NO_PRIVILEGED, Context, FireDaemon
from tests.fire.reviews import Reviews, privileged_questions
from tests.fire.rows import NotRun, Row, Tally
from tests.guests.rust import build as rust

RELOAD_S = 60.0


def killed(context: Context, tally: Tally) -> None:
    """Each compiling child gets SIGKILL: that reload fails and says so, the next one does not."""
    if not (possible := rust.available()):
        raise NotRun(possible.reason)
    module = rust.policies(("pods",))["pods"]
    with (
        context.edged() as edged,
        Reviews(edged, tally, privileged_questions(), pause_s=0.02, late_s=3.0),
    ):
        for number in range(context.scaled(10, 2)):
            copy = own_copy(module, number, context.folder)
            edged.configure([NO_PRIVILEGED, {"name": "new", "module": f"file://{copy}", "rules": []}])
            with _Killer(edged) as killer:
                error = edged.reload()
            if killer.killed:
                tally.check("new" in error, f"a compiling child was killed, and the reload says {error!r}")
            tally.check((error := edged.reload()) == "", f"the reload after that: {error}")
            response = edged.review("new", pod("x"))
            tally.check("allowed" in response, str(response))
            tally.figures["killed"] = int(str(tally.figures.get("killed", 0))) + killer.killed
    tally.check(bool(tally.figures["killed"]), "no compiling child was seen")


class _Killer(threading.Thread):
    """Kills what the daemon starts until the block ends, the first child only."""

    def __init__(self, edged: FireDaemon) -> None:
        super().__init__(daemon=True)
        self.killed = 0
        self._edged = edged
        self._end = threading.Event()

    def __enter__(self) -> _Killer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.join()

    def run(self) -> None:
        while not self._end.wait(0.01) and not self.killed:
            for pid in children(self._edged.pid() or 0):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.killed += 1


def expensive_modules() -> Iterator[tuple[str, str]]:
    """Small files, or regular ones, that cost a compiler much."""
    yield "100,000 functions", "(module " + "(func)" * 100_000 + ")"
    yield "a long function", "(module (func " + "(drop (i32.add (i32.const 1) (i32.const 2)))" * 100_000 + "))"
    yield "deep blocks", "(module (func " + "block " * 5000 + "end " * 5000 + "))"
    yield "a large table of branches", f"(module (func (br_table {'0 ' * 65_000}(i32.const 0))))"
    yield "many locals", f"(module (func (local {'i64 ' * 40_000})))"
    yield "many globals", "(module " + "(global i32 (i32.const 0))" * 50_000 + ")"
    yield "much data", '(module (memory 800) (data (i32.const 0) "' + "a" * 20_000_000 + '"))'


def expensive(context: Context, tally: Tally) -> None:
    """None of them is a policy, so each reload is refused; in a time that is bounded, and with memory that is: a
    child that needs more is killed, as in the unit (OOMPolicy=continue)."""
    with (
        context.edged(children_killed=True) as edged,
        Reviews(edged, tally, privileged_questions(), pause_s=0.02, late_s=3.0),
    ):
        for number, (name, text) in enumerate(expensive_modules()):
            if context.quick and number % 3:
                continue
            path = context.folder / f"module-{number}.wasm"
            path.write_bytes(bytes(wasmtime.wat2wasm(text)))
            begun = time.monotonic()
            edged.configure([NO_PRIVILEGED, {"name": "expensive", "module": f"file://{path}", "rules": []}])
            error = edged.reload()
            tally.check("expensive" in error, f"{name}: the reload says {error!r}")
            if (took := time.monotonic() - begun) > RELOAD_S:
                tally.add_late(f"{name}: a reload of {took:.0f} s")
            tally.figures[name] = round(took, 1)
        edged.configure([policy("no-privileged", "pod-privileged", message="still.")])
        tally.check((error := edged.reload()) == "", f"the reload after that: {error}")


def cached(context: Context, tally: Tally) -> None:
    """What the cache holds of compiled modules is damaged at every start: it is made anew, never used."""
    module = Path(str(MODULES)) / "pod-privileged" / "pod-privileged.wasm"
    cache = context.folder / "cache"
    tables: dict[str, Any] = {"node": {"cache_dir": str(cache)}}
    damages = (b"", b"\x7fELF", None)
    with context.unstarted(policies=[NO_PRIVILEGED | {"module": f"file://{module}"}], tables=tables) as edged:
        for number in range(context.scaled(9, 3) + 1):
            edged.start()
            for question in privileged_questions():
                wrong = question.wrong(edged.review(question.policy, question.object))
                tally.check(not wrong, f"start {number}: {wrong}")
            edged.stop()
            for file in cache.rglob("*"):
                if file.is_file():
                    _damage(file, damages[number % len(damages)])


def _damage(file: Path, damage: bytes | None) -> None:
    """Cut to nothing, begun with something else, or without its second half."""
    whole = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(whole[: len(whole) // 2] if damage is None else damage + whole[4:] if damage else b"")


ROWS = (
    Row("compile-child-killed", "SIGKILL for compiling children, reviews and reloads go on", killed, quick=True),
    Row("compile-expensive", "modules that are made to cost a compiler much", expensive),
    Row("compile-cache-damaged", "the cache of compiled modules damaged before each start", cached),
)
