"""A simulation of changes keeps what the one without them had, wherever the rules leave a choice."""

from __future__ import annotations

from typing import Any

import pytest

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.cycle import run_now
from edged.scheduling.core.point_plan import ProfileConfig
from edged.scheduling.core.profile import build
from edged.scheduling.explain.sentences import CHANCE
from edged.scheduling.simulation import changes
from edged.scheduling.simulation.baseline import KEPT, SPARED, Baseline, Choice
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.simulation import Outcome, Simulation
from tests.scheduling.makers import node, pod
from tests.scheduling.simulation.test_simulation import fate, owned, picture, simulate


def places(outcome: Outcome) -> dict[str, str]:
    return {key.name: one.node for key, one in outcome.fates.items()}


def alike(nodes: int, waiting: int) -> ClusterState:
    """Equal nodes, and Pods of three sizes that wait."""
    return picture(
        *(node(f"n{n:03}") for n in range(nodes)),
        *(pod(f"p{n:03}", requests={"cpu": f"{100 + n % 3 * 50}m"}) for n in range(waiting)),
    )


@pytest.mark.parametrize("nodes", [24, 300])  # with 300 nodes, a search looks at a part of them
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equal_nodes_keep_their_pods_whatever_changes_elsewhere(nodes: int, seed: int) -> None:
    before_state = alike(nodes, 20)
    before = simulate(before_state, seed=seed)
    state = before_state.copy()
    unused = next(key.name for key in state.nodes if key.name not in places(before).values())
    changes.remove_node(state, unused)
    after = simulate(state, seed=seed, baseline=before.baseline())
    assert places(after) == places(before)


def test_without_a_baseline_the_seed_decides() -> None:
    state = alike(20, 20)
    first, again, other = (simulate(state, seed=seed) for seed in (0, 0, 1))
    assert places(first) == places(again) != places(other)
    assert "chance decided between them" in fate(first, "p000").why


def test_a_tie_keeps_the_node_and_says_so() -> None:
    state = alike(20, 1)
    before = simulate(state, seed=3)
    after = simulate(state.copy(), seed=4, baseline=before.baseline())
    assert places(after) == places(before)
    assert KEPT in fate(after, "p000").why


def test_a_pod_that_has_to_move_leaves_others_their_nodes() -> None:
    """Ten Pods wait for ten of twenty nodes; a drained one may take any of the other ten, so it does."""
    state = picture(
        *(node(f"n{n:02}", cpu="2") for n in range(20)),
        node("old", cpu="2"),
        *(owned(pod(f"runs{n}", node="old", requests={"cpu": "300m"}, priority=9)) for n in range(6)),
        *(pod(f"p{n}", requests={"cpu": "1900m"}) for n in range(10)),
    )
    before = simulate(state)
    changed = state.copy()
    changes.drain(changed, "old")
    after = simulate(changed, baseline=before.baseline())
    assert {name: place for name, place in places(after).items() if name.startswith("p")} == {
        name: place for name, place in places(before).items() if name.startswith("p")
    }
    assert all(place for place in places(after).values())
    assert {after.fates[key].why.rpartition("; ")[2] for key in after.fates if key.name == "runs0"} <= {SPARED, CHANCE}


def test_a_better_node_is_taken_all_the_same() -> None:
    state = alike(5, 5)
    before = simulate(state)
    changed = state.copy()
    changed.put("Node", node("wide", cpu="64", memory="64Gi"))
    after = simulate(changed, baseline=before.baseline())
    assert set(places(after).values()) == {"wide"}


def test_placing_running_pods_again_moves_none_of_them_without_a_reason() -> None:
    state = picture(*(node(f"n{n}") for n in range(9)), *(owned(pod(f"r{n}", node=f"n{n}")) for n in range(9)))
    before = simulate(state)
    changed = state.copy()
    changes.reschedule(changed, "all")
    after = simulate(changed, baseline=before.baseline())
    assert places(after) == places(before)


def test_equal_preemptions_evict_the_same_pod() -> None:
    def crowded(extra: int) -> ClusterState:
        return picture(
            *(node(f"n{n:02}", cpu="2") for n in range(12 + extra)),
            *(pod(f"small{n:02}", node=f"n{n:02}", requests={"cpu": "2"}) for n in range(12 + extra)),
            pod("big", requests={"cpu": "2"}, priority=100),
        )

    for seed in range(5):
        before = simulate(crowded(0), seed=seed)
        after = simulate(crowded(3), seed=seed, baseline=before.baseline())
        assert fate(after, "big").node == fate(before, "big").node != ""


def test_without_scores_the_first_node_that_fits_is_that_of_the_baseline() -> None:
    def run(state: ClusterState, **options: Any) -> Outcome:
        simulation = Simulation(state, **options)
        wanted = ("PrioritySort", "DefaultBinder", "NodeName")
        refs = tuple(ref for ref in ProfileConfig("edged").multi_point if ref.name in wanted)
        simulation.use([build(ProfileConfig("edged", multi_point=refs), simulation)])
        return run_now(simulation.run())

    state = alike(8, 4)
    before = run(state)
    changed = state.copy()
    changes.remove_node(changed, next(n for n in ("n006", "n007") if n not in places(before).values()))
    changed.put("Pod", pod("a-new-one", priority=5))
    after = run(changed, baseline=before.baseline())
    assert {name: place for name, place in places(after).items() if name != "a-new-one"} == places(before)


def test_what_chance_may_choose_from() -> None:
    first, second, third = (NamespacedName("default", name) for name in ("first", "second", "third"))
    baseline = Baseline({third: Choice("a", "", 3), first: Choice("a", "", 1), second: Choice("b", "", 2)})
    assert list(baseline.spared(["a", "b"])) == ["a", "b"]  # nobody waits
    baseline.waits([first, second, third, NamespacedName("default", "new")])
    assert list(baseline.spared(["a", "b", "c", "d"])) == ["c", "d"]
    assert list(baseline.spared(["a", "b"])) == ["b"]
    baseline.placed(first)
    assert list(baseline.spared(["a", "b"])) == ["a"]
    baseline.placed(third)
    baseline.placed(third)
    assert list(baseline.spared(["a", "b"])) == ["a"]
    baseline.placed(second)
    assert list(baseline.spared(["a", "b"])) == ["a", "b"]
