"""Code of modules that nobody calls is given back, and is there again when it is called."""

from contextlib import closing

import trio

from edged.wasm import idle
from edged.wasm.account import Budget
from edged.wasm.compile import Compiler
from edged.wasm.engine import Engine
from edged.wasm.instance import Template
from tests.admission.host.support import MODULES

PATH = MODULES / "admission" / "pod-privileged" / "pod-privileged.wasm"


def resident_kib(module):
    """Of its compiled image."""
    low, high = idle.image_range(module.handle)
    found, inside = 0, False
    with open("/proc/self/smaps") as file:
        for line in file:
            first = line.split(maxsplit=1)[0]
            if "-" in first and not first.endswith(":"):
                start, end = (int(part, 16) for part in first.split("-"))
                inside = start < high and end > low
            elif inside and first == "Rss:":
                found += int(line.split()[1])
    return found


def test_idle_code_is_given_back_and_works_again(tmp_path):
    async def main(engine):
        from edged.abi import wapc
        from edged.wasm import wasi

        module = await Compiler(engine, tmp_path / "cache").load(PATH)
        template = Template(engine, module, wasi.hosts() | wapc.hosts())

        async def call():
            state = wapc.WapcCall(lambda *_: b"", lambda _line: None)
            with closing(await template.instantiate(state, Budget())) as instance:
                await instance.start("wapc_init")
                state.begin(b"protocol_version", b"")
                return state.result(await instance.call("__guest_call", len(b"protocol_version"), 0))

        first = await call()
        used = resident_kib(module)
        engine.idle.look()
        assert resident_kib(module) == used > 0  # called since the last look
        engine.idle.look()
        assert resident_kib(module) < used
        assert await call() == first == b'"v1"'
        engine.idle.look()
        await call()
        engine.idle.look()
        assert resident_kib(module) > 0  # called again meanwhile

    with closing(Engine()) as engine:
        trio.run(main, engine)


def test_memory_that_is_no_files_is_left_alone(monkeypatch, tmp_path):
    """What would not come back is never dropped."""
    dropped = []
    monkeypatch.setattr(idle, "_madvise", lambda *arguments: dropped.append(arguments))

    async def main(engine):
        module = await Compiler(engine, tmp_path / "cache").load(PATH)
        low, high = idle.image_range(module.handle)
        half = [(low, low + 4096, True), (low + 4096, high, False)]
        for mappings in ([], [(low, high, False)], [(low, high - 4096, True)], half):
            monkeypatch.setattr(idle, "_mappings", lambda found=mappings: found)
            idle.give_back([module])
        assert dropped == []
        monkeypatch.setattr(idle, "_mappings", lambda: [(low, high, True)])
        idle.give_back([module])
        assert len(dropped) == 1

    with closing(Engine()) as engine:
        trio.run(main, engine)
