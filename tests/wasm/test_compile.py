"""The cache of compiled modules: what is trusted, what is made again, what a bad module or a full disk costs."""

import errno
import os
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from edged.errors import ConfigError, GuestError, is_disk_error
from edged.wasm import binary, bindings
from edged.wasm.account import Budget
from edged.wasm.code_cache import CodeCache, NewCode
from edged.wasm.compilation import WIDE_RESERVATION
from edged.wasm.compile import CacheUntrusted, CompileLimits, Compiler, OutOfLimits, check_folder
from edged.wasm.engine import SLOTS, Engine, can_reserve
from edged.wasm.errors import BadModule, GuestTrap
from edged.wasm.instance import Template
from edged.wasm.turns import GaveWay

TOO_LARGE = r"No space left on device; and with [0-9]+ bytes or more it is too large"
ANSWER = '(module (func (export "answer") (result i32) i32.const 42))'


@pytest.fixture
def engine():
    engine = Engine()
    yield engine
    engine.close()


@pytest.fixture
def wasm(tmp_path):
    path = tmp_path / "answer.wasm"
    path.write_bytes(bindings.wat2wasm(ANSWER))
    return path


@pytest.fixture
def events():
    return []


@pytest.fixture
def compiler(engine, tmp_path, events):
    return Compiler(engine, tmp_path / "cache", on_progress=lambda event, _what: events.append(event))


async def _ask(engine, module):
    instance = await Template(engine, module, {}).instantiate(None, Budget())
    try:
        return await instance.call("answer")
    finally:
        instance.close()


def _cached(compiler) -> Path:
    (path,) = compiler.cache_dir.glob("*.cwasm")
    return path


def test_compiles_once_and_maps_afterwards(engine, compiler, wasm, events):
    async def main():
        assert await _ask(engine, await compiler.load(wasm)) == 42
        assert await _ask(engine, await compiler.load(wasm)) == 42

    trio.run(main)
    assert events == ["compiling", "compiled", "cached"]
    assert _cached(compiler).stat().st_mode & 0o777 == 0o400


def test_two_at_once_compile_once(engine, compiler, wasm, events):
    async def main():
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(compiler.load, wasm)

    trio.run(main)
    assert events.count("compiling") == 1


def _truncate(path):
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])
    path.chmod(0o400)


def _foreign(path):
    path.unlink()
    path.write_bytes(b"\x7fELF" + b"\0" * 4096)
    path.chmod(0o400)


def _symlink(path):
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def _writable(path):
    path.chmod(0o666)


@pytest.mark.parametrize("damage", [_truncate, _foreign, _symlink, _writable])
def test_a_compiled_file_that_is_not_ours_or_not_whole_is_made_again(engine, compiler, wasm, events, damage):
    trio.run(compiler.load, wasm)
    damage(_cached(compiler))
    events.clear()

    async def main():
        assert await _ask(engine, await compiler.load(wasm)) == 42

    trio.run(main)
    assert events == ["discarded", "compiling", "compiled"]


def test_a_swapped_compiled_file_is_not_mapped(engine, compiler, wasm, tmp_path, events):
    """The name says what the content must be: another module's compiled form under this name is refused."""
    trio.run(compiler.load, wasm)
    right = _cached(compiler)
    other = tmp_path / "other.wasm"
    other.write_bytes(bindings.wat2wasm('(module (func (export "answer") (result i32) i32.const 13))'))
    trio.run(compiler.load, other)
    (wrong,) = (path for path in compiler.cache_dir.glob("*.cwasm") if path != right)
    os.replace(wrong, right)
    events.clear()

    async def main():
        assert await _ask(engine, await compiler.load(wasm)) == 42

    trio.run(main)
    assert "discarded" in events


def test_a_folder_that_others_may_write_is_refused(compiler, wasm):
    compiler.cache_dir.mkdir()
    compiler.cache_dir.chmod(0o777)
    with pytest.raises(CacheUntrusted, match="may be written by others"):
        trio.run(compiler.load, wasm)


def test_a_symlinked_folder_is_refused(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(CacheUntrusted, match="symbolic link"):
        check_folder(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_another_users_folder_is_refused(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    with pytest.raises(CacheUntrusted, match="belongs to user 12345"):
        check_folder(folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has 0 bytes"),
        (b"#!/bin/sh\nexit 0\n", "does not begin with"),
        (b"\0asm\x0d\0\1\0", "components are not supported"),
        (bindings.wat2wasm(ANSWER)[:-4], "longer than the file"),
        (
            bindings.wat2wasm("(module (func (result i32) i32.const 1))")[:-3] + b"\x42\x01\x0b",
            "does not compile",
        ),
    ],
)
def test_a_bad_module_is_named(compiler, tmp_path, content, said):
    path = tmp_path / "bad.wasm"
    path.write_bytes(content)
    with pytest.raises(BadModule, match=said):
        trio.run(compiler.load, path)
    assert list(compiler.cache_dir.glob("*")) == []


def test_a_missing_module_is_named(compiler, tmp_path):
    with pytest.raises(BadModule, match=r"the module file is missing \(.*nowhere\.wasm\)"):
        trio.run(compiler.load, tmp_path / "nowhere.wasm")


def test_a_module_that_takes_too_much_memory(engine, tmp_path, wasm):
    compiler = Compiler(engine, tmp_path / "cache", CompileLimits(memory_mib=16))
    with pytest.raises(BadModule, match="within 16 MiB"):
        trio.run(compiler.load, wasm)


def test_a_module_that_takes_too_long(engine, tmp_path):
    body = "(local.set 0 (i32.mul (local.get 0) (i32.add (local.get 1) (i32.const 7))))" * 60000
    path = tmp_path / "slow.wasm"
    path.write_bytes(bindings.wat2wasm(f'(module (func (export "f") (param i32 i32) (result i32) {body} local.get 0))'))
    compiler = Compiler(engine, tmp_path / "cache", CompileLimits(wall_s=0.2))
    with pytest.raises(BadModule, match="longer than"):
        trio.run(compiler.load, path)
    assert list((tmp_path / "cache").glob("*")) == []


@contextmanager
def small_disk(folder, size, options=""):
    """A file system of its own; without the right to mount one, there is none to fill."""
    folder.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700{options}", "edged-test", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_leaves_no_short_file(engine, tmp_path, wasm):
    with small_disk(tmp_path / "small", "64k") as small:
        (small / "filler").write_bytes(b"x" * (60 << 10))
        compiler = Compiler(engine, small / ".", CompileLimits())
        with pytest.raises(ConfigError, match=r"[Nn]o space left"):
            trio.run(compiler.load, wasm)
        assert [path.name for path in small.iterdir()] == ["filler"]


@pytest.mark.parametrize(("size", "options"), [("64k", ""), ("4k", ""), ("64k", ",nr_inodes=2"), ("1m", ",ro")])
def test_without_room_in_the_cache_the_module_works_from_memory(engine, tmp_path, wasm, size, options):
    """Full, without inodes, read-only: it is compiled, not kept, and works. With room again it is kept again."""
    events = []
    with small_disk(tmp_path / "small", size, options) as small:
        if "ro" not in options:
            (small / "filler").write_bytes(b"x" * 60_000 if size == "64k" else b"x")
        compiler = Compiler(engine, small, on_progress=lambda *event: events.append(event), memory_mib=4)

        async def main():
            assert await _ask(engine, await compiler.load(wasm)) == 42
            loaded = await compiler.load(wasm)
            assert compiler._memory.left < 4 << 20
            assert await _ask(engine, loaded) == 42
            del loaded

        trio.run(main)
        assert [event for event, _ in events] == ["compiling", "uncached", "compiled"] * 2
        assert str(small) in events[1][1] and "stays in memory" in events[1][1]
        assert compiler._memory.left == 4 << 20, "what was freed gives its room back"
        if "ro" in options:
            return
        assert [path.name for path in small.iterdir()] == ["filler"]
        (small / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=1m,nr_inodes=100", str(small)], check=True)
        events.clear()
        trio.run(compiler.load, wasm)
        assert [event for event, _ in events] == ["compiling", "compiled"]


def test_memory_instead_of_the_cache_has_a_bound(engine, tmp_path, wasm, monkeypatch):
    with small_disk(tmp_path / "small", "4k") as small:
        (small / "filler").write_bytes(b"x")
        compiler = Compiler(engine, small, memory_mib=1)
        monkeypatch.setattr(compiler._memory, "left", 100)
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(ConfigError, match=TOO_LARGE):
            trio.run(compiler.load, wasm)
        assert len(os.listdir("/proc/self/fd")) < before + 20 and is_disk_error_of(compiler, wasm)


def no_space():
    return OSError(errno.ENOSPC, "No space left on device")


def test_a_module_that_is_too_large_for_memory_is_not_collected_there_first(engine, tmp_path, wasm, monkeypatch):
    def full(cache):
        raise no_space()

    def in_memory():
        made.append(real())
        return made[-1]

    made, real = [], NewCode.in_memory
    monkeypatch.setattr(NewCode, "in_memory", in_memory)
    monkeypatch.setattr(CodeCache, "create", full)
    compiler = Compiler(engine, tmp_path / "cache", memory_mib=1)
    monkeypatch.setattr(compiler._memory, "left", 5000)
    with pytest.raises(ConfigError, match=TOO_LARGE):
        trio.run(compiler.load, wasm)
    assert len(made) == 1 and made[0].size <= 5000
    assert is_disk_error_of(compiler, wasm)
    assert compiler._memory.left == 5000


def is_disk_error_of(compiler, wasm):
    """Whether the error says that a later try may succeed."""
    try:
        trio.run(compiler.load, wasm)
    except ConfigError as error:
        return is_disk_error(error)
    return False


def test_a_module_file_that_is_rewritten_in_place_costs_that_load(engine, compiler, wasm):
    """A package upgrade writes over the file, or cuts it: while it is read it is refused, and afterwards nobody needs
    it. Mapped, it would have ended the process with SIGBUS."""
    content = wasm.read_bytes()
    big = content + b"\0" + b"\xff\xff\x3f" + b"\4name" + bytes((1 << 20) - 1 - 5)
    assert binary.custom_section(big, "name") is not None
    stop = threading.Event()

    def rewrite():
        while not stop.is_set():
            for data in (big[:20], big, content):
                with open(wasm, "r+b") as file:
                    file.truncate(len(data) // 3)
                    file.write(data)
                    file.truncate()

    thread = threading.Thread(target=rewrite)
    thread.start()

    async def main():
        for _ in range(60):
            try:
                await compiler.load(wasm)
            except BadModule as error:
                assert str(wasm) in str(error) or "shorter" in str(error)

    try:
        trio.run(main)
    finally:
        stop.set()
        thread.join()
    wasm.write_bytes(content)

    async def ask():
        module = await compiler.load(wasm)
        os.truncate(wasm, 0)
        assert await _ask(engine, module) == 42

    trio.run(ask)


def test_the_compiled_file_can_be_shortened_by_nobody_else(compiler, wasm):
    """Its folder is closed to others, and it is opened for writing by nobody once it has its name."""
    trio.run(compiler.load, wasm)
    assert compiler.cache_dir.stat().st_mode & 0o077 == 0
    assert _cached(compiler).stat().st_mode & 0o777 == 0o400


BAD = bindings.wat2wasm("(module (func (result i32) i32.const 1))")[:-3] + b"\x42\x01\x0b"


def test_a_strangers_module_that_does_not_compile_is_not_compiled_at_each_try(compiler, tmp_path, wasm, events):
    """It may take minutes each time, and custom resources are tried again for ever."""
    path = tmp_path / "bad.wasm"
    path.write_bytes(BAD)

    async def attempt(author):
        with pytest.raises(BadModule, match="does not compile"):
            await compiler.load(path, author=author)

    async def main():
        for seconds, author, compiled in (
            (0, "a", 1), (60, "a", 1), (0, "b", 1), (0, "", 2), (61, "a", 3), (121, "a", 3), (121, "a", 4),
        ):  # fmt: skip
            clock.jump(seconds)
            await attempt(author)
            assert events.count("compiling") == compiled
        await compiler.load(wasm, author="a")

    clock = trio.testing.MockClock(rate=1)
    trio.run(main, clock=clock)


def test_a_module_of_the_configuration_file_does_not_wait_for_a_strangers(engine, tmp_path, wasm):
    body = "(local.set 0 (i32.mul (local.get 0) (i32.add (local.get 1) (i32.const 7))))" * 60000
    slow = tmp_path / "slow.wasm"
    slow.write_bytes(bindings.wat2wasm(f'(module (func (export "f") (param i32 i32) (result i32) {body} local.get 0))'))
    begun = trio.Event()
    ended = []

    def progress(event, _what):
        if event == "compiling":
            begun.set()

    compiler = Compiler(engine, tmp_path / "cache", on_progress=progress)

    async def stranger():
        with pytest.raises(GaveWay):
            await compiler.load(slow, author="AdmissionPolicy/tenant")
        ended.append("stranger")

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stranger)
            await begun.wait()
            await compiler.load(wasm)
            ended.append("administrator")

    trio.run(main)
    assert ended == ["stranger", "administrator"]
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".cwasm"]


def test_what_had_no_memory_beside_others_is_tried_by_itself(engine, tmp_path, wasm, monkeypatch):
    """The kernel ends the largest child where two together take too much."""
    other = tmp_path / "other.wasm"
    other.write_bytes(bindings.wat2wasm('(module (func (export "g")))'))
    running, failed = [], []
    met = trio.Event()

    async def run_child(self, path, module, output):
        running.append(path)
        try:
            if len(running) == 2:
                met.set()
                failed.append(path)
                raise OutOfLimits("signal 9")
            await met.wait()
            await real(self, path, module, output)
        finally:
            running.remove(path)

    real = Compiler._run_child
    monkeypatch.setattr(Compiler, "_run_child", run_child)
    compiler = Compiler(engine, tmp_path / "cache", may_start=lambda running_mib, mib: True)

    async def main():
        async with trio.open_nursery() as nursery:
            for path in (wasm, other):
                nursery.start_soon(compiler.load, path)

    trio.run(main)
    assert len(failed) == 1 and len(list((tmp_path / "cache").iterdir())) == 2

    async def starved(self, path, module, output):
        raise OutOfLimits("signal 9")

    monkeypatch.setattr(Compiler, "_run_child", starved)
    with pytest.raises(OutOfLimits):
        trio.run(Compiler(engine, tmp_path / "another").load, wasm)


def test_pulley_modules_have_their_own_cache_entries(tmp_path, wasm):
    engine = Engine("pulley")
    compiler = Compiler(engine, tmp_path / "cache")

    async def main():
        assert await _ask(engine, await compiler.load(wasm)) == 42

    trio.run(main)
    assert compiler.key("d") != Compiler(Engine(), tmp_path / "cache").key("d")


def test_errors_are_of_the_families():
    assert issubclass(BadModule, GuestError)
    assert issubclass(CacheUntrusted, ConfigError)


def test_what_killed_compilations_left_behind_is_removed(engine, compiler, wasm):
    compiler.cache_dir.mkdir(mode=0o700)
    old, young = compiler.cache_dir / ".compiling-old", compiler.cache_dir / ".compiling-young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    trio.run(compiler.load, wasm)
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize("wide", [True, False])
def test_modules_work_with_plenty_of_addresses_and_with_few(tmp_path, wide):
    """Out of bounds is a trap either way: by a guard page or by a check in the code."""
    if wide and not can_reserve(SLOTS * WIDE_RESERVATION):
        pytest.skip("this machine has too few addresses")
    engine = Engine(wide=wide)
    compiler = Compiler(engine, tmp_path / "cache")
    path = tmp_path / "load.wasm"
    text = (
        '(module (memory (export "memory") 1) (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))'
    )
    path.write_bytes(bindings.wat2wasm(text))

    async def main():
        template = Template(engine, await compiler.load(path), {})
        for address in (65533, 0x7FFFFFFF, 0xFFFFFFFF):
            instance = await template.instantiate(None, Budget())
            with pytest.raises(GuestTrap) as caught:
                await instance.call("load", address)
            assert caught.value.kind == "out of bounds memory access"
            instance.close()

    trio.run(main)
    engine.close()
    assert Engine(wide=not wide).settings != engine.settings
