"""Questions to an API server on a socket: one that grants some rights, one that grants all, one that is away."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edged import config
from edged.cli.doctor import cluster
from edged.cli.doctor.findings import FAIL, OK, WARN, Finding
from edged.cli.installation.layout import Distribution, Layout
from edged.config import Config
from edged.http.messages import Request, Response
from edged.kube.config import KubernetesConfig
from tests.cli.test_webhook import in_thread

ADMISSION = '[admission]\npolicy_server = ""\naudit_interval_s = 0\nlisten = "127.0.0.1:8443"\n'


class Api:
    """Answers what the doctor asks. `granted`: verbs that are allowed; `listing`: whether webhooks may be listed."""

    def __init__(self) -> None:
        self.granted: set[str] = set()
        self.listing = True
        self.minor = "37"
        self.objects: dict[str, list[dict[str, Any]]] = {}
        self.slices: list[dict[str, Any]] = []

    async def __call__(self, request: Request) -> Response:
        path, kind = request.path, request.path.rpartition("/")[2]
        if path == "/version":
            body = json.dumps({"major": "1", "minor": self.minor, "gitVersion": f"v1.{self.minor}.0"}).encode()
            return Response(200, body, "application/json")
        if kind == "selfsubjectreviews":
            return self._json(201, {"status": {"userInfo": {"username": "system:serviceaccount:kube-system:edged"}}})
        if kind == "selfsubjectaccessreviews":
            asked = json.loads(request.body)["spec"]["resourceAttributes"]
            return self._json(201, {"status": {"allowed": asked["verb"] in self.granted or "*" in self.granted}})
        if kind == "endpointslices":
            return self._json(200, {"items": self.slices})
        return self._webhooks(path.split("/")[4:])

    def _webhooks(self, rest: list[str]) -> Response:
        items = self.objects.get(rest[0], [])
        if len(rest) == 1:
            return self._json(200, {"items": items}) if self.listing else self._json(403, {"kind": "Status"})
        named = [item for item in items if item["metadata"]["name"] == rest[1]]
        return self._json(200, named[0]) if named else self._json(404, {"kind": "Status"})

    @staticmethod
    def _json(status: int, body: object) -> Response:
        return Response(status, json.dumps(body).encode(), "application/json")


@pytest.fixture
def api() -> Api:
    return Api()


@contextmanager
def configured(api: Api, folder: Path, text: str = ADMISSION) -> Iterator[Config]:
    """A configuration whose kubeconfig leads to that server."""
    with in_thread(api) as address:
        path = folder / "kubeconfig"
        path.write_text(json.dumps(kubeconfig(address)))
        yield replace(config.parse(text), kubernetes=KubernetesConfig(kubeconfig=str(path)))


def kubeconfig(address: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": f"http://{address}"}}],
        "users": [{"name": "u", "user": {}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip


def asked(api: Api, folder: Path, text: str = ADMISSION, ahead_s: float = 0.0) -> dict[str, Finding]:
    """`ahead_s`: how much later it is for the doctor than for the server."""
    with configured(api, folder, text) as parsed:
        findings = cluster.as_daemon(parsed, "/etc/edged/edged.toml", lambda: time.time() + ahead_s)
    return {found.check: found for found in findings}


def test_rights_that_are_missing_are_named_with_the_command(api: Api, tmp_path: Path) -> None:
    api.granted = {"get"}
    found = asked(api, tmp_path)["rights"]
    assert found.state == FAIL
    assert found.detail == (
        "system:serviceaccount:kube-system:edged lacks 3 of 5 rights: "
        'update mutatingwebhookconfigurations.admissionregistration.k8s.io "edged"; '
        'update validatingwebhookconfigurations.admissionregistration.k8s.io "edged"; '
        "list endpointslices.discovery.k8s.io in default"
    )
    assert found.remedy == "edged rbac render --config /etc/edged/edged.toml | kubectl apply -f -"


def test_all_rights_but_no_objects_to_update(api: Api, tmp_path: Path) -> None:
    api.granted = {"get", "update", "list"}
    found = asked(api, tmp_path)
    assert found["rights"].state == OK and found["clock"].state == OK and found["API server"].state == OK
    assert found["webhook objects"].state == FAIL and "edged webhook install" in found["webhook objects"].remedy
    for plural in cluster.PLURALS.values():
        api.objects[plural] = [{"metadata": {"name": "edged"}}]
    assert asked(api, tmp_path)["webhook objects"].state == OK


def test_an_administrator_is_too_much(api: Api, tmp_path: Path) -> None:
    api.granted = {"*"}
    found = asked(api, tmp_path)
    assert (found["identity"].state, found["identity"].remedy) == (WARN, "edged init")


@pytest.mark.parametrize(("ahead_s", "state", "said"), [
    (0.0, OK, "as the API server's"), (60.0, WARN, "ahead of"), (-60.0, WARN, "behind"), (3600.0, FAIL, "ahead of"),
])  # fmt: skip
def test_the_clock(api: Api, tmp_path: Path, ahead_s: float, state: str, said: str) -> None:
    found = asked(api, tmp_path, ahead_s=ahead_s)["clock"]
    assert found.state == state and said in found.detail
    assert bool(found.remedy) == (state != OK)


@pytest.mark.parametrize(("minor", "text", "state"), [
    ("36+", ADMISSION + 'register = "static"\n', OK), ("35", ADMISSION + 'register = "static"\n', FAIL),
    ("29", ADMISSION, WARN), ("30", ADMISSION, OK), ("29", "[scheduler]\n", OK), ("", ADMISSION, WARN),
])  # fmt: skip
def test_versions(api: Api, tmp_path: Path, minor: str, text: str, state: str) -> None:
    api.minor, api.granted = minor, {"*"}
    assert asked(api, tmp_path, text)["API server"].state == state


def test_a_server_that_is_away_is_a_warning(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "kc").write_text(json.dumps(kubeconfig(f"127.0.0.1:{port}")))
    parsed = replace(config.parse(ADMISSION), kubernetes=KubernetesConfig(kubeconfig=str(tmp_path / "kc")))
    (found,) = cluster.as_daemon(parsed, "x")
    assert (found.check, found.state) == ("API server", WARN)
    assert found.remedy == f"kubectl --kubeconfig {tmp_path}/kc version, and start the API server if that fails too"
    assert cluster.webhooks(parsed, None) == []
    (again,) = cluster.webhooks(parsed, parsed.kubernetes)
    assert again.state == WARN and "not looked at" in again.detail


def service(name: str) -> dict[str, Any]:
    client = {"service": {"namespace": "ns", "name": name}}
    return {"metadata": {"name": name}, "webhooks": [{"name": f"{name}.example.com", "clientConfig": client}]}


def webhooks(api: Api, folder: Path) -> list[Finding]:
    with configured(api, folder) as parsed:
        return cluster.webhooks(parsed, None)


def test_a_service_without_a_ready_pod_is_found(api: Api, tmp_path: Path) -> None:
    api.objects["validatingwebhookconfigurations"] = [service("cert-manager")]
    (found,) = webhooks(api, tmp_path)
    assert found.state == FAIL and "Service ns/cert-manager (no Pod of it is ready)" in found.detail
    api.slices = [{"endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": False}}]}]
    assert webhooks(api, tmp_path)[0].state == FAIL
    api.slices = [{"endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}]}]
    assert webhooks(api, tmp_path) == [Finding("webhooks", OK, "1 of 1 targets answer")]


def test_a_url_that_nobody_answers_is_found(api: Api, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"https://127.0.0.1:{free.getsockname()[1]}"
    hook = {"name": "a.example.com", "clientConfig": {"url": f"{url}/validate"}, "failurePolicy": "Ignore"}
    api.objects["mutatingwebhookconfigurations"] = [{"metadata": {"name": "other"}, "webhooks": [hook]}]
    (found,) = webhooks(api, tmp_path)
    assert found.state == WARN and f"nobody answers at {url}" in found.detail and "Connection refused" in found.detail


def test_without_the_right_to_list_only_the_own_objects_are_looked_at(api: Api, tmp_path: Path) -> None:
    api.listing = False
    api.objects["validatingwebhookconfigurations"] = [service("edged"), service("other")]
    dead, others = webhooks(api, tmp_path)
    assert "ValidatingWebhookConfiguration edged" in dead.detail
    assert others.check == "other webhooks" and "--admin-kubeconfig" in others.detail


def test_without_a_kubeconfig_the_one_that_init_takes_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Distribution(name="k3s", kubeconfig=tmp_path / "k3s.yaml")
    monkeypatch.setattr(cluster, "Layout", lambda: Layout(distributions=(there,)))
    nothing = Config(kubernetes=KubernetesConfig(kubeconfig=str(tmp_path / "none")))
    (found,) = cluster.as_daemon(nothing, "edged.toml")
    assert found.remedy == "edged init, or name a kubeconfig: [kubernetes] kubeconfig"
    there.kubeconfig.write_text("")
    (found,) = cluster.as_daemon(nothing, "edged.toml")
    assert found.remedy.startswith(f"edged init (with the administrator's {there.kubeconfig}), or name a kubeconfig")
