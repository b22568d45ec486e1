"""Images: an instance goes on from one exactly as the one it was taken of, and leaves nothing of it in its slot."""

import os
from contextlib import closing

import pytest
import trio

from edged.wasm import engine as engine_module
from edged.wasm import images
from edged.wasm.account import Budget
from edged.wasm.engine import Engine
from edged.wasm.errors import BadModule, GuestMemory, GuestTrap, MemoryFault
from edged.wasm.hostcalls import HostFunction
from edged.wasm.instance import Template
from edged.wasm.module import export_names
from tests.wasm.support import module

INSTANCES = int(os.environ.get("EDGED_IMAGES", "0")) or 400
FEW_SLOTS = 4

STATE = """(module (memory (export "memory") 2 64)
  (data (i32.const 1024) "own data of the module")
  (global $i (export "i") (mut i32) (i32.const 1)) (global $I (export "I") (mut i64) (i64.const 2))
  (global $f (export "f") (mut f32) (f32.const 3)) (global $F (export "F") (mut f64) (f64.const 4))
  (global $v (export "v") (mut v128) (v128.const i64x2 5 6))
  (func (export "init")
    (global.set $i (i32.const -7)) (global.set $I (i64.const -0x123456789abc))
    (global.set $f (f32.const nan:0x200001)) (global.set $F (f64.const -1e300))
    (global.set $v (v128.const i64x2 0x1122334455667788 -1))
    (memory.fill (i32.const 1024) (i32.const 0) (i32.const 3))
    (i32.store (i32.const 0x1fffc) (i32.const 0x0a0b0c0d))
    (drop (memory.grow (i32.const 6)))
    (i32.store (i32.const 0x20000) (i32.const 0x01020304))
    (i32.store (i32.const 0x5fff0) (i32.const 0x05060708)))
  (func (export "write") (param i32) (memory.fill (i32.const 0) (local.get 0) (i32.const 0x80000)))
  (func (export "pages") (result i32) (memory.size))
  (func (export "grow") (result i32) (memory.grow (i32.const 1)))
  (func (export "numbers") (result i64)
    (i64.xor (i64.xor (i64.extend_i32_s (global.get $i)) (global.get $I))
      (i64.xor (i64.xor (i64.extend_i32_u (i32.reinterpret_f32 (global.get $f)))
        (i64.reinterpret_f64 (global.get $F)))
        (i64.xor (i64x2.extract_lane 0 (global.get $v))
          (i64.rotl (i64x2.extract_lane 1 (global.get $v)) (i64.const 9))))))
  (func (export "spin") (loop $l (br $l)))
  (func (export "trap") unreachable))"""
EXPOSED = ("i", "I", "f", "F", "v")
READER = """(module (memory (export "memory") 9))"""


async def _image(template: Template, exposed: tuple[str, ...] = EXPOSED, budget: Budget | None = None) -> images.Image:
    budget = budget or Budget()
    with closing(await template.instantiate(None, budget)) as instance:
        await instance.call("init")
        with closing(await template.instantiate(None, budget)) as fresh:
            return await images.take(instance, fresh, exposed)


@pytest.fixture(autouse=True, params=[0, images.MAPPED_FROM], ids=["mapped", "copied"])
def mapped_from(request, monkeypatch):
    """Whether the few pages of these tests are mapped."""
    monkeypatch.setattr(images, "MAPPED_FROM", request.param)
    return request.param


@pytest.fixture(params=[True, False], ids=["slots", "no slots"])
def engine(request):
    with closing(Engine(pooled=request.param)) as engine:
        yield engine


def test_an_instance_goes_on_as_the_one_that_the_image_is_of(engine):
    async def main():
        template = Template(engine, module(engine, STATE), {})
        image = await _image(template)
        with closing(await template.instantiate(None, Budget())) as first:
            await first.call("init")
            memory, numbers = first.read(0, first.memory_size()), await first.call("numbers")
        for _ in range(3):
            with closing(await template.instantiate(None, Budget())) as instance:
                image.put(instance)
                assert instance.memory_size() == len(memory) == 8 << 16
                assert instance.read(0, len(memory)) == memory
                assert await instance.call("numbers") == numbers
                assert await instance.call("pages") == 8
                assert await instance.call("grow") == 8
                assert instance.read(8 << 16, 1 << 16) == bytes(1 << 16)
                await instance.call("write", 0xEE)
                assert instance.read(0x20000, 4) == b"\xee" * 4
        with closing(await template.instantiate(None, Budget())) as fresh:
            assert fresh.read(1024, 22) == b"own data of the module"
            assert fresh.memory_size() == 2 << 16

    trio.run(main)


def test_only_pages_that_differ_are_held(engine):
    async def main():
        image = await _image(Template(engine, module(engine, STATE), {}))
        assert image.held_bytes == 4 * images.PAGE
        assert image.memory_size == 8 << 16

    trio.run(main)


def test_an_image_with_more_memory_than_an_instance_may_have_is_refused(engine):
    async def main():
        template = Template(engine, module(engine, '(module (memory (export "memory") 0 64))'), {})
        image = images.Image(8 << 16, 0, [(0, b"a" * images.PAGE)], ())
        with closing(await template.instantiate(None, Budget(memory_mib=0))) as instance, pytest.raises(MemoryFault):
            image.put(instance)

    trio.run(main)


@pytest.mark.parametrize(
    ("pages", "content", "reason"),
    [
        (1, "(memory.fill (i32.const 0x100000) (i32.const 1) (i32.const 0x410000))", "would be copied for each review"),
        (1, "(memory.fill (i32.const 0x100000) (i32.const 1) (i32.const 0x1100000))", "more than 16 MiB of its memory"),
        (1025, "", "its memory has 64 MiB, more than"),
    ],
)
def test_what_is_large_has_no_image(pages, content, reason, engine):
    """Copied, it would hold up everything else at each review; held, it would take memory for ever."""
    first = 0x120 if pages == 1 else pages
    text = f'(module (memory (export "memory") {first}) (func (export "init") {content}))'

    async def main():
        with pytest.raises(BadModule, match=reason):
            await _image(Template(engine, module(engine, text), {}), (), Budget(memory_mib=80))

    trio.run(main)


@pytest.mark.parametrize("place", [0, 15, 16, 17, 40, 63])
def test_each_page_that_differs_is_found(place, engine):
    text = f"""(module (memory (export "memory") 4)
      (func (export "init") (i32.store8 (i32.const {place * images.PAGE + 4095}) (i32.const 1))))"""

    async def main():
        template = Template(engine, module(engine, text), {})
        image = await _image(template, ())
        assert image.held_bytes == images.PAGE
        with closing(await template.instantiate(None, Budget())) as instance:
            image.put(instance)
            content = bytearray(4 << 16)
            content[place * images.PAGE + 4095] = 1
            assert instance.read(0, 4 << 16) == content

    trio.run(main)


def test_without_a_descriptor_there_is_no_image(engine, monkeypatch):
    def refuse(*_arguments):
        raise OSError(24, "Too many open files")

    async def main():
        monkeypatch.setattr(os, "memfd_create", refuse)
        with pytest.raises(GuestMemory, match="Too many open files"):
            await _image(Template(engine, module(engine, STATE), {}))

    trio.run(main)


def test_others_go_on_while_a_large_memory_is_compared(engine):
    async def main():
        template = Template(engine, module(engine, '(module (memory (export "memory") 64) (func (export "init")))'), {})
        steps = []

        async def step():
            while True:
                steps.append(1)
                await trio.lowlevel.checkpoint()

        one, other = [await template.instantiate(None, Budget()) for _ in range(2)]
        with closing(one), closing(other):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(step)
                await images.take(one, other, ())
                nursery.cancel_scope.cancel()
        assert len(steps) > 2

    trio.run(main)


def test_a_global_that_holds_a_reference_is_refused(engine):
    text = """(module (memory (export "memory") 1) (global (export "g") (mut funcref) (ref.null func))
      (func (export "init")))"""

    async def main():
        with pytest.raises(BadModule, match="the global g holds a reference"):
            await _image(Template(engine, module(engine, text), {}), ("g",))

    trio.run(main)


def test_a_slot_is_blank_for_the_next_instance_however_the_one_before_ended(monkeypatch):
    """Returned, trapped, cancelled, forgotten, never called: what an image showed is never seen by another module."""
    monkeypatch.setattr(engine_module, "SLOTS", FEW_SLOTS)

    async def end(template, image, number):
        instance = await template.instantiate(None, Budget())
        image.put(instance)
        if number % 50 == 0:
            with trio.move_on_after(0.001):
                await instance.call("spin")
        elif number % 5 == 1:
            await instance.call("write", 0xAB)
        elif number % 5 == 2:
            with pytest.raises(GuestTrap):
                await instance.call("trap")
        elif number % 5 == 3:
            return  # without being closed: the collector frees it
        instance.close()

    async def main(engine):
        template, reader = Template(engine, module(engine, STATE), {}), Template(engine, module(engine, READER), {})
        image = await _image(template)
        for number in range(INSTANCES):
            await end(template, image, number)
            engine.handles.bury()
            if number % FEW_SLOTS == 0 or number < 20:
                found = [await reader.instantiate(None, Budget()) for _ in range(FEW_SLOTS)]  # all that there are
                for instance in found:
                    assert instance.read(0, 9 << 16) == bytes(9 << 16)
                    instance.close()
        assert not engine.handles.shown

    with closing(Engine()) as engine:
        trio.run(main, engine)


def test_an_image_ends_while_an_instance_still_shows_it(engine):
    async def main():
        template = Template(engine, module(engine, STATE), {})
        image = await _image(template)
        before = len(os.listdir("/proc/self/fd"))
        with closing(await template.instantiate(None, Budget())) as instance:
            image.put(instance)
            del image
            assert len(os.listdir("/proc/self/fd")) == before - 1
            assert instance.read(0x5FFF0, 4) == bytes.fromhex("08070605")

    trio.run(main)


def test_a_call_that_is_cancelled_in_a_host_function_leaves_no_image(monkeypatch):
    monkeypatch.setattr(engine_module, "SLOTS", FEW_SLOTS)
    text = STATE.replace('(module (memory', '(module (import "h" "wait" (func $wait)) (memory')
    text = text.replace('(func (export "trap") unreachable)', '(func (export "trap") (call $wait))')

    async def main(engine):
        wait = HostFunction("", "", lambda _instance: trio.sleep_forever, waits=True)
        template = Template(engine, module(engine, text), {("h", "wait"): wait})
        reader = Template(engine, module(engine, READER), {})
        image = await _image(template)
        with trio.move_on_after(0.01):
            with closing(await template.instantiate(None, Budget())) as instance:
                image.put(instance)
                await instance.call("trap")
        found = [await reader.instantiate(None, Budget()) for _ in range(FEW_SLOTS)]
        for each in found:
            assert each.read(0, 9 << 16) == bytes(9 << 16)
            each.close()

    with closing(Engine()) as engine:
        trio.run(main, engine)


def test_a_compiled_module_names_all_its_exports(engine):
    assert export_names(module(engine, STATE))[:6] == ["memory", "i", "I", "f", "F", "v"]
    assert export_names(module(engine, "(module)")) == []
