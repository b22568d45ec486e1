"""Host calls recorded against a cluster and replayed without one; the shape of the file."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from pathlib import Path

import pytest
import trio
import yaml

from edged.abi.wapc import HostCallError
from edged.admission.host.context import ClusterContext, HostServices
from edged.admission.host.outside import HostCapabilities
from edged.admission.rules.capabilities import GetRequest, Grants, ListRequest
from edged.cli.policy import sessions
from edged.cli.policy.sessions import (
    RecordContext,
    RecordOutside,
    ReplayContext,
    ReplayOutside,
    Session,
)
from edged.errors import ConfigError, PeerError
from edged.registry.origin import TRUSTED, Restrictions
from edged.telemetry.logs import GuestLines, Logger
from tests.cli.policy.support import POD, Policy, sample, write
from tests.cluster.cluster import Sandbox

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}


class Cluster(ClusterContext):
    """Answers what it is told to."""

    def __init__(self) -> None:
        self.gets = 0

    async def get(self, request: GetRequest) -> bytes:
        self.gets += 1
        if request.name == "absent":
            raise HostCallError("not found")
        return json.dumps({**NAMESPACE, "n": self.gets}).encode()

    async def list(self, request: ListRequest, hold: object = None, max_age_s: float = 0.0) -> bytes:
        raise PeerError("the API server is away")

    async def can_i(self, spec: object, disable_cache: bool) -> bytes:
        return b'{"allowed":true}'


class Outside(HostCapabilities):
    def __init__(self) -> None:
        pass

    async def call(self, path: str, payload: bytes, restrictions: Restrictions = TRUSTED) -> bytes:
        return json.dumps({"asked": path}).encode()


CALLS = [
    ("kubernetes", "get_resource", {"api_version": "v1", "kind": "Namespace", "name": "n", "disable_cache": True}),
    ("kubernetes", "get_resource", {"api_version": "v1", "kind": "Namespace", "name": "n", "disable_cache": True}),
    ("kubernetes", "get_resource", {"api_version": "v1", "kind": "Namespace", "name": "absent", "field_masks": ["a"]}),
    ("kubernetes", "list_resources_all", {"api_version": "v1", "kind": "Namespace", "label_selector": "a=b"}),
    ("kubernetes", "list_resources_by_namespace", {"api_version": "v1", "kind": "Namespace", "namespace": "n"}),
    ("kubernetes", "can_i", {"subject_access_review": {"user": "u", "groups": ["g"], "resource_attributes": {
        "resource": "pods", "verb": "get"}}, "disable_cache": False}),
    ("oci", "v1/manifest_digest", "registry.example/app:1"),
    ("oci", "v1/oci_manifest", "registry.example/app:1"),
    ("oci", "v1/oci_manifest_config", "registry.example/app:1"),
    ("net", "v1/dns_lookup_host", "example.com"),
    ("oci", "v2/verify", {"type": "SigstorePubKeyVerify", "image": "i", "pub_keys": ["k"], "annotations": None}),
    ("crypto", "v1/is_certificate_trusted", {"cert": {"encoding": "Pem", "data": [45]}, "not_after": None}),
]  # fmt: skip
GRANTS = Grants(("*",), frozenset({("v1", "Namespace")}))


async def ask(context: ClusterContext, outside: HostCapabilities, grants: Grants = GRANTS) -> list[tuple[str, str]]:
    """What a guest that makes all of CALLS is told."""
    services = HostServices("p", "u", grants, context, GuestLines(Logger()), outside)
    answers = []
    for namespace, operation, payload in CALLS:
        try:
            found = services.dispatch("kubewarden", namespace, operation, json.dumps(payload).encode())
            answers.append(("ok", (await found if isinstance(found, Awaitable) else found).decode()))
        except HostCallError as error:
            answers.append(("error", str(error)))
    return answers


def test_a_replay_tells_a_guest_what_the_recording_did(tmp_path: Path):
    session = Session()
    recorded = trio.run(ask, RecordContext(Cluster(), session), RecordOutside(Outside(), session))
    path = tmp_path / "session.yaml"
    path.write_text(sessions.dump(session))
    replay = sessions.load(path)
    assert trio.run(ask, ReplayContext(replay), ReplayOutside(replay)) == recorded
    assert recorded[0] != recorded[1]
    assert recorded[2] == ("error", "not found")
    assert recorded[3] == ("error", "Callback evaluation failure: the API server is away")
    assert (replay.unused(), replay.missing) == ([], [])


def test_a_replay_grants_nothing():
    replay = Session()
    answers = trio.run(ask, ReplayContext(replay), ReplayOutside(replay), Grants())
    assert all("has not been granted access" in text for _, text in answers)
    assert replay.missing == []


def test_the_file_is_as_kwctl_writes_it(tmp_path: Path):
    session = Session()
    trio.run(ask, RecordContext(Cluster(), session), RecordOutside(Outside(), session))
    entry = yaml.safe_load(sessions.dump(session))[0]
    assert entry["type"] == "Exchange"
    assert entry["request"].startswith("!KubernetesGetResource\napi_version: v1\nkind: Namespace\nname: \"n\"\n")
    assert entry["response"]["type"] == "Success"
    assert json.loads(entry["response"]["payload"])["kind"] == "Namespace"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1", "is not a list of exchanges"),
        ("- 1", "exchange 1: is not a mapping"),
        ("- {type: Other}", "type is 'Other'"),
        ("- {type: Exchange, request: 1}", "request is missing or no text"),
        ("- {type: Exchange, request: '!Nonsense {}'}", "request must begin with one of"),
        ("- {type: Exchange, request: '!KubernetesGetResource {'}", "request is not valid YAML"),
        ("- {type: Exchange, request: '!KubernetesGetResource {kind: a}'}", "response needs type"),
        ("- {namespace: kubernetes, operation: get, payload: {}, response: {}}", "kubernetes/get is not a host call"),
        ("- {namespace: kubernetes, operation: get_resource, payload: {}, response: {}}", "api_version is missing"),
        ("- {namespace: oci, operation: v1/oci_manifest, payload: a}", "either response or error"),
        ("- [", "not valid YAML"),
    ],
)
def test_a_file_that_is_wrong(tmp_path: Path, text: str, said: str):
    path = tmp_path / "session.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        sessions.load(path)
    assert str(error.value).startswith(str(path)) and said in str(error.value)


@pytest.mark.parametrize("module", ["namespace-quota-hint", "unique-ingress-host"])
def test_recorded_at_an_api_server_and_replayed_without(
    module: str, policy: Policy, tmp_path: Path, sandbox_server: Sandbox
):
    """waPC asks by host calls; Rego is shown whole lists."""
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {"rules": [{"host": "shop.example"}]},
    }
    request = write(tmp_path / "object.json", ingress if module.startswith("unique") else POD)
    session = tmp_path / "session.yaml"
    common = ("-r", request, "--timeout", "10", "--allow-context-aware", sample(module))
    recording = ("--record-host-capabilities-interactions", session)
    live = policy("run", "--kubeconfig", sandbox_server.kubeconfig, *recording, *common)
    assert "exchanges written" in live[2]
    assert live[0] == 0, live
    replayed = policy("run", "--replay-host-capabilities-interactions", session, *common)
    assert replayed[:2] == live[:2]
    assert sessions.load(session).exchanges
