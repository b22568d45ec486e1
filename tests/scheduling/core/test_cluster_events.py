"""Which plugins hear of a cluster event: the resource and one of the actions must be theirs; a star is anything."""

import pytest

from edged.scheduling.core.cluster_events import WILDCARD, Action, ClusterEvent

LABEL = ClusterEvent("Node", Action.UPDATE_NODE_LABEL)


@pytest.mark.parametrize(
    ("registered", "hears"),
    [
        (LABEL, True),
        (ClusterEvent("Node", Action.ADD | Action.UPDATE_NODE_LABEL), True),
        (ClusterEvent("Node", Action.UPDATE), True),
        (ClusterEvent("Node", Action.ADD | Action.UPDATE_NODE_TAINT), False),
        (ClusterEvent("Pod", Action.ALL), False),
        (ClusterEvent(WILDCARD, Action.ALL), True),
    ],
)
def test_who_hears_of_a_changed_label(registered, hears):
    assert LABEL.matches(registered) is hears


def test_everybody_hears_of_an_event_about_anything():
    assert ClusterEvent(WILDCARD, Action.ALL).matches(ClusterEvent("Pod", Action.DELETE))


def test_updates_are_all_that_is_neither_an_addition_nor_a_deletion():
    assert Action.UPDATE | Action.ADD | Action.DELETE == Action.ALL
    assert not Action.UPDATE & (Action.ADD | Action.DELETE)
