"""A KubeSchedulerConfiguration file: guests by guestURL, weights, arguments; and what is said of bad ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cluster.edged import create, policy, remove_objects
from tests.cluster.edged import pod as plain_pod
from tests.cluster.scheduling import (
    DEVICE_FIT,
    POWER_AWARE,
    Daemon,
    Object,
    Scene,
    condition,
    node,
    pod,
    until,
    wat_module,
)


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """URL of a loopback server with the sample modules."""
    folder = tmp_path / "web"
    folder.mkdir()
    for module in (DEVICE_FIT, POWER_AWARE):
        (folder / module.name).write_bytes(module.read_bytes())
    (folder / "text.wasm").write_text("not a module")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def configuration(*profiles: Object, **settings: object) -> Object:
    """A KubeSchedulerConfiguration."""
    head = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
    return {**head, "profiles": list(profiles), **settings}


def profile(name: str, guests: dict[str, Object], **plugins: object) -> Object:
    """A profile with these guests (name -> args, weight among them) in multiPoint."""
    weights = {guest: args.pop("weight", 1) for guest, args in guests.items()}
    enabled = [{"name": guest, "weight": weight} for guest, weight in weights.items()]
    return {
        "schedulerName": name,
        "plugins": {"multiPoint": {"enabled": enabled}, **plugins},
        "pluginConfig": [{"name": guest, "args": args} for guest, args in guests.items()],
    }


def written(folder: Path, document: object) -> str:
    """The file, as the TOML that names it."""
    path = folder / "scheduler.yaml"
    path.write_bytes(orjson.dumps(document) if not isinstance(document, str) else document.encode())
    return f'[scheduler]\nconfig = "{path}"\n'


def test_guests_by_file_and_http(scene: Scene, web: str, tmp_path: Path) -> None:
    document = configuration(
        profile("devices", {"device-fit": {"guestURL": f"file://{DEVICE_FIT}"}}),
        profile("mains", {"power": {"guestURL": f"{web}/{POWER_AWARE.name}", "weight": 100}}),
        profile(
            "batteries",
            {
                "power": {
                    "guestURL": f"{web}/{POWER_AWARE.name}",
                    "guestConfig": json.dumps({"mains_score": 0, "battery_score": 100}),
                    "weight": 100,
                }
            },
        ),
        parallelism=4,
    )
    full = {"edged.dev/power": "battery", "edged.dev/battery-percent": "100"}
    scene.apply(node("a", labels={"edged.dev/power": "mains"}), node("b", labels=full))
    with Daemon(scene.server.kubeconfig, written(tmp_path, document)) as daemon:
        assert daemon.status()["scheduler"]["profiles"] == ["devices", "mains", "batteries"]
        assert "parallelism" in daemon.log, "what has no effect is said"
        scene.apply(
            pod("camera", scheduler="devices", labels={"edged.dev/device": "camera"}),
            *(pod(f"mains-{i}", scheduler="mains") for i in range(3)),
            *(pod(f"battery-{i}", scheduler="batteries") for i in range(3)),
        )
        scene.wait_rejected("camera", "0/2 nodes are available: 2 node has no camera.")
        placed = scene.wait_bound(*(f"{kind}-{i}" for kind in ("mains", "battery") for i in range(3)))
        assert {placed[f"mains-{i}"] for i in range(3)} == {"a"}
        assert {placed[f"battery-{i}"] for i in range(3)} == {"b"}
        score = daemon.explain("mains-0", scene.namespace)["nodes"]["a"]
        assert (score["score"]["power"], score["final"]["power"]) == (100, 10000)


def test_disabled_plugins_and_arguments_of_native_ones(scene: Scene, tmp_path: Path) -> None:
    fit = {"scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 1}]}}
    packing = {
        "schedulerName": "packing",
        "plugins": {
            "score": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeResourcesFit", "weight": 1}]}
        },
        "pluginConfig": [{"name": "NodeResourcesFit", "args": fit}],
    }
    careless = {
        "schedulerName": "careless",
        "plugins": {"filter": {"disabled": [{"name": "TaintToleration"}]}},
    }
    scene.apply(node("a"), node("b", taints=[{"key": "k", "effect": "NoSchedule"}]))
    with Daemon(scene.server.kubeconfig, written(tmp_path, configuration(packing, careless))):
        scene.apply(*(pod(f"packed-{i}", scheduler="packing", cpu="500m") for i in range(4)))
        assert set(scene.wait_bound().values()) == {"a"}
        scene.kubectl("cordon", "a")
        scene.apply(pod("bold", scheduler="careless"))
        assert scene.wait_bound("bold")["bold"] == "b"


def test_the_backoff_of_the_file_counts(sandbox_scene: Scene, tmp_path: Path) -> None:
    """A Pod whose plugin fails is tried again each second; by default the sixth time comes after 25 s."""
    traps = wat_module("filter-traps", tmp_path / "traps.wasm")
    guest = profile("hasty", {"traps": {"guestURL": f"file://{traps}"}})
    document = configuration(guest, podInitialBackoffSeconds=1, podMaxBackoffSeconds=1)
    scene = sandbox_scene
    with Daemon(scene.server.kubeconfig, written(tmp_path, document)) as daemon:
        scene.apply(node("a"), pod("p", scheduler="hasty"))
        until(lambda: bool(condition(scene.pods()["p"])))
        until(lambda: daemon.explain("p", scene.namespace)["attempts"] >= 6, seconds=20)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("profiles: [", "scheduler.yaml: not valid YAML: "),
        ({"kind": "Pod"}, "scheduler.yaml: apiVersion and kind: must be kubescheduler.config.k8s.io/v1"),
        (
            configuration({"schedulerName": "x", "plugins": {"filtr": {}}}),
            "scheduler.yaml: profiles[0].plugins.filtr: unknown field",
        ),
        (
            configuration({"schedulerName": "x", "plugins": {"score": {"enabled": [{"name": "nobody"}]}}}),
            "scheduler.yaml: profiles[0].plugins.score.enabled[0].name: plugin 'nobody' is not known",
        ),
        (
            configuration(profile("x", {"g": {}})),
            "scheduler.yaml: profiles[0].plugins.multiPoint.enabled: plugin 'g' is not known; a guest needs an entry "
            "in pluginConfig, with guestURL",
        ),
        (
            configuration({"schedulerName": "x"}, podInitialBackoffSeconds=0),
            "scheduler.yaml: podInitialBackoffSeconds: must be a number of seconds above 0, not 0",
        ),
        (
            configuration({"schedulerName": "x"}, podInitialBackoffSeconds=20),
            "scheduler.yaml: podMaxBackoffSeconds: must be at least podInitialBackoffSeconds",
        ),
        (
            configuration(profile("x", {"g": {"guestURL": "file:///nowhere/g.wasm"}})),
            "scheduler.yaml: profiles[0].pluginConfig 'g': wasm: error reading guestURL file:///nowhere/g.wasm: "
            "open /nowhere/g.wasm: no such file or directory",
        ),
        (
            configuration(profile("x", {"g": {"guestURL": "WEB/missing.wasm"}})),
            "scheduler.yaml: profiles[0].pluginConfig 'g': wasm: error reading guestURL WEB/missing.wasm: "
            'received 404 status code from "WEB/missing.wasm"',
        ),
        (
            configuration(profile("x", {"g": {"guestURL": "http://127.0.0.1:9/g.wasm"}})),
            "scheduler.yaml: profiles[0].pluginConfig 'g': wasm: error reading guestURL http://127.0.0.1:9/g.wasm: ",
        ),
        (
            configuration(profile("x", {"g": {"guestURL": "WEB/text.wasm"}})),
            "scheduler.yaml: profiles[0].pluginConfig 'g': ",
        ),
        (
            configuration(profile("x", {"g": {"guestURL": "file://WRONG"}})),
            "scheduler.yaml: profiles[0].pluginConfig 'g': ",
        ),
    ],
    ids=[
        "yaml",
        "kind",
        "field",
        "plugin",
        "url",
        "backoff",
        "max",
        "file",
        "status",
        "refused",
        "text",
        "signature",
    ],
)
def test_a_scheduler_that_cannot_start_says_why(document: Any, said: str, web: str, tmp_path: Path) -> None:
    """No cluster is needed for that; admission has nothing to do with it and serves."""
    wrong = wat_module("score-wrong-type", tmp_path / "wrong.wasm")
    text = document if isinstance(document, str) else orjson.dumps(document).decode()
    text = text.replace("WEB", web).replace("WRONG", str(wrong))
    policies = [policy("privileged", "pod-privileged")]
    config = written(tmp_path, text)
    with Daemon(None, config, policies=policies, register="none") as daemon:
        scheduler = daemon.status()["scheduler"]
        assert said.replace("WEB", web) in scheduler["error"]
        assert scheduler["error"].startswith(str(tmp_path))
        assert "scheduler not started" in daemon.log
        shown = daemon.command("status")
        assert "scheduler: the scheduler does not run" in shown.stdout
        asked = daemon.command("schedule", "explain", "p", check=False)
        assert asked.returncode == 1
        assert "the scheduler does not run: " in asked.stderr
        assert daemon.review("privileged", plain_pod("p", privileged=True))["allowed"] is False
        assert daemon.review("privileged", plain_pod("p"))["allowed"] is True


def test_admission_goes_on_in_the_cluster(scene: Scene, tmp_path: Path) -> None:
    policies = [policy("privileged", "pod-privileged", namespace=scene.namespace)]
    config = f'[scheduler]\nconfig = "{tmp_path}/missing.yaml"\n'
    try:
        with Daemon(scene.server.kubeconfig, config, policies=policies) as daemon:
            error = f"[scheduler] config: {tmp_path}/missing.yaml: No such file or directory"
            assert daemon.status()["scheduler"] == {"error": error}
            daemon.wait_registered()
            refused = plain_pod("refused", privileged=True, namespace=scene.namespace)
            until(lambda: "denied the request" in create(scene.kubectl, refused, "--dry-run=server").stderr)
            assert create(scene.kubectl, plain_pod("taken", namespace=scene.namespace)).returncode == 0
    finally:
        remove_objects(scene.server)
