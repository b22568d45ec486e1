"""Guest plugins: loading, failures, budgets, which instance serves which Pod. Small guests in WAT."""

from __future__ import annotations

import random
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.errors import GuestError
from edged.scheduling.core.cluster_events import ALL_EVENTS
from edged.scheduling.core.framework import CycleState, PostFilterResult
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.guests.exports import POINTS
from edged.scheduling.guests.guest import GuestPlugin
from edged.scheduling.guests.guest_world import GuestWorld
from edged.scheduling.guests.imports import HOSTS, AbiError, Call, GuestState
from edged.scheduling.guests.loaded_guest import GuestOptions, LoadedGuest
from edged.scheduling.objects.pods import PodInfo
from edged.wasm.account import Budget
from edged.wasm.hostcalls import HostFunction
from edged.wasm.instance import Template
from tests.guests.scheduler.build import wat
from tests.scheduling.guests.support import Bench, pod, run
from tests.wasm.support import fault, module

PANICS = wat("panics")
SAMPLES = Path(__file__).parents[3] / "modules" / "scheduling"
MINIMAL = '(module (memory (export "memory") 1) (func (export "filter") (result i32) (i32.const 0)))'


def guest(*functions: str) -> str:
    return '(module (memory (export "memory") 1) ' + " ".join(functions) + ")"


def function(name: str, result: str = "i32") -> str:
    body = f"({result}.const 0)" if result else ""
    given = f"(result {result})" if result else ""
    return f'(func (export "{name}") {given} {body})'


# --- loading


def test_the_smallest_guest():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(MINIMAL)
        assert plugin.points == {"pre_filter", "filter"}
        assert plugin.events_to_register() == ALL_EVENTS
        assert await bench.begin(plugin, bench.pods["p"]) == (None, None)
        assert await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0]) is None
        await plugin.end_cycle(bench.state, bench.pods["p"])

    run(main)


NOTHING = "wasm: filter, score, reserve, permit or bind must be exported"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('(module (func (export "filter") (result i32) (i32.const 0)))', "doesn't export memory[memory]"),
        (guest(), "wasm: guest does not export any plugin functions"),
        (guest(function("prescore")), NOTHING),
        (guest(function("normalizescore")), NOTHING),
        (guest(function("filter", "i64")), "wrong signature for func[filter]. should be () -> (i32)"),
        (guest(function("score")), "wrong signature for func[score]. should be () -> (i64)"),
        (
            '(module (import "env" "abort" (func)) (memory (export "memory") 1)' + function("filter") + ")",
            "unknown import: function env.abort",
        ),
        (
            '(module (import "k8s.io/api" "node" (func (param i32))) (memory (export "memory") 1)'
            + function("filter")
            + ")",
            "import k8s.io/api.node has the wrong signature",
        ),
    ],
)
def test_modules_that_cannot_be_plugins(text: str, problem: str):
    async def main(bench: Bench) -> None:
        with pytest.raises(GuestError) as caught:
            await bench.load(text)
        assert problem in str(caught.value)
        assert str(caught.value).startswith("plugin test: ")

    run(main)


def test_a_start_function_that_panics():
    async def main(bench: Bench) -> None:
        with pytest.raises(GuestError) as caught:
            await bench.load(PANICS, config="z")
        said = "module[1] function[_start] failed: wasm error: unreachable"
        text = f"failed to create a guest pool: wasm: instantiate error: panic!\n\n{said}"
        assert str(caught.value) == "plugin test: " + text

    run(main)


def test_the_combination_is_checked_after_the_first_instance():
    async def main(bench: Bench) -> None:
        with pytest.raises(GuestError, match="failed to create a guest pool"):
            await bench.load(guest(function("prescore"), '(func (export "_start") unreachable)'))

    run(main)


@pytest.mark.parametrize(("code", "fits"), [(0, True), (3, False)])
def test_exit_in_start(code: int, fits: bool):
    text = f"""(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const {code})))
      {function("filter")})"""

    async def main(bench: Bench) -> None:
        if not fits:
            with pytest.raises(GuestError, match=r"closed with exit_code\(3\)"):
                await bench.load(text)
            return
        plugin = await bench.load(text)
        assert await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0]) is None

    run(main)


def test_initialize_is_called_once_where_there_is_no_start():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(wat("initialize"))
        assert await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0]) is None

    run(main)


def test_a_panic_in_enqueue_ends_loading():
    async def main(bench: Bench) -> None:
        with pytest.raises(GuestError) as caught:
            await bench.load(PANICS, config="a")
        assert str(caught.value) == "plugin test: wasm: enqueue error: panic!\n\nwasm error: unreachable"

    run(main)


# --- wiring


def test_bind_is_wired_only_when_asked_for():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(PANICS)
        assert plugin.points == {
            "pre_filter", "filter", "post_filter", "pre_score", "score", "normalize_score", "reserve",
            "permit", "pre_bind", "post_bind",
        }  # fmt: skip
        assert plugin.pre_filter_extensions
        plugin = await bench.load(PANICS, points=("bind", "prebind"))
        assert plugin.points == {"pre_filter", "bind", "pre_bind"}
        assert not plugin.pre_filter_extensions
        plugin = await bench.load(PANICS, points=("score",))
        assert plugin.points == {"pre_filter", "score", "normalize_score"}

    run(main)


def test_points_that_are_not_there():
    async def main(bench: Bench) -> None:
        with pytest.raises(GuestError, match="points: the module does not implement score"):
            await bench.load(MINIMAL, points=("score",))

    run(main)


def test_prefilter_is_called_but_has_no_verdict_where_it_is_left_out():
    async def main(bench: Bench) -> None:
        text = guest(function("filter"), '(func (export "prefilter") (result i32) (i32.const 2))')
        plugin = await bench.load(text, points=("filter",))
        assert await bench.begin(plugin, bench.pods["p"]) == (None, None)
        plugin = await bench.load(text)
        assert await bench.begin(plugin, bench.pods["p"]) == (None, Status(2))

    run(main)


# --- failures: status code 1 with the text users know


CALLS: dict[str, Any] = {
    "b prefilter": lambda p, b, pod, n: p.pre_filter(b.state, pod, b.nodes),
    "c addpod": lambda p, b, pod, n: p.add_pod(b.state, pod, pod, n),
    "d removepod": lambda p, b, pod, n: p.remove_pod(b.state, pod, pod, n),
    "e filter": lambda p, b, pod, n: p.filter(b.state, pod, n),
    "f postfilter": lambda p, b, pod, n: p.post_filter(b.state, pod, {}),
    "g prescore": lambda p, b, pod, n: p.pre_score(b.state, pod, b.nodes),
    "h score": lambda p, b, pod, n: p.score(b.state, pod, n),
    "i normalizescore": lambda p, b, pod, n: p.normalize_score(b.state, pod, b.nodes, [1, 2, 3]),
    "j reserve": lambda p, b, pod, n: p.reserve(b.state, pod, n.name),
    "k unreserve": lambda p, b, pod, n: p.unreserve(b.state, pod, n.name),
    "l permit": lambda p, b, pod, n: p.permit(b.state, pod, n.name),
    "m prebind": lambda p, b, pod, n: p.pre_bind(b.state, pod, n.name),
    "n bind": lambda p, b, pod, n: p.bind(b.state, pod, n.name),
    "o postbind": lambda p, b, pod, n: p.post_bind(b.state, pod, n.name),
}
ALL_POINTS = tuple(POINTS)


@pytest.mark.parametrize("which", CALLS)
def test_a_panic_at_each_point(which: str):
    letter, export = which.split()

    async def main(bench: Bench) -> None:
        plugin = await bench.load(PANICS, config=letter, points=ALL_POINTS)
        the_pod = bench.pods["p"]
        if export != "prefilter":
            assert await bench.begin(plugin, the_pod) == (None, None)
        answer = await CALLS[which](plugin, bench, the_pod, bench.nodes[0])
        expected = Status(Code.ERROR, (f"wasm: {export} error: panic!\n\nwasm error: unreachable",))
        if export in ("unreserve", "postbind"):
            assert answer is None
            assert bench.failures == [(f"failed {export}", expected.message)]
        else:
            assert expected in (answer if isinstance(answer, tuple) and answer != expected else [answer])
        for other, call in CALLS.items():  # a replaced instance serves the rest of the cycle
            if other != which:
                again = await call(plugin, bench, the_pod, bench.nodes[0])
                assert "error" not in repr(again) or export == "prefilter", other
        await plugin.end_cycle(bench.state, the_pod)

    run(main)


def test_output_of_successful_calls_is_forgotten():
    async def main(bench: Bench) -> None:
        noisy = PANICS.replace("unreachable)", ")")  # prints, but does not trap
        plugin = await bench.load(noisy, config="e")
        await bench.begin(plugin, bench.pods["p"])
        assert await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0]) is None
        (lease,) = plugin._leases.all()
        assert lease.instance is not None and lease.instance.output.take() == b""

    run(main)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("unreachable", "unreachable"),
        ("(drop (i32.load (i32.const 1000000)))", "out of bounds memory access"),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "integer divide by zero"),
        ("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "integer overflow"),
        ("(drop (i32.trunc_f64_u (f64.const nan)))", "invalid conversion to integer"),
        ("(drop (call 0))", "stack overflow"),
    ],
)
def test_kinds_of_traps(body: str, kind: str):
    async def main(bench: Bench) -> None:
        plugin = await bench.load(guest(f'(func (export "filter") (result i32) {body} (i32.const 0))'))
        status = await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0])
        assert status == Status(1, (f"wasm: filter error: wasm error: {kind}",))

    run(main)


def test_pointers_outside_memory_fail_the_call():
    text = """(module (import "k8s.io/scheduler" "currentPod" (func $pod (param i32 i32) (result i32)))
      (import "k8s.io/scheduler" "result.node_names" (func $names (param i32 i32)))
      (memory (export "memory") 1)
      (func (export "filter") (result i32) (call $pod (i32.const -1) (i32.const -1)))
      (func (export "reserve") (result i32) (call $names (i32.const -1) (i32.const 2)) (i32.const 0)))"""

    async def main(bench: Bench) -> None:
        plugin = await bench.load(text)
        status = await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0])
        assert status == Status(1, ("wasm: filter error: out of memory",))
        status = await plugin.reserve(bench.state, bench.pods["p"], "node-1")
        assert status == Status(1, ("wasm: reserve error: out of memory reading nodeNames",))

    run(main)


def test_a_guest_that_sleeps_too_long():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(wat("sleeps"), wall_timeout_s=0.5)
        status = await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0])
        assert status == Status(1, ("wasm: filter error: no answer within 0.5 s",))

    run(main)


def test_a_guest_that_uses_too_much_cpu_time():
    """On a busy machine 20 ms of CPU time can take seconds."""

    async def main(bench: Bench) -> None:
        plugin = await bench.load(wat("sleeps"), budget=Budget(cpu_s=0.02), wall_timeout_s=60.0)
        score = await plugin.score(bench.state, bench.pods["p"], bench.nodes[0])
        assert isinstance(score, Status) and score.code == 1
        assert "score error: the guest used its 20 ms of CPU time" in score.message

    run(main)


@pytest.mark.parametrize(
    "name", ["score-out-of-range", "scores-not-json", "score-wrong-type", "filter-traps"]
)
def test_faults(name: str):
    async def main(bench: Bench) -> None:
        try:
            plugin = await bench.load(fault(name))
        except GuestError as error:
            assert "wrong signature" in str(error)
            return
        the_pod = bench.pods["p"]
        answers = [await bench.begin(plugin, the_pod)]
        if "filter" in plugin.points:
            answers.append(await plugin.filter(bench.state, the_pod, bench.nodes[0]))
        if "score" in plugin.points:
            answers.append(await plugin.score(bench.state, the_pod, bench.nodes[0]))
        if "normalize_score" in plugin.points:
            answers.append(await plugin.normalize_score(bench.state, the_pod, bench.nodes, [1, 2, 3]))
        assert any(
            (isinstance(answer, Status) and answer.code == 1)
            or (isinstance(answer, int) and not 0 <= answer <= 100)
            for answer in answers
        )

    run(main)


# --- packed results


def letters(number: int) -> str:
    return "".join(chr(97 + (number >> shift & 15)) for shift in range(28, -1, -4))


@pytest.mark.parametrize("high", [0, 1, 7, -2147483648, 2147483647, -1])
@pytest.mark.parametrize("low", [0, 5, -2147483648, 2147483647])
def test_codes_and_scores_pass_unmodified(high: int, low: int):
    async def main(bench: Bench) -> None:
        plugin = await bench.load(
            wat("packed"),
            config=letters(high) + letters(low),
            points=("filter", "postfilter", "score", "permit", "bind"),
        )
        the_pod, node = bench.pods["p"], bench.nodes[0]
        code = Status(high) if high else None
        assert await plugin.filter(bench.state, the_pod, node) == code
        assert await plugin.bind(bench.state, the_pod, "node-1") == code
        assert await plugin.score(bench.state, the_pod, node) == (Status(low) if low else high)
        status = Status(low) if low else None
        assert await plugin.post_filter(bench.state, the_pod, {}) == (PostFilterResult("", high == 1), status)
        assert await plugin.permit(bench.state, the_pod, "node-1") == (code, (low & 0xFFFFFFFF) / 1000)

    run(main)


# --- which instance serves


def nominating(name: str) -> str:
    """A guest that nominates a node, whether or not there is one of that name."""
    return (
        '(module (import "k8s.io/scheduler" "result.nominated_node_name" (func $nominate (param i32 i32)))'
        f'(memory (export "memory") 1) (data (i32.const 0) "{name}") {function("filter")}'
        '(func (export "postfilter") (result i64)'
        f" (call $nominate (i32.const 0) (i32.const {len(name)})) (i64.const 0x100000000)))"
    )


def test_a_nominated_node_whose_name_can_be_none_fails_the_call():
    async def test(bench: Bench):
        plugin = await bench.load(nominating("node-99"))
        found, status = await plugin.post_filter(bench.state, bench.pods["p"], {})
        assert found is not None and found.nominated_node == "node-99" and status is None
        plugin = await bench.load(nominating("n" * 5000))
        found, status = await plugin.post_filter(bench.state, bench.pods["p"], {})
        assert found is None and status is not None and status.code == Code.ERROR
        assert status.message.startswith("wasm: postfilter error: nominated node name 'nnn")
        assert len(status.message) < 300

    run(test)


async def filtered(plugin: GuestPlugin, bench: Bench, name: str) -> int:
    status = await plugin.filter(bench.state, bench.pods[name], bench.nodes[0])
    assert status is not None
    return status.code


def test_each_pod_keeps_its_instance_until_its_cycle_ends():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(wat("counts"))
        a, b = bench.pods["a"], bench.pods["b"]
        await bench.begin(plugin, a)
        assert [await filtered(plugin, bench, "a") for _ in range(3)] == [101, 102, 103]
        await bench.begin(plugin, b)
        assert await filtered(plugin, bench, "b") == 101
        assert await plugin.reserve(bench.state, a, "node-1") == Status(203)
        assert await plugin.reserve(bench.state, b, "node-1") == Status(201)
        assert plugin._leases.guest.pool.in_use == 2
        await plugin.end_cycle(bench.state, a)
        await plugin.end_cycle(bench.state, a)
        await plugin.end_cycle(bench.state, b)
        assert plugin._leases.guest.pool.in_use == 0
        await bench.begin(plugin, b)
        assert await filtered(plugin, bench, "b") == 101

    run(main, pods=[pod("a"), pod("b")])


def test_a_plugin_that_only_schedules_needs_one_instance():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(wat("counts"), points=("filter",))
        for name in "abc":
            await bench.begin(plugin, bench.pods[name])
            assert await filtered(plugin, bench, name) == 101
            assert plugin._leases.guest.pool.in_use == 1
        assert len(plugin._leases.all()) == 1

    run(main, pods=[pod("a"), pod("b"), pod("c")])


def test_verdicts_outside_a_cycle_get_a_prefilter_first():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(wat("counts"))
        assert await filtered(plugin, bench, "p") == 101
        assert await filtered(plugin, bench, "p") == 102

    run(main)


def test_the_number_of_instances_is_bounded():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(wat("counts"), max_instances=2, wall_timeout_s=1.0)
        await bench.begin(plugin, bench.pods["a"])
        await bench.begin(plugin, bench.pods["b"])
        names, status = await bench.begin(plugin, bench.pods["c"])
        said = "wasm: instantiate error: all 2 instances serve other Pods, none was free in 1 s"
        assert (names, status) == (None, Status(1, (said,)))
        await plugin.end_cycle(bench.state, bench.pods["c"])
        await plugin.end_cycle(bench.state, bench.pods["a"])
        assert await bench.begin(plugin, bench.pods["c"]) == (None, None)

    run(main, pods=[pod("a"), pod("b"), pod("c")])


def test_a_trap_costs_the_instance_and_nobody_else():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(PANICS, config="e")
        for _ in range(50):
            await bench.begin(plugin, bench.pods["p"])
            status = await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0])
            assert status is not None and status.code == 1
            await plugin.end_cycle(bench.state, bench.pods["p"])
        assert plugin._leases.guest.pool.in_use == 0

    run(main)


def test_swapping_the_module_while_a_cycle_runs():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(wat("counts"))
        a, b = bench.pods["a"], bench.pods["b"]
        await bench.begin(plugin, a)
        old = plugin._leases.guest
        template = Template(bench.engine, module(bench.engine, MINIMAL), old.template.hosts)
        changed = await plugin.swap(template, GuestOptions(name="test", depends_on=frozenset({"pod"})))
        assert changed and plugin.points == {"pre_filter", "filter"}
        assert plugin.depends_on == {"pod"}
        await bench.begin(plugin, b)
        assert await plugin.filter(bench.state, b, bench.nodes[0]) is None
        assert old.pool.in_use == 0  # a plugin that only schedules takes over

    run(main, pods=[pod("a"), pod("b")])


def test_a_cycle_ends_with_the_module_it_began_with():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(wat("counts"))
        a, b = bench.pods["a"], bench.pods["b"]
        await bench.begin(plugin, a)
        await filtered(plugin, bench, "a")
        old = plugin._leases.guest
        template = Template(bench.engine, module(bench.engine, PANICS), old.template.hosts)
        await plugin.swap(template, GuestOptions(name="test"))
        assert await plugin.reserve(bench.state, a, "node-1") == Status(201)
        await bench.begin(plugin, b)
        assert await plugin.reserve(bench.state, b, "node-1") is None
        await plugin.end_cycle(bench.state, a)
        assert old.pool.in_use == 0

    run(main, pods=[pod("a"), pod("b")])


def test_a_module_that_cannot_be_used_is_not_swapped_in():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(wat("counts"))
        old = plugin._leases.guest
        template = Template(
            bench.engine, module(bench.engine, guest(function("prescore"))), old.template.hosts
        )
        with pytest.raises(GuestError, match="must be exported"):
            await plugin.swap(template, GuestOptions(name="test"))
        assert plugin._leases.guest is old
        assert await filtered(plugin, bench, "p") == 101
        plugin.close()
        assert old.pool.in_use == 0

    run(main)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"budget": Budget(cpu_s=0.001)}, "wasm: the guests' calls for this Pod took 0.01 s of CPU time"),
        ({"wall_timeout_s": 0.02, "budget": Budget(cpu_s=60)}, "wasm: the guests' calls for this Pod took 0.2 s"),
    ],
    ids=["CPU", "clock"],
)
def test_a_guest_may_not_use_its_time_on_every_node(options: dict[str, Any], said: str):
    """Each call is within its own bounds; all of them together are not within those of a cycle."""

    async def main(bench: Bench) -> None:
        plugin = await bench.load(guest(function("filter"), '(func (export "unreserve"))', function("reserve")))
        p, q = bench.pods["p"], bench.pods["q"]
        await bench.begin(plugin, p)
        guest_of_p = plugin._leases.of(p, bench.state.spent).guest
        object.__setattr__(guest_of_p, "options", replace(guest_of_p.options, **options))
        for _ in range(100_000):
            status = await plugin.filter(bench.state, p, bench.nodes[0])
            if status is not None and said in status.message:
                break
        assert status is not None and (status.code, status.message) == (Code.ERROR, said)
        await plugin.unreserve(bench.state, p, "node-1")
        await plugin.end_cycle(bench.state, p)
        bench.state = CycleState()
        assert (await bench.begin(plugin, q))[1] is None
        assert await plugin.filter(bench.state, q, bench.nodes[0]) is None, "the next Pod has its own time"
        await plugin.end_cycle(bench.state, q)

    run(main, pods=[pod("p"), pod("q")])


def test_all_guests_of_a_cycle_share_its_time_and_what_tells_of_the_end_has_a_call_more():
    """Two guests in a profile would else take twice as long, and one without a name for its instance any time."""

    async def main(bench: Bench) -> None:
        made = guest(function("filter"), function("reserve"), '(func (export "unreserve"))')
        one, two = await bench.load(made), await bench.load(made)
        p, spent = bench.pods["p"], bench.state.spent
        for plugin in (one, two):
            await bench.begin(plugin, p)
        assert await one.filter(bench.state, p, bench.nodes[0]) is None
        assert 0 < spent.wall_s < 20 and spent.cpu_s < 10, "the making of instances counts"
        spent.wall_s = 20.0
        for plugin in (one, two):
            status = await plugin.filter(bench.state.clone(), p, bench.nodes[0])
            assert status is not None and status.message == "wasm: the guests' calls for this Pod took 20 s"
        await one.unreserve(bench.state, p, "node-1")
        assert bench.failures == []
        spent.wall_s = 22.0
        await one.unreserve(bench.state, p, "node-1")
        assert bench.failures == [("failed unreserve", "wasm: the guests' calls for this Pod took 22 s")]
        for plugin in (one, two):
            await plugin.end_cycle(bench.state, p)
        assert one._leases.guest.pool._free == [], "it was not told of the end of what it may remember"
        assert len(two._leases.guest.pool._free) == 1

    run(main)


def test_the_wait_for_an_instance_and_its_start_end_with_the_cycle():
    """The second instance never comes to an end of `_start`."""
    second = (
        '(module (import "k8s.io/klog" "severity" (func $severity (result i32))) (memory (export "memory") 1 1)'
        ' (func (export "_start") (if (call $severity) (then (loop $on (br $on)))))'
        ' (func (export "filter") (result i32) (i32.const 0)))'
    )

    async def main(bench: Bench) -> None:
        plugin = await bench.load(second, wall_timeout_s=60.0, budget=Budget(cpu_s=60.0), idle_instances=0)
        object.__setattr__(plugin._leases.guest.options, "log_severity", 1)
        bench.state.spent.wall_s = 600.0 - 0.05
        status = await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0])
        assert status is not None and status.message.startswith("wasm: instantiate error: no instance within 0.0")
        assert plugin._leases.guest.pool.in_use == 0
        said = (await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0])).message
        assert said == "wasm: the guests' calls for this Pod took 600 s"

    run(main)


def test_a_call_may_take_no_more_than_what_is_left_of_the_cycle():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(SPINS, wall_timeout_s=60.0, budget=Budget(cpu_s=60.0))
        await bench.begin(plugin, bench.pods["p"])
        bench.state.spent.wall_s = 600.0 - 0.5
        status = await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0])
        assert status is not None and status.message.startswith("wasm: filter error: no answer within 0.")

    run(main)


SPINS = guest('(func (export "filter") (result i32) (loop $on (br $on)) (i32.const 0))')


def test_a_guest_that_computes_too_long_by_the_clock():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(SPINS, budget=Budget(cpu_s=60.0), wall_timeout_s=0.5)
        status = await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0])
        assert status == Status(1, ("wasm: filter error: no answer within 0.5 s",))
        assert plugin._leases.guest.pool.in_use == 0

    run(main)


def test_a_cycle_that_is_cancelled_gives_its_instance_back_dead():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(SPINS, budget=Budget(cpu_s=60.0), wall_timeout_s=60.0)
        with trio.move_on_after(0.02) as scope:
            await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0])
        assert scope.cancelled_caught
        await plugin.end_cycle(bench.state, bench.pods["p"])
        assert plugin._leases.guest.pool.in_use == 0
        assert plugin._leases.guest.pool._free == [], "the instance was in the middle of a call"

    run(main)


SPINS_IN_RESERVE = guest(
    '(func (export "reserve") (result i32) (loop $on (br $on)) (i32.const 0)) (func (export "unreserve"))'
)


def test_a_pod_whose_call_was_cancelled_is_taken_back_by_an_instance_that_is_alive():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(SPINS_IN_RESERVE, budget=Budget(cpu_s=60.0), wall_timeout_s=60.0)
        with trio.move_on_after(0.02) as scope:
            await plugin.reserve(bench.state, bench.pods["p"], bench.nodes[0].name)
        assert scope.cancelled_caught
        await plugin.unreserve(bench.state, bench.pods["p"], bench.nodes[0].name)
        await plugin.end_cycle(bench.state, bench.pods["p"])
        assert plugin._leases.guest.pool.in_use == 0

    run(main)


READS_POD = (
    '(module (import "k8s.io/scheduler" "currentPod" (func $pod (param i32 i32) (result i32)))'
    ' (memory (export "memory") 1)'
    ' (func (export "filter") (result i32) (drop (call $pod (i32.const 0) (i32.const 4096))) (i32.const 0)))'
)


@pytest.mark.parametrize("place", ["host function", "call"])
def test_an_error_of_ours_costs_the_call_its_instance_and_nothing_else(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(bench: Bench) -> None:
        plugin = await bench.load(READS_POD)
        bad, good = bench.pods["p"], bench.pods["q"]
        encode, call = GuestWorld.pod, LoadedGuest.call

        def breaking_encode(world: GuestWorld, some: PodInfo) -> bytes:
            if some is bad:
                raise RecursionError("too deep")
            return encode(world, some)

        async def breaking_call(*args: Any) -> int | None:
            monkeypatch.setattr(LoadedGuest, "call", call)
            raise ValueError("odd")

        await bench.begin(plugin, bad)
        if place == "host function":
            monkeypatch.setattr(GuestWorld, "pod", breaking_encode)
            status = await plugin.filter(bench.state, bad, bench.nodes[0])
            assert status == Status(Code.ERROR, ("wasm: filter error: RecursionError: too deep",))
        else:
            monkeypatch.setattr(LoadedGuest, "call", breaking_call)
            with pytest.raises(ValueError, match="odd"):
                await plugin.filter(bench.state, bad, bench.nodes[0])
        assert plugin._leases.guest.pool.in_use == 0
        await plugin.end_cycle(bench.state, bad)
        await bench.begin(plugin, good)
        assert await plugin.filter(bench.state, good, bench.nodes[0]) is None
        await plugin.end_cycle(bench.state, good)
        assert plugin._leases.guest.pool.in_use == 0 and not plugin._leases.all()

    run(main, pods=[pod("p"), pod("q")])


# --- host functions in real linear memory


POINTERS = (0, 1, 8, 65_528, 65_535, 65_536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@pytest.mark.parametrize(
    ("place", "host"), HOSTS.items(), ids=lambda value: value[1] if type(value) is tuple else ""
)
def test_no_pointer_does_harm(place: tuple[str, str], host: HostFunction):
    async def main(bench: Bench) -> None:
        template = Template(bench.engine, module(bench.engine, fault("pointers-scheduler")), HOSTS)
        kept = bench.pods["p"]
        world = GuestWorld(bench.handle)
        rng = random.Random(place[1])
        for _ in range(60):
            instance = await template.instantiate(GuestState(world, config="{}"), Budget())
            instance.state.begin(Call(partial(world.pod, kept), b"node-1", target=partial(world.pod, kept)))
            with closing(instance), suppress(AbiError):
                await instance.call(place[1], *(rng.choice(POINTERS) for _ in host.params))

    run(main)


@pytest.mark.parametrize("name", ["device-fit", "power-aware"])
def test_the_sample_plugins_load(name: str):
    async def main(bench: Bench) -> None:
        binary = SAMPLES / name / f"{name}.wasm"
        plugin = await bench.load(binary.read_bytes(), config="{}")
        _, status = await bench.begin(plugin, bench.pods["p"])
        assert status is None or status.code == Code.SKIP
        for each in bench.nodes:
            if "filter" in plugin.points:
                assert await plugin.filter(bench.state, bench.pods["p"], each) is None
            if "score" in plugin.points:
                assert isinstance(await plugin.score(bench.state, bench.pods["p"], each), int)

    run(main)
