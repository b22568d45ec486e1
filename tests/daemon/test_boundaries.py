"""A walk along all boundaries of a running daemon: every unit of work fails once, and everything goes on.

A whole daemon and an API server run in this process. A trace function raises an error that no code knows of in the
first line inside a boundary, once for each place that makes one. Places that this walk does not come by are in
ELSEWHERE, with the test that makes that unit fail, or in UNTRIED.
"""

from __future__ import annotations

import ast
import dis
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import trio

from edged import config as configuration
from edged.admission.resources.definitions import definitions
from edged.admission.resources.resource_reviews import ResourceReviews
from edged.cli.demo.stage import free_port
from edged.cli.status_client import ask
from edged.daemon import daemon as daemon_file
from edged.daemon.daemon import Daemon
from edged.errors import EdgedError
from edged.kube.client import ApiClient, ApiError
from edged.kube.config import KubernetesConfig
from edged.kube.kubeconfig import open_client
from edged.process.boundary import Unit, boundary
from edged.sandbox.server import serve
from edged.telemetry.logs import Logger, LogStyle

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "edged"
PRIVILEGED = ROOT / "modules/admission/pod-privileged/pod-privileged.wasm"
PATIENCE_S = 60.0
RESOURCES = "policies.kubewarden.io/v1"
NOP = dis.opmap["NOP"]
IN_HOST, IN_RESOURCES = "tests/admission/host/test_boundaries.py", "tests/admission/resources/test_boundaries.py"
IN_RUN, IN_SCHEDULING = "tests/scheduling/run/test_boundaries.py", "tests/scheduling/run/test_scheduling.py"
IN_CONTROLLERS = "tests/controllers/run/test_boundaries.py"
ELSEWHERE = {
    "admission/endpoint/static_registration.py:StaticRegistration._confirm":
        "tests/admission/endpoint/test_static_registration.py",
    "admission/endpoint/shared_reviews.py:SharedReviews._answer": "tests/admission/endpoint/test_boundaries.py",
    "admission/host/arrivals.py:_load": IN_HOST,
    "admission/host/certificate_trust.py:CertificateTrust._answer": IN_HOST,
    "admission/host/traces.py:Traces._batch": IN_HOST,
    "admission/resources/resource_objects.py:Objects.run": IN_RESOURCES,
    "controllers/run/admitting.py:Admitting._warm_up": IN_CONTROLLERS,
    "controllers/run/controller.py:Controller._know_admits": IN_CONTROLLERS,
    "controllers/run/controller.py:Controller._load": IN_CONTROLLERS,
    "controllers/run/controller.py:Controller._open_watches": IN_CONTROLLERS,
    "controllers/run/imports.py:GuestState.answer": IN_CONTROLLERS,
    "controllers/run/imports.py:GuestState.answer_later": IN_CONTROLLERS,
    "controllers/run/leadership.py:Leadership.run": IN_CONTROLLERS,
    "controllers/run/parts.py:Parts.open_dynamic": IN_CONTROLLERS,
    "controllers/run/shard.py:Shard.run": IN_CONTROLLERS,
    "daemon/contact_check.py:run": "tests/daemon/test_contact_check.py",
    "daemon/reload.py:Reload._reload_scheduler_later": "tests/daemon/test_reload.py",
    "kube/informer.py:Informer.put": "tests/kube/test_informers.py",
    "kube/informer.py:Informer._tell": "tests/kube/test_shared_selection.py",
    "kube/informers.py:Informers._fill": "tests/kube/test_shared_selection.py",
    "kube/writes.py:EventRecorder.record_change": "tests/kube/test_writes.py",
    "fabric/server.py:_Server._reply": "tests/fabric/test_server.py",
    "kube/leader_election.py:LeaderElector._try": "tests/kube/test_leader_election.py",
    "process/systemd.py:watchdog": "tests/process/test_systemd.py",
    "scheduling/run/annotation_writer.py:Annotator.run": "tests/scheduling/run/test_annotation_writer.py",
    "scheduling/run/cluster_feed.py:ClusterFeed._plugin_failed": IN_RUN,
    "scheduling/run/evictions.py:Evictions._evict": IN_RUN,
    "scheduling/run/object_feed.py:ObjectFeed._handler": IN_RUN,
    "scheduling/run/pod_bindings.py:PodBindings._nominate": IN_RUN,
    "scheduling/run/scheduling.py:Scheduling._rebuilt": IN_SCHEDULING,
    "scheduling/run/scheduling.py:Scheduling._run": IN_SCHEDULING,
    "scheduling/run/scheduling.py:Scheduling._build_first": IN_SCHEDULING,
}
"""Place of a boundary: the test file that makes its unit fail."""
UNTRIED = {
    "admission/audit/auditor.py:Auditor.run",  # the interval is 0 here; a run that is asked for fails in the walk
    "admission/host/traces.py:Traces.run",
    "admission/resources/resource_loads.py:Loads.load_remembered",
    "daemon/daemon.py:Daemon._serve_status",
    "controllers/run/handover.py:tell_left",
    "fabric/server.py:_Server.handle",
    "http/connection.py:Connection.watch",
    "http/health.py:Probes._probe_for_ever",
    "kube/leader_election.py:LeaderElector._release",
    "scheduling/run/cluster_feed.py:ClusterFeed._on_object",
    "scheduling/run/pod_bindings.py:PodBindings._wait_and_bind",
    "scheduling/run/scheduler_builder.py:Term.close",
}
"""Places where nothing fails in a test so far: loops around units that do, and ways that few come by."""


class Injected(Exception):
    """An error that no code of edged knows of."""


class Walk:
    """Makes the block of each boundary fail at its first line, once for each place. `skip`: places to leave alone."""

    def __init__(self) -> None:
        self.armed = False
        self.failed: Counter[str] = Counter()
        self._places: dict[int, str] = {}

    def made(self, made: boundary, frame: FrameType) -> None:
        file = frame.f_code.co_filename
        if file.startswith(f"{PACKAGE}/"):
            self._places[id(made)] = f"{file.removeprefix(f'{PACKAGE}/')}:{frame.f_code.co_qualname}"

    def entered(self, entered: boundary, frame: FrameType) -> None:
        place = self._places.pop(id(entered), "")
        if not self.armed or not place or self.failed[place] or place in ELSEWHERE or place.startswith("sandbox/"):
            return
        self.failed[place] += 1
        outer, line = sys.gettrace(), frame.f_lineno

        def fail(frame: FrameType, event: str, _: object) -> Any:
            if event != "line" or frame.f_lineno == line or frame.f_code.co_code[frame.f_lasti] == NOP:
                return fail  # the line of `with` itself, or a bare `try:`: nothing can fail there, no handler covers it
            frame.f_trace = None
            sys.settrace(outer)
            raise Injected(place)

        frame.f_trace = fail
        sys.settrace(lambda *_: None)


@contextmanager
def walking(walk: Walk) -> Iterator[None]:
    init, enter = boundary.__init__, boundary.__enter__

    def made(self: boundary, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **named)
        walk.made(self, sys._getframe(1))

    def entered(self: boundary) -> Unit:
        unit = enter(self)
        walk.entered(self, sys._getframe(1))
        return unit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boundary, "__init__", made)
        patch.setattr(boundary, "__enter__", entered)
        patch.setattr(daemon_file, "settle_memory", lambda: None)  # a frozen heap would outlive this test
        yield


class World:
    """An API server and a daemon, both in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self.log = Logger(
            LogStyle("json", journal=False), write=lambda said: self.events.extend(map(json.loads, said.splitlines()))
        )
        self.health = free_port()
        self.client: ApiClient
        (folder / "edged.toml").write_text(f"""
[node]
name = "walk"
state_dir = "{folder}/state"
cache_dir = "{folder}/cache"
socket = "{folder}/s"
drain_s = 1
[kubernetes]
kubeconfig = "{folder}/kubeconfig"
[admission]
listen = "127.0.0.1:{free_port()}"
register = "dynamic"
module_dirs = ["{PRIVILEGED.parent}"]
audit_interval_s = 0
[[admission.policy]]
name = "no-privileged"
module = "file://{PRIVILEGED}"
[[admission.group]]
name = "joined"
expression = "a()"
message = "joined"
webhook = "own"
rules = [{{ apiGroups = [""], apiVersions = ["v1"], resources = ["pods"], operations = ["CREATE"] }}]
members.a = {{ module = "file://{PRIVILEGED}" }}
[scheduler]
names = ["edged"]
[observability]
listen = "127.0.0.1:{self.health}"
""")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            sandbox = await nursery.start(serve)
            sandbox.write_kubeconfig(self.folder / "kubeconfig")
            self.client = await open_client(KubernetesConfig(kubeconfig=str(self.folder / "kubeconfig")))
            for definition in definitions().values():
                await self.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
            server = {"apiVersion": RESOURCES, "kind": "PolicyServer", "metadata": {"name": "default"}, "spec": {}}
            await until(lambda: self.post(f"/apis/{RESOURCES}/policyservers", server))
            await self.node("n-1")
            path = str(self.folder / "edged.toml")
            daemon = Daemon(configuration.load(path), path, self.log)
            await nursery.start(daemon.run, lambda: nullcontext(stop.wait))
            self.reload = daemon._reload.reload
            yield
            stop.set()
            await self.client.aclose()
            nursery.cancel_scope.deadline = trio.current_time() + 5

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        return await self.client.request("POST", path, body=body)

    async def node(self, name: str) -> None:
        allocatable = {"cpu": "4", "memory": "4Gi", "pods": "110"}
        metadata = {"name": name}
        ready = [{"type": "Ready", "status": "True"}]
        status = {"allocatable": allocatable, "capacity": allocatable, "conditions": ready}
        await self.post("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status})

    async def pod(self, name: str, *, privileged: bool = False) -> Any:
        container = {"name": "c", "image": "i", "securityContext": {"privileged": privileged}}
        spec = {"schedulerName": "edged", "containers": [container]}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        return await self.post("/api/v1/namespaces/default/pods", body)

    async def placed(self, name: str) -> bool:
        pod = await self.client.request("GET", f"/api/v1/namespaces/default/pods/{name}")
        return bool(pod["spec"].get("nodeName"))

    async def policy(self, name: str) -> bool:
        """A policy as a custom resource."""
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
        spec = {"module": f"file://{PRIVILEGED}", "mutating": False, "rules": [rule]}
        body = {"apiVersion": RESOURCES, "kind": "ClusterAdmissionPolicy", "metadata": {"name": name}, "spec": spec}
        await self.post(f"/apis/{RESOURCES}/clusteradmissionpolicies", body)
        return True

    async def is_active(self, name: str) -> bool:
        path = f"/apis/{RESOURCES}/clusteradmissionpolicies/{name}"
        return (await self.client.request("GET", path)).get("status", {}).get("policyStatus") == "active"

    async def asked(self, operation: str) -> Any:
        return await trio.to_thread.run_sync(ask, str(self.folder / "s"), operation)

    async def fetched(self, path: str) -> bytes:
        stream = await trio.open_tcp_stream("127.0.0.1", self.health)
        async with stream:
            await stream.send_all(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
            return b"".join([part async for part in stream])


async def until(done: Callable[[], Awaitable[Any]]) -> Any:
    """What `done` says once it is true; what is refused meanwhile is tried again."""
    with trio.fail_after(PATIENCE_S):
        while True:
            try:
                if answer := await done():
                    return answer
            except (EdgedError, OSError):
                pass
            await trio.sleep(0.05)


async def registered(world: World) -> bool:
    """Whether the API server calls for custom resources, too: those webhooks come after the ones of the file."""
    if (await world.asked("status"))["registration"]["phase"] != "registered":
        return False
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    hooks = [hook for item in (await world.client.request("GET", path))["items"] for hook in item["webhooks"]]
    return any(hook["clientConfig"]["url"].endswith(tuple(ResourceReviews.paths)) for hook in hooks)


async def refused(world: World, name: str) -> bool:
    """Whether the policy itself denies a privileged Pod. Other refusals are an injected failure's."""
    try:
        await world.pod(name, privileged=True)
    except ApiError as error:
        return "internal" not in error.message.lower() and "Injected" not in error.message
    raise AssertionError("a privileged Pod was let in")


async def go_round(world: World, turn: int) -> None:
    """Everything that a cluster asks of edged, until each thing has come to its good end."""
    await until(lambda: refused(world, f"bad-{turn}"))
    await until(lambda: world.pod(f"good-{turn}"))
    await until(lambda: world.placed(f"good-{turn}"))
    await world.node(f"more-{turn}")
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: world.reload())
    await until(lambda: world.asked("status"))
    await until(lambda: world.asked("audit"))
    await world.client.request("DELETE", f"/api/v1/namespaces/default/pods/good-{turn}?gracePeriodSeconds=0")
    assert b"edged_internal_errors_total" in await until(lambda: world.fetched("/metrics"))
    await until(lambda: world.fetched("/readyz"))


def places() -> set[str]:
    """Every place of edged/ where a boundary is made: `file:qualified name`."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        name = str(path.relative_to(PACKAGE))
        if not name.startswith("sandbox/") and name != "process/boundary.py":
            found |= {f"{name}:{qualname}" for qualname in _makers(ast.parse(path.read_text()), "")}
    return found


def _makers(node: ast.AST, qualname: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _makers(child, f"{qualname}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            calls = (each for each in ast.walk(child) if isinstance(each, ast.Call))
            if any(isinstance(call.func, ast.Name) and call.func.id == "boundary" for call in calls):
                yield f"{qualname}{child.name}"


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")  # its await is what was made to fail
def test_every_unit_fails_once_and_everything_goes_on(tmp_path: Path) -> None:
    walk, world = Walk(), World(tmp_path)

    async def main() -> None:
        async with world.running():
            await until(lambda: registered(world))
            walk.armed = True
            await until(lambda: world.policy("p"))
            for turn in range(3):
                await go_round(world, turn)
            await until(lambda: world.is_active("p"))
            walk.armed = False
            await go_round(world, 9)
            report = await world.asked("status")
            assert report["ready"] and report["policies"]["clusterwide-p"]["state"] == "loaded"

    with walking(walk):
        trio.run(main)
    never = places() - walk.failed.keys() - ELSEWHERE.keys() - UNTRIED
    assert never == set(), "nothing makes these units fail"
    assert (ELSEWHERE.keys() | UNTRIED) <= places(), "places that are gone"
    told = Counter(event["unit"] for event in world.events if event["msg"] == "internal error")
    assert told.total() >= len(walk.failed), "an error was swallowed without a word"
    assert all((ROOT / test).exists() for test in ELSEWHERE.values())
