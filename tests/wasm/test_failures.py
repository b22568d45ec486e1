"""An error that nobody expected, in each unit of work of the guest host: it fails that unit, and the next one works."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio

from edged.errors import ConfigError
from edged.process import children
from edged.wasm import binary, bindings, idle, stacks
from edged.wasm import compile as compile_module
from edged.wasm import engine as engine_module
from edged.wasm.account import Budget
from edged.wasm.compile import Compiler
from edged.wasm.engine import Engine
from edged.wasm.errors import GuestBudget
from edged.wasm.instance import Template
from edged.wasm.module import Module
from tests.wasm.support import module

WAT = """(module (func (export "one") (result i32) (i32.const 1))
  (func (export "spin") (loop $l (br $l))))"""
ODD: list[Exception] = [ValueError("odd"), RecursionError("deep"), ExceptionGroup("two", [KeyError("a"), OSError("b")])]
odd = pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with closing(Engine()) as engine:
        yield engine


def raising(error: BaseException) -> Callable[..., object]:
    def function(*_arguments: object, **_options: object) -> object:
        raise error

    return function


async def one(engine: Engine, loaded: Module) -> int | None:
    with closing(await Template(engine, loaded, {}).instantiate(None, Budget())) as instance:
        return await instance.call("one")


# --- loading a module


def steps(monkeypatch: pytest.MonkeyPatch, step: str, error: Exception) -> None:
    """Make one step of loading a module raise that error."""
    if step == "reading":
        monkeypatch.setattr(binary, "interface", raising(error))
    elif step == "the child":
        monkeypatch.setattr(children, "pour", raising(error))
    elif step == "its end":
        monkeypatch.setattr(compile_module, "_judge", raising(error))
    elif step == "mapping":
        monkeypatch.setattr(compile_module, "map_compiled", raising(error))


@odd
@pytest.mark.parametrize("step", ["reading", "the child", "its end", "mapping"])
def test_a_load_that_fails_leaves_nothing_behind(engine: Engine, tmp_path: Path, step: str, error: Exception) -> None:
    """No lock, no temporary file, no open file; the next load of the same module works."""
    path = tmp_path / "one.wasm"
    path.write_bytes(bindings.wat2wasm(WAT))
    compiler = Compiler(engine, tmp_path / "cache")

    async def main() -> None:
        before = open_files()
        with pytest.MonkeyPatch.context() as monkeypatch:
            steps(monkeypatch, step, error)
            with pytest.raises(type(error)) as raised:
                await compiler.load(path)
            assert raised.value is error
            raised.value.__traceback__ = None
        del raised
        assert open_files() == before
        assert list(compiler.cache_dir.glob(".compiling-*")) == []
        with trio.fail_after(60):
            assert await one(engine, await compiler.load(path)) == 1

    trio.run(main)


@odd
def test_a_load_goes_on_beside_one_that_fails(engine: Engine, tmp_path: Path, error: Exception) -> None:
    paths = [tmp_path / name for name in ("bad.wasm", "good.wasm")]
    for number, path in enumerate(paths):
        path.write_bytes(bindings.wat2wasm(WAT.replace("const 1", f"const {number}")))

    def progress(event: str, name: str) -> None:
        if event == "compiling" and "bad" in name:
            raise error

    compiler = Compiler(engine, tmp_path / "cache", on_progress=progress)

    async def main() -> None:
        async def bad() -> None:
            with pytest.raises(type(error)):
                await compiler.load(paths[0])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(bad)
            assert await one(engine, await compiler.load(paths[1])) == 1

    trio.run(main)


def test_a_load_that_is_cancelled_lets_the_next_one_in(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "one.wasm"
    path.write_bytes(bindings.wat2wasm(WAT))
    compiler = Compiler(engine, tmp_path / "cache")

    async def main() -> None:
        with trio.move_on_after(0.01):
            await compiler.load(path)
        assert list(compiler.cache_dir.glob(".compiling-*")) == []
        assert await one(engine, await compiler.load(path)) == 1

    trio.run(main)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


# --- the epoch ticker


def test_a_tick_that_fails_is_not_the_last_one(engine: Engine) -> None:
    """Otherwise an endless guest would hold the event loop for good."""
    ticker, failed = engine.ticker, 0
    sleep = ticker._sleep

    def sometimes(seconds: float) -> bool:
        nonlocal failed
        if ticker.polls % 3 == 1 and failed < 5:
            failed += 1
            raise MemoryError
        return sleep(seconds)

    ticker._sleep = sometimes

    async def main() -> None:
        template = Template(engine, module(engine, WAT), {})
        instance = await template.instantiate(None, Budget(cpu_s=0.05))
        with closing(instance), pytest.raises(GuestBudget):
            await instance.call("spin")

    trio.run(main)
    assert ticker.failures == failed > 0


def test_without_a_ticker_no_guest_runs(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call fails where no thread can be started, and the next one starts it."""

    async def main() -> None:
        template = Template(engine, module(engine, WAT), {})
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", raising(RuntimeError("can't start new thread")))
            for _ in range(2):
                with pytest.raises(RuntimeError, match="thread"):
                    await template.instantiate(None, Budget())
        assert engine.handles.stacks.pending == 0
        assert engine.handles.free_slots.value == engine_module.SLOTS
        instance = await template.instantiate(None, Budget(cpu_s=0.02))
        with closing(instance), pytest.raises(GuestBudget):
            await instance.call("spin")

    trio.run(main)


# --- giving back memory


def test_code_whose_giving_back_failed_is_given_back_at_the_next_look(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.wasm"
    path.write_bytes(bindings.wat2wasm(WAT))
    given: list[Module] = []

    async def main() -> None:
        loaded = await Compiler(engine, tmp_path / "cache").load(path)
        assert await one(engine, loaded) == 1
        engine.idle.look()
        with monkeypatch.context() as patch:
            patch.setattr(idle, "give_back", raising(OSError("no /proc")))
            with pytest.raises(OSError, match="no /proc"):
                engine.idle.look()
        monkeypatch.setattr(idle, "give_back", given.extend)
        engine.idle.look()
        assert given == [loaded]
        assert await one(engine, loaded) == 1

    trio.run(main)


@pytest.mark.parametrize("which", [1, 2])
def test_an_engine_that_cannot_find_its_stacks_works_without_trimming_them(
    monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    """Stacks are told apart from another engine's by looking twice."""
    looks = 0

    def sometimes() -> set[int] | None:
        nonlocal looks
        looks += 1
        return None if looks == which else set()

    monkeypatch.setattr(stacks, "guard_ends", sometimes)
    with closing(Engine()) as engine:
        assert engine.handles.stacks.size == 0
        assert trio.run(one, engine, module(engine, WAT)) == 1


def test_a_folder_that_cannot_be_made_fails_the_load_only(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "one.wasm"
    path.write_bytes(bindings.wat2wasm(WAT))
    compiler = Compiler(engine, path / "cache")

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(ConfigError):
                await compiler.load(path)

    trio.run(main)
