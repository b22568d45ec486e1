"""edged's scheduling cycle against the real kube-scheduler: same nodes, texts and scores on random states.

kube-scheduler places each random Pod under three profiles; edged then gets the same objects as the API server
completed them. Equal must be: the feasible set, the message of a Pod that fits nowhere, and every native
plugin's normalised score times weight. The choice must be one of the nodes with the highest total (both break
ties at random).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edged.scheduling.cycle import evaluate
from edged.scheduling.evaluation import Evaluation
from edged.scheduling.profile import FACTORIES, NOT_BUILT, PluginRef, ProfileConfig, merge_multi_point
from tests.kube.cluster import Cluster
from tests.kube.differential import DISABLED_ADMISSION, PROFILES, Observed, RealScheduler, as_json
from tests.kube.states import Object, make_state

SEEDS = 200


def config_of(profile: Object) -> ProfileConfig:
    """The same profile for edged, without the plugins that it does not have."""
    enabled = profile.get("plugins", {}).get("multiPoint", {}).get("enabled", [])
    return ProfileConfig(
        scheduler_name=profile["schedulerName"],
        multi_point=merge_multi_point([PluginRef(plugin["name"], plugin["weight"]) for plugin in enabled]),
        args={
            entry["name"]: entry["args"]
            for entry in profile.get("pluginConfig", [])
            if entry["name"] in FACTORIES
        },
    )


CONFIGS = {profile["schedulerName"]: config_of(profile) for profile in PROFILES}


def differences(observed: Observed) -> list[str]:
    """What edged makes otherwise of the same state; one text each, none when all is equal."""
    state = observed.state
    ours = evaluate(CONFIGS[observed.profile], state.nodes, state.assigned, state.incoming)
    found = []
    if observed.error:
        found.append(f"kube-scheduler failed: {observed.error}")
    if (feasible := frozenset(ours.feasible_names())) != observed.feasible:
        found.append(f"feasible: ours {sorted(feasible)}, theirs {sorted(observed.feasible)}")
    elif not feasible:
        found += _unequal("message", ours.message(), _without_post_filter(observed.message))
    elif len(feasible) > 1:
        found += _score_differences(ours, observed)
    return found


def _score_differences(ours: Evaluation, observed: Observed) -> Iterator[str]:
    by_plugin = ours.final_scores()
    for node, theirs in sorted(observed.scores.items()):
        built = {plugin: score for plugin, score in theirs.items() if plugin not in NOT_BUILT}
        yield from _unequal(f"scores of {node}", {name: row[node] for name, row in by_plugin.items()}, built)
    totals = ours.totals()
    if observed.chosen not in {node for node, total in totals.items() if total == max(totals.values())}:
        yield f"chosen: theirs {observed.chosen}, our totals {totals}"


def _unequal(what: str, ours: object, theirs: object) -> list[str]:
    return [] if ours == theirs else [f"{what}:\n    ours   {ours}\n    theirs {theirs}"]


def _without_post_filter(message: str) -> str:
    """edged has no preemption; what kube-scheduler's says follows the reasons."""
    return message.partition(" preemption: ")[0]


@pytest.fixture(scope="module")
def observations() -> list[Observed]:
    """What kube-scheduler makes of all the states under all profiles."""
    with Cluster(disable_admission=DISABLED_ADMISSION) as cluster, RealScheduler(cluster) as scheduler:
        return [observed for seed in range(SEEDS) for observed in scheduler.observe(make_state(seed))]


@pytest.mark.kube
def test_verdicts_texts_and_scores_equal_those_of_kube_scheduler(observations: list[Observed]) -> None:
    different = [(observed, found) for observed in observations if (found := differences(observed))]
    # The smallest first: it is the one to look into.
    different.sort(key=lambda pair: len(as_json(pair[0])))
    shown = "\n".join(_shown(observed, found) for observed, found in different[:10])
    assert not different, f"{len(different)} of {len(observations)} differ; the smallest:\n{shown}"


@pytest.mark.kube
def test_states_are_varied_enough_to_mean_something(observations: list[Observed]) -> None:
    fitting = sum(len(observed.feasible) > 1 for observed in observations)
    failing = sum(not observed.feasible for observed in observations)
    assert min(fitting, failing) > len(observations) / 4
    scored = {
        plugin for o in observations for row in o.scores.values() for plugin, score in row.items() if score
    }
    scoring = {"TaintToleration", "NodeAffinity", "NodeResourcesFit", "ImageLocality"}
    assert scored >= scoring | {"NodeResourcesBalancedAllocation"}
    texts = " ".join(observed.message for observed in observations)
    for reason in ("Insufficient cpu", "Too many pods", "untolerated taint", "unschedulable", "free ports"):
        assert reason in texts


def _shown(observed: Observed, found: list[str]) -> str:
    lines = "\n  ".join(found)
    return f"seed {observed.state.seed}, profile {observed.profile}:\n  {lines}"
