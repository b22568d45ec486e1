"""What is asked of Pods as plain objects."""

from __future__ import annotations

from edged.scheduling.simulation.pod_objects import ORIGIN, has_ended, is_daemon, is_mirror, like, node_of, owner
from tests.scheduling.makers import pod
from tests.scheduling.simulation.test_simulation import owned


def test_facts() -> None:
    plain = pod("p", node="a")
    assert (node_of(plain), owner(plain), is_daemon(plain), is_mirror(plain), has_ended(plain)) == (
        "a", ("", ""), False, False, False,
    )  # fmt: skip
    assert has_ended({**plain, "status": {"phase": "Failed"}})
    assert is_daemon(owned(pod("p"), "DaemonSet", "d"))


def test_a_pod_like_another_is_a_pod_of_its_own_in_each_namespace() -> None:
    copies = [like(pod("p", namespace=name), "q", "why") for name in ("one", "two")]
    assert copies[0]["metadata"]["uid"] != copies[1]["metadata"]["uid"]
    assert copies[0]["metadata"]["annotations"] == {ORIGIN: "why"}
