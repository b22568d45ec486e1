"""`load.py`: the load is the one that it says."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from tests.controllers.network.judge import assignable
from tests.controllers.network.load import Plan


def test_sizes_fall_by_a_power_law() -> None:
    assert Plan().sizes == [100, 50, 34, 25, 20, 17, 15, 13, 12, 10]
    assert Plan(networks=3, top=8, exponent=2.0, bias=1.0).sizes == [4, 2, 1]


def test_each_network_has_subnets_for_all_its_slots() -> None:
    plan = Plan(networks=4, top=9, exponent=2.0)
    assert plan.sizes == [9, 3, 1, 1]
    names = [subnet.name for subnet in plan.subnets]
    assert names == ["net-0-0", "net-0-1", "net-1-0", "net-1-1", "net-2-0", "net-3-0"]
    for subnet in plan.subnets:
        size = plan.sizes[int(subnet.name.split("-")[1])]
        assert len(assignable({"spec": {"ipv4": subnet.ipv4}})) >= size
    assert not IPv4Network(plan.subnets[0].ipv4).overlaps(IPv4Network(plan.subnets[1].ipv4))


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_every_slot_is_filled_and_deletions_come_before_creations(arrivals) -> None:
    plan = Plan(arrivals=arrivals)
    live: dict[str, int] = {}
    made, most = 0, 0
    steps = list(plan.steps())
    for step in steps:
        network = int(step.subnet.split("-")[1])
        if step.verb == "delete":
            assert live.pop(step.attachment) == network
            continue
        live[step.attachment] = network
        made += 1
        most = max(most, len(live))
        assert list(live.values()).count(network) <= plan.sizes[network]
    assert (made, most, live) == (450, sum(plan.sizes), {})
    assert [step.at_s for step in steps] == sorted(step.at_s for step in steps)
    assert list(dict.fromkeys(step.phase for step in steps)) == ["warm-up", "cruise", "cool-down"]


def test_a_load_is_the_same_with_the_same_seed() -> None:
    assert list(Plan(seed=4).steps()) == list(Plan(seed=4).steps()) != list(Plan(seed=5).steps())
