"""Python code on a guest's stack: frees at once what it frees, and is not taken for a stack overflow.

The first half holds on every version of Python. The second half says what CPython 3.14 does by itself: when one of
those tests fails, CPython has changed. Then look again at edged/wasm/stack_check.py and RATIONALE.md.
"""

import ctypes
import gc
import re
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import trio

from edged.wasm import driver
from edged.wasm.account import Budget
from edged.wasm.bindings import releasing
from edged.wasm.engine import Engine
from edged.wasm.errors import HostFailure
from edged.wasm.hostcalls import HostFunction
from edged.wasm.instance import Template
from tests.wasm.support import module, rss_mib

ROOT = Path(__file__).parents[2]
DEEP = 3000  # nested calls of the guest before it calls the host: about 100 KiB of its stack
WAT = """(module
  (import "h" "now" (func $now (param i32) (result i32)))
  (import "h" "later" (func $later (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $down (param $depth i32) (param $kind i32) (result i32)
    (if (result i32) (local.get $depth)
      (then (i32.add (call $down (i32.sub (local.get $depth) (i32.const 1)) (local.get $kind)) (i32.const 0)))
      (else (if (result i32) (local.get $kind)
        (then (call $later (i32.const 1))) (else (call $now (i32.const 1)))))))
  (func (export "now") (param i32) (result i32) (call $down (local.get 0) (i32.const 0)))
  (func (export "later") (param i32) (result i32) (call $down (local.get 0) (i32.const 1))))"""
BOTH = pytest.mark.parametrize("export", ["now", "later"])
SINCE_314 = pytest.mark.skipif(sys.version_info < (3, 14), reason="CPython compares the stack pointer since 3.14")


class Thing:
    """What a weak reference can point to."""


def from_guest(work, export="now", depth=DEEP, engine=None):
    """What `work()` returns or raises in a host function, on the stack of a guest that is `depth` calls deep."""
    answers = []

    def host(_instance, _n):
        answers.append(work())
        return 1

    async def call():
        ours = engine or Engine()
        hosts = {
            ("h", "now"): HostFunction("i", "i", host),
            ("h", "later"): HostFunction("i", "i", host, waits=True),
        }
        instance = await Template(ours, module(ours, WAT), hosts).instantiate(None, Budget(cpu_s=60))
        try:
            assert await instance.call(export, depth) == 1
        except HostFailure as error:
            assert error.__cause__
            raise error.__cause__ from None
        finally:
            instance.close()
            if engine is None:
                ours.close()

    trio.run(call)
    return answers[0]


def freed_at_once():
    """Whether an object is gone when its last reference is."""
    thing = Thing()
    reference, table = weakref.ref(thing), weakref.WeakValueDictionary({1: thing})
    del thing
    return reference() is None and 1 not in table


def through_c(levels):
    """Recursion of Python through functions in C, which is what uses the C stack."""
    return 1 if levels == 0 else max([levels], key=lambda n: through_c(n - 1))


@BOTH
def test_what_a_callback_frees_is_gone_at_once(export):
    assert from_guest(freed_at_once, export)


def test_a_coroutine_that_is_freed_in_a_callback_ends_there():
    ended = []

    async def suspended():
        try:
            await trio.lowlevel.cancel_shielded_checkpoint()
        finally:
            ended.append(True)

    def work():
        coroutine = suspended()
        coroutine.send(None)
        del coroutine
        return list(ended)

    assert from_guest(work) == [True]


def test_a_callback_that_frees_much_does_not_keep_it():
    def work():
        before = rss_mib()
        for _ in range(100):
            [[] for _ in range(10_000)]
        return rss_mib() - before

    assert from_guest(work) < 32  # it would be 60 MiB and more


@BOTH
def test_a_deep_callback_is_no_stack_overflow(export):
    assert from_guest(lambda: through_c(200), export) == 200


def test_garbage_that_is_collected_in_a_callback_is_gone():
    def work():
        first, second = Thing(), Thing()
        first.other, second.other = second, first
        reference = weakref.ref(first)
        del first, second
        gc.collect()
        return reference() is None

    assert from_guest(work)


@SINCE_314
def test_the_threads_own_check_works_again_after_a_call():
    from_guest(freed_at_once)
    assert freed_at_once()
    code = "nested = []\nfor _ in range(10**6): nested = [nested]\nrepr(nested)"
    with pytest.raises(RecursionError, match="Stack overflow"):
        exec(code, {})


@SINCE_314
def test_the_threads_own_check_works_again_after_a_call_that_was_cancelled():
    async def cancelled():
        engine = Engine()
        hosts = {
            ("h", "now"): HostFunction("i", "i", lambda _instance, n: n),
            ("h", "later"): HostFunction("i", "i", lambda _instance, _n: trio.sleep_forever, waits=True),
        }
        instance = await Template(engine, module(engine, WAT), hosts).instantiate(None, Budget())
        with trio.move_on_after(0.01):
            await instance.call("later", 1)
        instance.close()
        engine.close()

    trio.run(cancelled)
    code = "nested = []\nfor _ in range(10**6): nested = [nested]\nrepr(nested)"
    with pytest.raises(RecursionError, match="Stack overflow"):
        exec(code, {})


# --- what CPython 3.14 does by itself


def alone(name):
    """What a function of this file prints in a process of its own, which may abort."""
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.wasm import test_stack_check as tests; print(tests.{name}())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout.strip() if done.returncode == 0 else f"exit {done.returncode}: {done.stderr[:300]}"


def unmended():
    """Without the widened bounds: (no RecursionError, what is freed is gone at once)."""
    driver.poll_future = releasing.wasmtime_call_future_poll
    return from_guest(lambda: through_c(50)) == 50, from_guest(freed_at_once)


def near_the_end():
    """With bounds that end right below the callback: what Python makes of them."""
    widen = ctypes.pythonapi.PyUnstable_ThreadState_SetStackProtection
    widen.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    current = ctypes.pythonapi.PyThreadState_Get
    current.restype = ctypes.c_void_p
    engine = Engine()

    def work():
        # From the lowest of the pool's stacks up, until the recursion's last calls come near the lower bound. The
        # callback itself is far enough above it to go on.
        stacks = engine.handles.stacks
        for start in range(stacks.start, stacks.start + stacks.size, 8 << 10):
            try:
                widen(current(), start, 1 << 30)
                through_c(60)
            except RecursionError as error:
                return str(error)
        return "no error"

    return from_guest(work, depth=0, engine=engine)


def places():
    """(where the pool's stacks end, where this thread's stack begins)."""
    engine = Engine()
    mapping = re.search(r"^([0-9a-f]+)-[0-9a-f]+ .*\[stack\]$", Path("/proc/self/maps").read_text(), re.MULTILINE)
    assert mapping
    return engine.handles.stacks.start + engine.handles.stacks.size, int(mapping[1], 16)


@SINCE_314
def test_without_the_widened_bounds_there_is_no_error_but_nothing_is_freed():
    assert alone("unmended") == "(True, False)"


@SINCE_314
def test_the_check_compares_the_stack_pointer_with_the_bounds_it_was_told():
    assert "Stack overflow" in alone("near_the_end")


def test_stacks_of_guests_lie_below_the_threads_stack():
    ends, begins = places()
    assert 0 < ends < begins
