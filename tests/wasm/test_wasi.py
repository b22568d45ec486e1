"""WASI preview 1: what links, what is answered, what is refused."""

import struct

import pytest
import trio

from edged.wasm import wasi
from edged.wasm.account import Budget
from edged.wasm.engine import Engine
from edged.wasm.errors import GuestExit
from edged.wasm.instance import Template
from tests.wasm.support import module

# Every function of the witx file of wasi_snapshot_preview1.
PREVIEW_1 = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
]
TYPES = {"i": "i32", "I": "i64"}


@pytest.fixture
def engine():
    engine = Engine()
    yield engine
    engine.close()


def _forwarder(names=PREVIEW_1, imported_from=wasi.MODULE):
    """A module that imports the functions and exports them again."""
    parts = []
    for name in names:
        function = wasi.HOSTS[imported_from, name]
        params = " ".join(TYPES[letter] for letter in function.params)
        result = "(result i32)" if function.results else ""
        gets = " ".join(f"local.get {index}" for index in range(len(function.params)))
        parts.append(f'(import "{imported_from}" "{name}" (func $h_{name} (param {params}) {result}))')
        parts.append(f'(func (export "{name}") (param {params}) {result} {gets} call $h_{name})')
    parts.sort(key=lambda part: not part.startswith("(import"))
    return f'(module {" ".join(parts)} (memory (export "memory") 2))'


def _run(engine, test, system=None, names=PREVIEW_1):
    async def main():
        template = Template(engine, module(engine, _forwarder(names)), wasi.hosts())
        instance = await template.instantiate(None, Budget(), system)
        try:
            return await test(instance)
        finally:
            instance.close()

    return trio.run(main)


def test_all_of_preview_1_links(engine):
    assert {name for of, name in wasi.HOSTS if of == wasi.MODULE} == set(PREVIEW_1)

    async def test(instance):
        return instance.has("path_open")

    assert _run(engine, test)


def test_preview_0_links_under_its_old_name(engine):
    Template(engine, module(engine, _forwarder(["fd_write"], wasi.OLD_MODULE)), wasi.hosts())


def test_arguments_and_environment(engine):
    async def test(instance):
        assert await instance.call("args_sizes_get", 0, 4) == 0
        assert struct.unpack("<II", instance.read(0, 8)) == (2, len("prog\0über\0".encode()))
        assert await instance.call("args_get", 16, 64) == 0
        first, second = struct.unpack("<II", instance.read(16, 8))
        assert instance.read(first, second - first) == b"prog\0"
        assert instance.read(second, 6) == "über\0".encode()
        assert await instance.call("environ_sizes_get", 0, 4) == 0
        assert struct.unpack("<II", instance.read(0, 8)) == (1, 4)

    _run(engine, test, wasi.Wasi(["prog", "über"], ["A=b"]))


def test_clocks_and_randomness_can_be_fixed(engine):
    async def test(instance):
        assert await instance.call("clock_time_get", 0, 0, 0) == 0
        assert await instance.call("clock_time_get", 1, 0, 8) == 0
        assert struct.unpack("<QQ", instance.read(0, 16)) == (7, 9)
        assert await instance.call("clock_time_get", 99, 0, 0) == wasi.EINVAL
        assert await instance.call("random_get", 32, 4) == 0
        assert instance.read(32, 4) == b"xxxx"

    fixed = wasi.Wasi(realtime_ns=lambda: 7, monotonic_ns=lambda: 9, random=lambda length: b"x" * length)
    _run(engine, test, fixed)


def test_stdin_grows_and_output_is_captured(engine):
    system = wasi.Wasi(stdin=b"abc")

    async def read(instance, length):
        instance.write(0, struct.pack("<II", 100, length))
        assert await instance.call("fd_read", 0, 0, 1, 8) == 0
        return instance.read(100, struct.unpack("<I", instance.read(8, 4))[0])

    async def test(instance):
        assert await read(instance, 2) == b"ab"
        assert await read(instance, 9) == b"c"
        assert await read(instance, 9) == b""  # end of file, for now
        system.stdin.feed(b"more")
        assert await read(instance, 9) == b"more"
        instance.write(200, b"hello")
        instance.write(0, struct.pack("<IIII", 200, 2, 202, 3))
        assert await instance.call("fd_write", 1, 0, 2, 8) == 0
        assert await instance.call("fd_write", 2, 0, 1, 8) == 0
        assert instance.output.take() == b"hellohe"

    _run(engine, test, system)


def test_long_writes_are_short_and_the_capture_is_bounded(engine):
    async def test(instance):
        for _ in range(4):
            instance.write(0, struct.pack("<II", 0, 0x1FFFF))
            assert await instance.call("fd_write", 1, 0, 1, 8) == 0
            assert struct.unpack("<I", instance.read(8, 4)) == (wasi.MAX_BYTES,)
        assert instance.output.dropped == 3 * wasi.MAX_BYTES
        assert len(instance.output.take()) == 64 << 10

    _run(engine, test)


def test_what_does_not_exist_is_refused(engine):
    async def test(instance):
        assert await instance.call("fd_prestat_get", 3, 0) == wasi.EBADF  # how C libraries learn of directories
        assert await instance.call("path_open", 3, 0, 0, 1, 0, 0, 0, 0, 0) == wasi.EBADF
        assert await instance.call("sock_accept", 3, 0, 0) == wasi.EBADF
        assert await instance.call("fd_write", 3, 0, 0, 0) == wasi.EBADF
        assert await instance.call("fd_seek", 1, 0, 0, 0) == wasi.ESPIPE
        assert await instance.call("proc_raise", 9) == wasi.ENOSYS

    _run(engine, test)


@pytest.mark.parametrize("name", [n for n in PREVIEW_1 if n not in ("proc_exit", "sched_yield")])
@pytest.mark.parametrize("pointer", [0xFFFFFFFF, 0x80000000, 0x1FFFF])
def test_bad_pointers_are_errors_and_not_traps(engine, name, pointer):
    async def test(instance):
        wide = wasi.HOSTS[wasi.MODULE, name].params
        arguments = [1 if index == 0 else pointer for index in range(len(wide))]
        assert await instance.call(name, *arguments) != 0 or name in ("fd_close",)
        assert not instance.dead

    _run(engine, test, wasi.Wasi(["a"], ["B=c"], b"input"), names=[name])


def test_sleeping_is_awaited_and_ends_with_the_shortest(engine):
    async def test(instance):
        def clock(userdata, timeout_ns):
            return struct.pack("<QB7xI4xQQHxxxxxx", userdata, 0, 1, timeout_ns, 0, 0)

        instance.write(0, clock(11, 10**12) + clock(22, 10**7))
        begun = trio.current_time()
        assert await instance.call("poll_oneoff", 0, 256, 2, 512) == 0
        assert struct.unpack("<I", instance.read(512, 4)) == (1,)
        assert struct.unpack("<QHB", instance.read(256, 11)) == (22, 0, 0)
        assert trio.current_time() - begun >= 0.01

    _run(engine, test)


def test_exit_code(engine):
    async def test(instance):
        with pytest.raises(GuestExit) as caught:
            await instance.call("proc_exit", 3)
        assert caught.value.code == 3

    _run(engine, test)
