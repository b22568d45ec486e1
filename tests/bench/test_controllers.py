"""What is made of the measurements of controllers, and what their modules and tables are."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edged.fabric.names import mac_of
from edged.json_text import dumps
from tests.bench.controllers import addressed, agent, fabric, memory, modules, reviews, ring, wake
from tests.bench.controllers.fabric_helper import FabricHelper
from tests.bench.controllers.memory import Memory
from tests.bench.support import BenchError

REMOTE = {"vni": 1, "guestMAC": mac_of(1, "10.1.0.2"), "guestIP": "10.1.0.2"}


def test_a_ring_is_compared_by_medians_and_ours_divides() -> None:
    found = {
        "edged": [{"ms": ms, "cpu_ms": 50.0} for ms in (400.0, 9000.0, 400.0)],
        "go": [{"ms": 200.0, "cpu_ms": 25.0}] * 3,
    }
    figures = ring.figures(found, controllers=100)
    assert (figures["ctl_ring_100"], figures["ctl_ring_cpu"], figures["ctl_ring_hop_ms"]) == (0.5, 0.5, 4.0)


def test_a_parked_module_is_what_further_ones_cost_and_a_live_one_comes_on_top() -> None:
    pss = {"base": 40.0, "parked": 46.0, "live": 66.0, "live_go": 146.0, "many": 71.0, "many_parked": 62.0,
           "go": 660.0, "go_one_file": 132.0, "runtime": 66.0, "runtime_one_file": 33.0}  # fmt: skip
    found = {key: Memory(rss=value + 10, pss=value) for key, value in pss.items()}
    figures = memory.figures(found, many=100, some=20)
    assert figures["ctl_idle_module_mib"] == 0.2
    assert figures["ctl_live_module_mib"] == 1.2
    assert figures["ctl_live_go_module_mib"] == 5.2
    assert (figures["ctl_100_modules_mib"], figures["ctl_first_mib"]) == (31.0, 2.0)
    assert (figures["ctl_memory_over_go"], figures["ctl_memory_over_runtime_one_file"]) == (10.0, 0.5)
    assert figures["ctl_memory_over_go_parked"] == 14.35
    assert (figures["ctl_go_rss_mib"], figures["ctl_go_pss_mib"]) == (670.0, 660.0)


def test_a_wake_is_what_a_hop_takes_longer() -> None:
    found = {"zig": [0.003] * 3, "zig_parked": [0.005, 0.004, 0.9], "go": [0.004], "go_parked": [0.014]}
    figures = wake.figures(found, {"zig": 21_000, "go": 3_300_000})
    assert (figures["ctl_wake_ms"], figures["ctl_wake_go_ms"]) == (2.0, 10.0)
    assert figures["ctl_wake_go_module_kb"] == 3300.0


@pytest.mark.parametrize(
    ("seen", "twice"),
    [
        ([("a/1", (1, "10.0.0.2")), ("a/2", (1, "10.0.0.3"))], 0),
        ([("a/1", (1, "10.0.0.2")), ("a/2", (2, "10.0.0.2"))], 0),
        ([("a/1", (1, "10.0.0.2")), ("a/2", (1, "10.0.0.2"))], 1),
        ([("a/1", (1, "10.0.0.2")), ("a/1", (1, "10.0.0.3"))], 1),
    ],
)
def test_an_address_that_two_had_is_counted_and_so_is_a_second_one(
    seen: list[tuple[str, tuple[int, str]]], twice: int
) -> None:
    assert addressed.given_twice(seen) == twice


def test_an_attachment_has_an_address_when_its_status_says_so() -> None:
    assert addressed.address_of({"status": {"ipv4": "10.0.0.2", "addressVNI": 7}}) == (7, "10.0.0.2")
    assert addressed.address_of({"status": {"ipv4": ""}}) is None
    assert addressed.address_of({}) is None


def test_agents_are_compared_by_pss_and_the_goal_is_about_rss() -> None:
    figures = agent.figures({"edged": [(40.0, 30.0)], "go": [(20.0, 15.0)]})
    assert (figures["ctl_agent_only_mib"], figures["ctl_agent_over_go"]) == (40.0, 2.0)


def test_reviews_are_compared_with_the_same_load_of_another_process() -> None:
    found = {side: [{"p99_ms": p99, "per_s": 100.0}] for side, p99 in (("quiet", 2.0), ("apart", 4.0), ("same", 5.0))}
    figures = reviews.figures(found)
    assert figures["review_p99_beside_controllers"] == 1.25
    assert figures["review_p99_beside_controllers_over_quiet"] == 2.5


def test_a_table_is_toml_that_says_what_the_controller_may_do() -> None:
    text = modules.ring_table(3, Path("/m.wasm"), idle_s=0.2, more=modules.go_memory())
    (table,) = tomllib.loads(text)["controller"]
    assert (table["name"], table["module"], table["idle_s"]) == ("ring-3", "file:///m.wasm", 0.2)
    assert table["config"] == {"from": "ring-3", "to": "ring-4"}
    assert [rule["namespaces"] for rule in table["allow"]] == [["ring-3"], ["ring-4"]]
    assert table["memory_limit_mib"] == modules.GO_MEMORY_MIB


def test_variants_of_a_module_differ_by_a_section_that_says_nothing(tmp_path: Path) -> None:
    module = tmp_path / "m.wasm"
    module.write_bytes(b"\0asm\1\0\0\0")
    found = [path.read_bytes() for path in modules.variants(module, 3, tmp_path)]
    assert len(set(found)) == 3
    assert found[2] == b"\0asm\1\0\0\0" + b"\0\x09\x05bench002"


def test_the_fabric_notes_when_an_entry_was_made_first(tmp_path: Path) -> None:
    helper = FabricHelper(tmp_path / "a.sock", "192.0.2.1")
    ask = dumps({"op": "CreateRemoteIfc", "args": {**REMOTE, "hostIP": "192.0.2.2"}})
    assert helper.answer(ask) == {"result": {"created": True}}
    first = helper.remote[1, "10.1.0.2"]
    assert helper.answer(ask) == {"result": {"created": False}}
    assert helper.remote == {(1, "10.1.0.2"): first} and not helper.local
    refused = helper.answer(dumps({"op": "CreateRemoteIfc", "args": REMOTE}))
    assert "error" in refused


def test_a_way_begins_at_one_node_and_ends_at_the_other(tmp_path: Path) -> None:
    here, there = FabricHelper(tmp_path / "a.sock", "192.0.2.1"), FabricHelper(tmp_path / "b.sock", "192.0.2.2")
    here.local, there.remote = {(1, "10.1.0.2"): 5.0}, {(1, "10.1.0.2"): 5.25}
    both = [here, there]
    assert fabric.delays(fabric.local_of(both), both) == [0.25]
    with pytest.raises(BenchError, match="nothing is known of 1 entries"):
        fabric.delays({}, both)
    figures = fabric.figures([0.001, 0.002, 0.003], [0.01])
    assert (figures["ctl_fabric_p50_ms"], figures["ctl_fabric_p99_ms"], figures["ctl_fabric_entries"]) == (2.0, 3.0, 3)


def test_addresses_are_those_of_several_instances_and_faults_those_of_all_rounds() -> None:
    one = {"per_s": 60.0, "between_per_s": 61.0, "locks": 1, "twice": 0, "cpu_percent": 9.0, "rss": 50.0, "pss": 40.0}
    figures = addressed.figures({1: [one], addressed.CONCURRENCY: [one | {"per_s": 200.0, "locks": 0, "twice": 2}]})
    assert (figures["ctl_addressed_per_s"], figures["ctl_addressed_by_one_instance_per_s"]) == (200.0, 60.0)
    assert (figures["ctl_addressed_twice"], figures["ctl_addressed_locks_too_many"]) == (2, 1)
