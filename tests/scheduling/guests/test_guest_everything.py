"""Guests in Zig and Go that use every export and every import of the scheduler ABI."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from edged.scheduling.core.binding import end_cycle
from edged.scheduling.core.cluster_events import Action
from edged.scheduling.core.cycle import Algorithm, CycleError
from edged.scheduling.core.framework import CycleState, PostFilterResult
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.outcome import Evaluation
from edged.scheduling.core.plugin_status import Status
from edged.scheduling.core.profile import with_guests
from edged.scheduling.guests.exports import POINTS
from edged.scheduling.guests.guest import GuestPlugin
from edged.wasm.account import Budget
from tests.guests.scheduler import build
from tests.scheduling.guests.support import Bench, FakeWaitingPod, node, pod, run

pytestmark = pytest.mark.timeout(600)  # a first build takes minutes


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return build.zig("everything", tmp_path_factory.mktemp("zig"))


@pytest.fixture(scope="module")
def go_guest(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return build.go("goguest", tmp_path_factory.mktemp("go"))


@pytest.mark.toolchains("zig")
def test_all_fifteen_exports_are_wired(everything: bytes):
    async def main(bench: Bench) -> None:
        plugin = await bench.load(everything, points=tuple(POINTS))
        assert plugin.points == {
            "pre_filter", "filter", "post_filter", "pre_score", "score", "normalize_score", "reserve",
            "permit", "pre_bind", "bind", "post_bind",
        }  # fmt: skip
        events = [tuple(registration.event)[:2] for registration in plugin.events_to_register()]
        assert events == [
            ("Node", Action.ALL),
            ("Pod", Action.DELETE),
            ("PersistentVolumeClaim", Action.UPDATE),
        ]

    run(main)


@pytest.mark.toolchains("zig")
def test_prefilter_narrows_rejects_and_skips(everything: bytes):
    pods = [
        pod("some", only="node-2.node-33"),
        pod("bad", reject="because"),
        pod("idle", skip="yes"),
        pod("p"),
    ]

    async def main(bench: Bench) -> None:
        plugin = await bench.load(everything)
        assert await bench.begin(plugin, bench.pods["some"]) == (frozenset({"node-2", "node-33"}), None)
        assert await bench.begin(plugin, bench.pods["bad"]) == (None, Status(2, ("rejected: because",)))
        assert await bench.begin(plugin, bench.pods["idle"]) == (None, Status(5))
        assert await bench.begin(plugin, bench.pods["p"]) == (None, None)

    run(main, pods=pods)


@pytest.mark.toolchains("zig")
def test_filter_reads_the_node(everything: bytes):
    async def main(bench: Bench) -> None:
        plugin = await bench.load(everything)
        await bench.begin(plugin, bench.pods["p"])
        verdicts = {n.name: await plugin.filter(bench.state, bench.pods["p"], n) for n in bench.nodes}
        assert verdicts == {"node-1": None, "node-2": Status(2, ("node node-2 is closed: maintenance",))}

    run(main, nodes=[node("node-1"), node("node-2", closed="maintenance")])


@pytest.mark.toolchains("zig")
def test_the_extensions_of_prefilter_see_the_other_pod(everything: bytes):
    async def main(bench: Bench) -> None:
        plugin = await bench.load(everything)
        the_pod, other, where = bench.pods["p"], bench.pods["other"], bench.nodes[1]
        await bench.begin(plugin, the_pod)
        status = await plugin.add_pod(bench.state, the_pod, other, where)
        assert status == Status(2, ("added other for p on node-2",))
        status = await plugin.remove_pod(bench.state, the_pod, other, where)
        assert status == Status(2, ("removed other for p on node-2",))

    run(main, pods=[pod("p"), pod("other")])


@pytest.mark.toolchains("zig")
def test_postfilter_sees_codes_and_nominates(everything: bytes):
    async def main(bench: Bench) -> None:
        plugin = await bench.load(everything)
        await bench.begin(plugin, bench.pods["p"])
        answer = await plugin.post_filter(
            bench.state, bench.pods["p"], {"node-1": Status(2), "node-2": Status(3)}
        )
        status = Status(2, ('statuses {"node-1":2,"node-2":3}',))
        assert answer == (PostFilterResult("node-9", True), status)

    run(main)


@pytest.mark.toolchains("zig")
def test_prescore_logs_and_records_an_event(everything: bytes):
    async def main(bench: Bench) -> None:
        plugin = await bench.load(everything)
        await bench.begin(plugin, bench.pods["p"])
        assert await plugin.pre_score(bench.state, bench.pods["p"], bench.nodes[:2]) is None
        assert bench.lines == [(0, r'"prescore" nodes="[\"node-1\",\"node-2\"]" pod="p"'), (2, "plain")]
        (event,) = bench.handle.events
        assert int(event.pop("note").removesuffix(" bytes of nodes")) > 300
        regarding = {"kind": "Pod", "name": "p"}
        assert event.pop("regarding") == regarding and event.pop("related") is None
        assert event == {"type": "Normal", "reason": "Looked", "action": "PreScore"}

    run(main)


@pytest.mark.toolchains("zig")
def test_nothing_is_logged_at_severity_three(everything: bytes):
    async def main(bench: Bench) -> None:
        plugin = await bench.load(everything, log_severity=3)
        await bench.begin(plugin, bench.pods["p"])
        await plugin.pre_score(bench.state, bench.pods["p"], bench.nodes)
        assert bench.lines == []

    run(main)


@pytest.mark.toolchains("zig")
def test_scores_and_their_normalizing(everything: bytes):
    async def main(bench: Bench) -> None:
        plugin = await bench.load(everything)
        the_pod = bench.pods["p"]
        await bench.begin(plugin, the_pod)
        assert [await plugin.score(bench.state, the_pod, n) for n in bench.nodes] == [1, 2, 33]
        scores = [1, 2, 33]
        assert await plugin.normalize_score(bench.state, the_pod, bench.nodes, scores) is None
        assert scores == [1, 2, 33]
        plugin = await bench.load(everything, config='{"node-33":10000,"node-1":-1,"node-2":0}')
        assert await plugin.normalize_score(bench.state, the_pod, bench.nodes, scores) is None
        assert scores == [-1, 0, 10000]
        plugin = await bench.load(everything, config='{"node-1":1}')
        status = await plugin.normalize_score(bench.state, the_pod, bench.nodes, scores)
        sizes = "size mismatch: scores has 3 elements, but updatedScores has 1 elements"
        assert status == Status(1, ("wasm: normalizescore error: " + sizes,))

    run(main)


@pytest.mark.toolchains("zig")
def test_a_failed_score_is_a_status(everything: bytes):
    async def main(bench: Bench) -> None:
        plugin = await bench.load(everything)
        score = await plugin.score(bench.state, bench.pods["p"], bench.nodes[0])
        assert score == Status(1, ("node zone-a has no number",))

    run(main, nodes=[node("zone-a")])


@pytest.mark.toolchains("zig")
def test_the_binding_part_happens_in_the_instance_of_the_pod(everything: bytes):
    async def main(bench: Bench) -> None:
        plugin = await bench.load(everything, points=tuple(POINTS))
        first, second = bench.pods["p"], bench.pods["q"]
        for each in (first, second):
            await bench.begin(plugin, each)
        for each, where in ((first, "node-1"), (second, "node-2")):
            assumed = each.on(where)
            status = await plugin.reserve(CycleState(), assumed, where)
            shared, own = {"Size": 1000, "NumNodes": 3}, {"Size": 1000, "NumNodes": 1}
            images = {f"image-of-{where}": own, "shared": shared}
            assert status is not None and status.code == 2
            assert orjson.loads(status.message.removeprefix("images ")) == images
            assert await plugin.permit(CycleState(), assumed, where) == (Status(4), 1.5)
        for each, where in ((second, "node-2"), (first, "node-1")):
            assumed = each.on(where)
            assert await plugin.pre_bind(CycleState(), assumed, where) is None
            assert await plugin.bind(CycleState(), assumed, where) == Status(5)
            await plugin.post_bind(CycleState(), assumed, where)
            await plugin.unreserve(CycleState(), assumed, where)
            await plugin.end_cycle(CycleState(), assumed)
        assert bench.lines == [(0, "bound"), (0, "unreserved")] * 2
        assert plugin._leases.guest.pool.in_use == 0

    run(main, pods=[pod("p"), pod("q")])


@pytest.mark.toolchains("zig")
def test_waiting_pods(everything: bytes):
    async def main(bench: Bench) -> None:
        waiting = FakeWaitingPod(bench.pods["w"])
        bench.handle.waiting["uid-w"] = waiting
        said = {}
        for config in ("reject uid-w", "reject uid-x", "get uid-w", "get uid-x"):
            plugin = await bench.load(everything, config=config)
            status, _ = await plugin.permit(bench.state, bench.pods["p"], "node-1")
            assert status is not None and status.code == 2
            said[config] = status.message
        size = len(plugin._world.pod(bench.pods["w"]).rstrip(b"\0"))
        assert said == {
            "reject uid-w": "rejected 1", "reject uid-x": "rejected 0", "get uid-w": f"found {size}",
            "get uid-x": "found 0",
        }  # fmt: skip
        assert waiting.rejections == [("", "removed")]

    run(main, pods=[pod("p"), pod("w")])


@pytest.mark.toolchains("zig")
def test_a_node_list_of_many_nodes(everything: bytes):
    async def main(bench: Bench) -> None:
        plugin = await bench.load(everything)
        await bench.begin(plugin, bench.pods["p"])
        await plugin.pre_score(bench.state, bench.pods["p"], bench.nodes)
        (event,) = bench.handle.events
        assert int(event["note"].split()[0]) == len(plugin._world.node_list())

    run(main, nodes=[node(f"node-{i}") for i in range(300)])


@pytest.mark.toolchains("go")
def test_a_guest_in_go(go_guest: bytes):
    async def main(bench: Bench) -> None:
        limits: dict[str, Any] = {"budget": Budget(cpu_s=5.0), "wall_timeout_s": 10.0}

        async def load(config: str) -> GuestPlugin:
            plugin = await bench.load(go_guest, config=config, **limits)
            assert plugin.points == {"pre_filter", "filter", "score"}
            assert await bench.begin(plugin, bench.pods["p"]) == (None, None)
            return plugin

        plugin = await load("count")
        status = await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0])
        assert status == Status(2, ("initialised, 3 nodes",))
        assert [await plugin.score(bench.state, bench.pods["p"], n) for n in bench.nodes] == [1, 2, 33]
        plugin = await load("node-2")
        assert await plugin.filter(bench.state, bench.pods["p"], bench.nodes[0]) is None
        failed = await plugin.filter(bench.state, bench.pods["p"], bench.nodes[1])
        assert failed is not None and failed.code == 1
        size = len(plugin._world.pod(bench.pods["p"]))
        assert failed.message.startswith(f"wasm: filter error: panic: node node-2 of a Pod of {size} bytes")
        assert await plugin.filter(bench.state, bench.pods["p"], bench.nodes[2]) is None

    run(main)


@pytest.mark.toolchains("zig")
def test_a_large_pod_is_read_in_two_steps(everything: bytes):
    async def main(bench: Bench) -> None:
        plugin = await bench.load(everything)
        names, status = await bench.begin(plugin, bench.pods["big"])
        assert (names, status) == (None, Status(2, ("rejected: late",)))

    big = pod("big", reject="late")
    big["metadata"]["annotations"] = {"a": "x" * 100_000}
    run(main, pods=[big])


@pytest.mark.toolchains("zig")
def test_whole_cycles_with_a_guest_in_the_profile(everything: bytes):
    async def main(bench: Bench) -> None:
        plugin = await bench.load(everything)
        profile = with_guests("edged", bench.handle, [(plugin, 10)])
        algorithm = Algorithm(bench.snapshot, Nominator())

        async def cycle(name: str) -> Evaluation:
            evaluation = await algorithm.schedule(profile, CycleState(), bench.pods[name])
            await end_cycle(profile, CycleState(), bench.pods[name])
            return evaluation

        assert (await cycle("p")).node_name == "node-33"
        evaluation = await cycle("some")
        assert evaluation.node_name == "node-2"
        assert evaluation.status("node-1") == Status(3, ("node(s) didn't satisfy plugin(s) [test]",))
        evaluation = await cycle("bad")
        assert evaluation.node_name == ""
        assert evaluation.message() == "0/4 nodes are available: rejected: because."
        assert plugin._leases.guest.pool.in_use == 0

    nodes = [node("node-1"), node("node-2"), node("node-33"), node("node-99", closed="today")]
    run(main, nodes=nodes, pods=[pod("p"), pod("some", only="node-2.node-99"), pod("bad", reject="because")])


def test_a_guest_that_panics_fails_the_cycle_with_its_own_words():
    async def main(bench: Bench) -> None:
        plugin = await bench.load(build.wat("panics"), config="h")
        profile = with_guests("edged", bench.handle, [(plugin, 1)])
        with pytest.raises(CycleError) as caught:
            await Algorithm(bench.snapshot, Nominator()).schedule(profile, CycleState(), bench.pods["p"])
        said = "wasm: score error: panic!\n\nwasm error: unreachable"
        assert str(caught.value) == f'running Score plugins: plugin "test" failed with: {said}'

    run(main)
