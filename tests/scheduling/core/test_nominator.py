"""Nominations: one node per Pod, and what is not written yet survives updates that do not know of it."""

from edged.scheduling.core.nominator import Nominator
from tests.scheduling.makers import pod_info


def names(nominator, node_name):
    return [pod.key.name for pod in nominator.on(node_name)]


def test_a_pod_is_nominated_to_one_node():
    nominator = Nominator()
    assert not nominator
    nominator.add(pod_info("p"), "a")
    nominator.add(pod_info("p"), "b")
    nominator.add(pod_info("q", nominated="b"))
    nominator.add(pod_info("unknown"))
    assert (names(nominator, "a"), names(nominator, "b")) == ([], ["p", "q"])
    assert (nominator.node_of("uid-p"), nominator.node_of("uid-unknown")) == ("b", "")
    nominator.remove("uid-p")
    nominator.remove("uid-q")
    assert not nominator


def test_an_update_keeps_what_the_status_does_not_say_yet():
    nominator, pod = Nominator(), pod_info("p")
    nominator.add(pod, "a")
    nominator.update(pod, pod_info("p", labels={"x": "y"}))
    assert nominator.node_of("uid-p") == "a"
    nominator.update(pod, written := pod_info("p", nominated="b"))
    assert nominator.node_of("uid-p") == "b"
    nominator.update(written, pod)
    assert nominator.node_of("uid-p") == ""


def test_only_others_of_at_least_its_priority_stand_against_a_pod():
    nominator = Nominator()
    nominator.add(pod_info("p", priority=5), "a")
    assert nominator.any_against(pod_info("q", priority=5))
    assert not nominator.any_against(pod_info("q", priority=6))
    assert not nominator.any_against(pod_info("p", priority=5))
