"""edged schedules Pods that kubectl creates, on its own API server and on the real one.

What is expected is the same on both. What goes wrong on the way is in test_scheduling_faults.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.cluster.scheduling import (
    DEVICE_FIT,
    POWER_AWARE,
    Daemon,
    Object,
    Scene,
    condition,
    node,
    plugin,
    pod,
    until,
    wat_module,
)
from tests.guests.scheduler import build as guests

SCHEDULER = '[scheduler]\nnames = ["edged"]\n'


@pytest.fixture
def plain(scene: Scene) -> Iterator[Daemon]:
    """edged with the native plugins only."""
    with Daemon(scene.server.kubeconfig, SCHEDULER) as daemon:
        yield daemon


def five_nodes() -> list[Object]:
    """Two have a camera, one of them two; two are on mains, the others on batteries of 10, 50 and 90 %."""
    power = [("mains", ""), ("mains", ""), ("battery", "10"), ("battery", "50"), ("battery", "90")]
    cameras = ["", "1", "2", "", ""]
    nodes = []
    for i, (kind, charge) in enumerate(power):
        labels = {"edged.dev/power": kind}
        if charge:
            labels["edged.dev/battery-percent"] = charge
        if cameras[i]:
            labels["device.edged.dev/camera"] = cameras[i]
        nodes.append(node(f"node-{i}", labels=labels, cpu="8", pods="20"))
    return nodes


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A guest in Zig that exports all there is; its filter turns down nodes with the label "closed"."""
    folder = tmp_path_factory.mktemp("everything")
    (folder / "module.wasm").write_bytes(guests.zig("everything", folder))
    return folder / "module.wasm"


@pytest.mark.toolchains("zig")
def test_a_batch_with_wasm_plugins(scene: Scene, everything: Path, tmp_path: Path) -> None:
    packed = wat_module("packed", tmp_path / "packed.wasm")
    config = SCHEDULER + "".join(
        (
            plugin("device-fit", DEVICE_FIT, depends_on=["pod", "node"]),
            plugin("power-aware", POWER_AWARE, weight=5),
            plugin("closed", everything, points=["filter"]),
            # Scores every node 7: changes nothing.
            plugin("packed", packed, points=["filter", "score"], config="aaaaaaaaaaaaaaaa"),
        )
    )
    nodes = five_nodes()
    nodes[4]["metadata"]["labels"]["closed"] = "repairs"
    scene.apply(*nodes)
    ask = [{"edged.dev/device": "camera"} if i % 4 == 0 else {} for i in range(60)]
    pods = [pod(f"web-{i}", labels={"app": "web", **ask[i]}, cpu="400m") for i in range(60)]
    with Daemon(scene.server.kubeconfig, config) as daemon:
        scene.apply(*pods)
        placed = scene.wait_bound(seconds=90)
        explained = daemon.explain("web-59", scene.namespace)
        assert daemon.status()["scheduler"]["profiles"] == ["edged"]
        until(lambda: len(scheduled_events(scene)) == 60, lambda: len(scheduled_events(scene)))
    assert "node-4" not in placed.values()
    assert {placed[f"web-{i}"] for i in range(60) if ask[i]} <= {"node-1", "node-2"}
    assert max(Counter(placed.values()).values()) <= 20, "8 CPUs are 20 times 400m"
    assert explained["nodes"]["node-4"]["filter"]["closed"] == "node node-4 is closed: repairs"
    assert explained["node"] == placed["web-59"]
    uids = {name: found["metadata"]["uid"] for name, found in scene.pods().items()}
    for name, event in scheduled_events(scene).items():
        assert event["note"] == f"Successfully assigned {scene.namespace}/{name} to {placed[name]}"
        assert event["reportingController"] == "edged"
        assert event["action"] == "Binding"
        assert event["type"] == "Normal"
        assert event["regarding"]["uid"] == uids[name]


def scheduled_events(scene: Scene) -> dict[str, Object]:
    """Pod -> its only Scheduled event."""
    events = [e for e in scene.items("events.v1.events.k8s.io") if e["reason"] == "Scheduled"]
    names = Counter(event["regarding"]["name"] for event in events)
    assert all(times == 1 for times in names.values()), names
    return {event["regarding"]["name"]: event for event in events}


def test_power_decides_where_there_is_room(scene: Scene) -> None:
    scene.apply(*five_nodes())
    config = SCHEDULER + plugin("power-aware", POWER_AWARE, weight=100, config='{"mains_score": 10}')
    with Daemon(scene.server.kubeconfig, config):
        scene.apply(pod("battery"))
        assert scene.wait_bound()["battery"] == "node-4"


def test_a_label_brings_rejected_pods_back(scene: Scene) -> None:
    scene.apply(*five_nodes())
    with Daemon(scene.server.kubeconfig, SCHEDULER + plugin("device-fit", DEVICE_FIT)) as daemon:
        scene.apply(pod("tpu", labels={"edged.dev/device": "tpu"}))
        message = "0/5 nodes are available: 5 node has no tpu."
        scene.wait_rejected("tpu", message)
        assert daemon.explain("tpu", scene.namespace)["message"].startswith(message)
        until(lambda: len(scene.events("tpu", "FailedScheduling")) == 1)
        event = scene.events("tpu", "FailedScheduling")[0]
        assert (event["type"], event["action"]) == ("Warning", "Scheduling")
        assert event["note"].startswith(f"{message} preemption: ")
        assert event["reportingController"] == "edged"
        scene.kubectl("label", "node", "node-3", "device.edged.dev/tpu=1")
        assert scene.wait_bound()["tpu"] == "node-3"
        assert condition(scene.pods()["tpu"])["status"] == "True"


def test_selectors_taints_ports_and_room(scene: Scene, plain: Daemon) -> None:
    gpu = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
    scene.apply(node("a", labels={"disk": "ssd"}), node("b", cpu="1"), node("c", taints=[gpu]))
    scene.apply(
        pod("ssd", nodeSelector={"disk": "ssd"}),
        pod("tape", nodeSelector={"disk": "tape"}),
        pod(
            "tolerant",
            nodeSelector={"kubernetes.io/hostname": "c"},
            tolerations=[{"key": "gpu", "operator": "Exists"}],
        ),
        pod("large", cpu="6"),
    )
    scene.wait_rejected(
        "tape",
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), "
        "2 node(s) didn't match Pod's node affinity/selector.",
    )
    scene.wait_rejected(
        "large", "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu."
    )
    placed = scene.wait_bound("ssd", "tolerant")
    assert (placed["ssd"], placed["tolerant"]) == ("a", "c")
    scene.kubectl("taint", "node", "c", "gpu-")
    scene.kubectl("label", "node", "c", "disk=tape")
    assert scene.wait_bound("tape")["tape"] == "c"
    scene.kubectl("cordon", "a")
    scene.apply(pod("late", nodeSelector={"disk": "ssd"}))
    scene.wait_rejected(
        "late",
        "0/3 nodes are available: 1 node(s) were unschedulable, "
        "2 node(s) didn't match Pod's node affinity/selector.",
    )
    scene.kubectl("uncordon", "a")
    assert scene.wait_bound("late")["late"] == "a"


def test_host_ports_are_used_once_per_node(scene: Scene, plain: Daemon) -> None:
    scene.apply(node("a"), node("b"))
    scene.apply(*(pod(f"p{i}", ports=[8080]) for i in range(2)))
    assert sorted(scene.wait_bound().values()) == ["a", "b"]
    scene.apply(pod("p2", ports=[8080]))
    said = "2 node(s) didn't have free ports for the requested pod ports."
    scene.wait_rejected("p2", f"0/2 nodes are available: {said}")
    scene.kubectl("delete", "pod", "p0", "-n", scene.namespace, "--force", "--grace-period=0")
    scene.wait_bound("p2")


def test_sidecars_on_the_hosts_network_have_their_ports_alone(scene: Scene, plain: Daemon) -> None:
    """The API server says which ports of the host they have; kubelets would start both, and one would never run."""
    sidecar = {"name": "s", "image": "s:1", "restartPolicy": "Always", "ports": [{"containerPort": 8081}]}
    scene.apply(node("a"), node("b"))
    scene.apply(*(pod(f"p{i}", hostNetwork=True, initContainers=[sidecar]) for i in range(2)))
    assert sorted(scene.wait_bound().values()) == ["a", "b"]
    scene.apply(pod("p2", ports=[8081]))
    said = "2 node(s) didn't have free ports for the requested pod ports."
    scene.wait_rejected("p2", f"0/2 nodes are available: {said}")


def test_the_label_of_a_namespace_brings_pods_back(scene: Scene, plain: Daemon) -> None:
    term = {
        "topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}},
        "namespaceSelector": {"matchLabels": {"team": scene.namespace}},
    }  # fmt: skip
    near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    scene.apply(node("a"), node("b"))
    scene.apply(pod("web", labels={"app": "web"}))
    web = scene.wait_bound("web")["web"]
    scene.apply(pod("near", affinity=near))
    scene.wait_rejected("near", "0/2 nodes are available: 2 node(s) didn't match pod affinity rules.")
    scene.kubectl("label", "namespace", scene.namespace, f"team={scene.namespace}")
    assert scene.wait_bound("near")["near"] == web  # long before the flush of five minutes


def test_a_pod_that_is_counted_no_more_and_a_node_that_goes_wake_those_that_wait(scene: Scene, plain: Daemon) -> None:
    """kube-scheduler lets them sleep until the other Pods have been deleted, which on a dead node takes for ever."""
    scene.apply(node("a", labels={"zone": "a"}), node("b", labels={"zone": "b"}, cpu="100m"))
    web = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "zone"}
    scene.apply(pod("counted", labels={"app": "web"}, nodeName="a", terminationGracePeriodSeconds=3600))
    spread = {**web, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    scene.apply(pod("spread", labels={"app": "web"}, cpu="1", topologySpreadConstraints=[spread]))
    skewed = "1 Insufficient cpu, 1 node(s) didn't match pod topology spread constraints."
    scene.wait_rejected("spread", f"0/2 nodes are available: {skewed}")
    scene.kubectl("delete", "pod", "counted", "-n", scene.namespace, "--wait=false")
    assert scene.wait_bound("spread")["spread"] == "a"

    scene.apply(node("c", labels={"zone": "b"}))
    scene.apply(pod("other", labels={"app": "web"}, nodeName="b"))
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [web]}}
    scene.apply(pod("apart", affinity=apart))
    scene.wait_rejected("apart", "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.")
    scene.kubectl("delete", "node", "b")
    assert scene.wait_bound("apart")["apart"] == "c"


def test_gates_hold_a_pod_back(scene: Scene, plain: Daemon) -> None:
    scene.apply(node("a"))
    scene.apply(pod("gated", schedulingGates=[{"name": "example.com/wait"}]), pod("free"))
    scene.wait_bound("free")
    found = scene.pods()["gated"]
    assert "nodeName" not in found["spec"]
    assert condition(found)["reason"] == "SchedulingGated"
    patch = orjson.dumps({"spec": {"schedulingGates": []}}).decode()
    scene.kubectl("patch", "pod", "gated", "-n", scene.namespace, "--type=merge", "-p", patch)
    assert scene.wait_bound("gated")["gated"] == "a"


def test_a_pending_pod_can_be_deleted(scene: Scene, plain: Daemon) -> None:
    scene.apply(pod("waits"))
    scene.wait_rejected("waits", "no nodes available to schedule pods")
    scene.kubectl("delete", "pod", "waits", "-n", scene.namespace, "--timeout=20s")
    until(lambda: sum(plain.status()["scheduler"]["pending"].values()) == 0, plain.status)
    scene.apply(node("a"))
    scene.apply(pod("waits"))
    assert scene.wait_bound() == {"waits": "a"}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (
            {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]},
            'persistentvolumeclaim "data" not found',
        ),
        (
            {"resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}]},
            "edged does not allocate devices: Pods with resourceClaims need another scheduler",
        ),
    ],
    ids=["missing volume", "device"],
)
def test_what_nobody_can_provide_is_waited_for(scene: Scene, plain: Daemon, spec: Object, reason: str) -> None:
    scene.apply(node("a"))
    scene.apply(pod("special", **spec), pod("usual"))
    scene.wait_bound("usual")
    until(lambda: condition(scene.pods()["special"]) != {})
    found = condition(scene.pods()["special"])
    assert (found["status"], found["reason"]) == ("False", "Unschedulable")
    assert found["message"].startswith("0/1 nodes are available: ")
    assert reason in found["message"]


def test_pods_of_other_schedulers_are_left_alone(scene: Scene, plain: Daemon) -> None:
    scene.apply(node("a", pods="1"))
    scene.apply(pod("theirs", scheduler="default-scheduler"))
    scene.apply(pod("ours"))
    assert scene.wait_bound("ours") == {"ours": "a", "theirs": ""}
    assert condition(scene.pods()["theirs"]) == {}


def test_a_stopped_daemon_leaves_the_rest_to_the_next(scene: Scene) -> None:
    scene.apply(node("a"))
    with Daemon(scene.server.kubeconfig, SCHEDULER) as daemon:
        scene.apply(pod("one"))
        scene.wait_bound("one")
        daemon.stop()
        assert '"stopping"' in daemon.log or "stopping" in daemon.log
        scene.apply(pod("two"))
        daemon.start()
        assert scene.wait_bound() == {"one": "a", "two": "a"}
