"""Static registration and tenants who mean harm: whatever they write, the API server takes every later change, goes on
enforcing everybody else's policies, and starts again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from tests.cluster.cluster import Cluster, KubectlError
from tests.cluster.edged import MODULES, create, pod, policy, wait_for
from tests.cluster.process import StartError
from tests.fire.context import NO_PRIVILEGED, Context, FireDaemon
from tests.fire.rows import Row, Tally

CRDS = Path(__file__).parents[3] / "config" / "crds"
API = "policies.kubewarden.io/v1"
POLICIES = "admissionpolicies.policies.kubewarden.io"
PODS = [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]
MODULE = f"file://{MODULES}/pod-privileged/pod-privileged.wasm"
READ_S = 120.0
"""An API server reads the files about once a minute."""
EXPRESSIONS = (
    "object.metadata.name ==", "nothing(object)", "request.foo == 'a'", "'a'.matches('(')", "object.metadata.name",
    "true || object", "dyn(1) + 'a' == 'b'", "[1, 2].all(x, y, x)", "'" + "a" * 5000 + "' == 'b'", "\x07",
    "object.spec.containers.map(c, c.image.map(d, d))", "authorizer.foo()", "variables.a == 1",
    "9223372036854775808 > 1",
)  # fmt: skip
SELECTORS: tuple[dict[str, Any], ...] = (
    {"matchLabels": {"a b": "c"}}, {"matchLabels": {"a": "x" * 64}}, {"matchLabels": {"/": "x"}},
    {"matchExpressions": [{"key": "a", "operator": "In", "values": []}]},
    {"matchExpressions": [{"key": "a", "operator": "Near", "values": ["b"]}]},
    {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]},
    {"matchExpressions": [{"key": "x" * 300, "operator": "Exists"}]},
)  # fmt: skip


def hostile_policies() -> Iterator[tuple[str, dict[str, Any]]]:
    """What the policies of tenants may hold: what it is, and the fields of a spec."""
    for expression in EXPRESSIONS:
        yield f"the condition {expression[:30]!r}", {"matchConditions": [{"name": "mine", "expression": expression}]}
    for name in ("", "a b", "a" * 300, "not-edged", "edged", "exclude-namespaces", "/", "mine/mine/mine"):
        yield f"a condition called {name[:20]!r}", {"matchConditions": [{"name": name, "expression": "true"}]}
    twice = [{"name": "mine", "expression": "true"}] * 2
    yield "a condition twice", {"matchConditions": twice}
    many = [{"name": f"c{number}", "expression": "true"} for number in range(64)]
    yield "64 conditions", {"matchConditions": many}
    for selector in SELECTORS:
        yield f"the selector {str(selector)[:40]}", {"objectSelector": selector}
    for resource in ("", "*/*/*", "pods/", "x" * 300, "Pods", "pods/*/status"):
        yield f"the resource {resource[:20]!r}", {"rules": [PODS[0] | {"resources": [resource]}]}
    for operations in ([], ["*", "CREATE"], ["NOTHING"]):
        yield f"the operations {operations}", {"rules": [PODS[0] | {"operations": operations}]}
    for seconds in (0, -1, 31, 1 << 40):
        yield f"{seconds} seconds", {"timeoutSeconds": seconds}


def tenants(context: Context, tally: Tally) -> None:
    """Each tenant has a namespace of his own; all the time everybody else's Pods are reviewed."""
    static = context.folder / "static"
    admission = {"static_dir": str(static), "module_dirs": [str(MODULES)]}
    with (
        context.cluster(started=False, admission_config=static / "admission-configuration.json") as cluster,
        context.unstarted(
            kubeconfig=cluster.kubeconfig, register="static", admission=admission, policies=[NO_PRIVILEGED]
        ) as edged,
    ):
        edged.command("webhook", "install")
        cluster.start()
        _install(cluster, edged)
        edged.start()
        wait_for(lambda: _denied(cluster, "default"), "denial", seconds=READ_S)
        _apply(cluster, _policy("good", "good", {}))
        active = _soon(lambda: _status(cluster, "good", "good").get("policyStatus") == "active")
        tally.check(active, f"the good tenant's policy: {_status(cluster, 'good', 'good')}")
        with _Asking(cluster, tally):
            hostile = list(hostile_policies())[:: context.scaled(1, 8)]
            taken = [number for number, (_, spec) in enumerate(hostile) if _tenant(cluster, number, spec)]
            tally.figures |= {"tried": len(hostile), "taken by the API server": len(taken)}
            time.sleep(context.scaled(75.0, 15.0))  # a read of the files at least
            edged.configure([NO_PRIVILEGED, policy("second", "pod-privileged", message="the second")])
            tally.check((error := edged.reload()) == "", f"reload: {error}")
            second = _soon(lambda: "[second]" in _said(cluster, "default"), READ_S)
            tally.check(second, "a later change of the files does not reach the API server")
        for number in taken:
            found = _status(cluster, f"tenant-{number}", "mine")
            told = found.get("policyStatus") == "active" or found.get("conditions")
            tally.check(bool(told), f"nothing was said to the tenant about {hostile[number][0]}: {found}")
        _restarts(cluster, tally)


def _restarts(cluster: Cluster, tally: Tally) -> None:
    cluster.stop_apiserver()
    try:
        cluster.start_apiserver()
    except StartError as error:
        tally.add_wrong(f"the API server does not start any more: {str(error)[-300:]}")
        return
    for namespace in ("default", "good"):
        tally.check(bool(_soon(lambda: _denied(cluster, namespace))), f"no denial in {namespace} after a restart")  # noqa: B023


def _install(cluster: Cluster, edged: FireDaemon) -> None:
    for file in sorted(CRDS.glob("*.yaml")):
        cluster.kubectl("apply", "--server-side", "-f", str(file))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    for role in orjson.loads(edged.command("rbac", "render", "-o", "json").stdout).get("items", []):
        _apply(cluster, role)
    _apply(cluster, {"apiVersion": API, "kind": "PolicyServer", "metadata": {"name": "default"}, "spec": {}})
    cluster.kubectl("create", "namespace", "good")


def _policy(name: str, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    common = {"module": MODULE, "rules": PODS, "mutating": False, "policyServer": "default"}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API, "kind": "AdmissionPolicy", "metadata": metadata, "spec": common | spec}


def _tenant(cluster: Cluster, number: int, spec: dict[str, Any]) -> bool:
    """False when the API server refuses the object."""
    cluster.kubectl("create", "namespace", f"tenant-{number}")
    return _apply(cluster, _policy("mine", f"tenant-{number}", spec), check=False)


def _apply(cluster: Cluster, obj: dict[str, Any], *, check: bool = True) -> bool:
    done = cluster.kubectl("apply", "-f", "-", stdin=orjson.dumps(obj).decode(), check=check)
    return done.returncode == 0


def _status(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    done = cluster.kubectl("get", POLICIES, name, "-n", namespace, "-o", "json", check=False)
    if done.returncode:
        return {}
    found: dict[str, Any] = orjson.loads(done.stdout).get("status") or {}
    return found


def _said(cluster: Cluster, namespace: str) -> str:
    return create(cluster.kubectl, pod("x", privileged=True), "-n", namespace, "--dry-run=server").stderr


def _denied(cluster: Cluster, namespace: str) -> bool:
    return "is privileged" in (said := _said(cluster, namespace)) or "the second" in said


def _soon(is_so: Any, seconds: float = READ_S) -> bool:
    try:
        return bool(wait_for(is_so, "", seconds=seconds, every_s=0.5))
    except (AssertionError, KubectlError):
        return False


class _Asking(threading.Thread):
    """Everybody else, all the time: a privileged Pod is denied, another one is not."""

    def __init__(self, cluster: Cluster, tally: Tally) -> None:
        super().__init__(daemon=True)
        self._cluster, self._tally = cluster, tally
        self._end = threading.Event()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.join(60)

    def run(self) -> None:
        while not self._end.wait(0.1):
            for namespace in ("default", "good"):
                self._tally.check(_denied(self._cluster, namespace), f"a privileged Pod in {namespace}")
                done = create(self._cluster.kubectl, pod("y"), "-n", namespace, "--dry-run=server")
                self._tally.check(done.returncode == 0, f"a Pod in {namespace}: {done.stderr}")


ROWS = (
    Row("static-tenants", "50 hostile policies of tenants, static registration", tenants, timeout_s=900),
)
