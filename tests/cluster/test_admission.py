"""Admission as users meet it: kubectl -> API server -> the edged daemon -> a sample module, and the words back.

The same assertions on edged's own API server and on the real one. Each policy has a namespace of its own, so that one
daemon serves them all. Registration itself is tested in test_registration.py.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edged.cli.policy import vap_expressions
from tests.cluster.edged import (
    EVERYTHING,
    Edged,
    Server,
    create,
    get,
    pod,
    policy,
    remove_objects,
    wait_for,
)

PODS = [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]
MAY_READ = {
    "context_aware": [{"apiVersion": "v1", "kind": "Namespace"}, {"apiVersion": "v1", "kind": "Pod"}],
    "host_capabilities": ["kubernetes/get_resource", "kubernetes/list_resources_by_namespace"],
}
DEFAULTS = {"requests": {"cpu": "50m"}}
GUARD, _ = vap_expressions.guard({"validations": [{"expression": "object.metadata.labels['team'] != 'x'"}]}, 0)
POLICIES = [
    policy("no-privileged", "pod-privileged", namespace="a-deny"),
    policy("told", "pod-privileged", namespace="a-message", message="talk to the platform team"),
    policy("watching", "pod-privileged", namespace="a-monitor", mode="monitor"),
    policy("defaults", "resource-defaults", namespace="a-mutate", allowed_to_mutate=True, settings=DEFAULTS),
    policy("meddling", "resource-defaults", namespace="a-constrained", settings=DEFAULTS),
    policy("absent", "absent", namespace="a-absent", rules=PODS),
    policy("absent-watching", "absent", namespace="a-absent-monitor", rules=PODS, mode="monitor"),
    policy("misconfigured", "pod-privileged", namespace="a-settings", settings={"allowed": []}),
    policy("endless", "endless", namespace="a-endless", timeout_s=0.5),
    policy("quota", "namespace-quota-hint", namespace="a-quota", **MAY_READ),
    policy("quota-deny", "namespace-quota-hint", namespace="a-quota-deny", settings={"mode": "deny"}, **MAY_READ),
    policy("ungranted", "namespace-quota-hint", namespace="a-ungranted"),
    policy("no-kind", "namespace-quota-hint", namespace="a-no-kind",
           host_capabilities=MAY_READ["host_capabilities"]),
    policy("guarded", "pod-privileged", namespace="a-guard", failure_policy="Ignore", match_conditions=[GUARD]),
]  # fmt: skip
NAMESPACES = [f"a-{name}" for name in (
    "deny", "message", "monitor", "mutate", "constrained", "absent", "absent-monitor", "settings", "endless", "quota",
    "quota-deny", "ungranted", "no-kind", "guard",
)]  # fmt: skip

Done = subprocess.CompletedProcess[str]


class Setup:
    """A server, and a daemon that its webhook objects lead to."""

    def __init__(self, server: Server, edged: Edged) -> None:
        self.kubectl = server.kubectl
        self.edged = edged

    def create(self, namespace: str, name: str, *, privileged: bool = False, dry_run: bool = False) -> Done:
        arguments = ["--dry-run=server"] if dry_run else []
        return create(self.kubectl, pod(name, privileged=privileged), "-n", namespace, *arguments)

    def denied(self, namespace: str, policy_name: str, *, privileged: bool = False) -> str:
        """What a Pod's denial by this policy says, checked to be printed as kubectl prints it."""
        done = self.create(namespace, "denied", privileged=privileged)
        before = (
            r'Error from server: error when creating "STDIN": admission webhook '
            rf'("shared-[0-9a-f]{{20}}\.webhooks\.edged\.dev" denied the request: \[{policy_name}\]'
            rf'|"{policy_name}\.policy\.edged\.dev" denied the request:) '
        )
        assert done.returncode == 1
        assert re.match(before, done.stderr), done.stderr
        return re.sub(before, "", done.stderr, count=1).strip()


@pytest.fixture(scope="module", params=["sandbox", pytest.param("real", marks=pytest.mark.kube)])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    found: Server = request.getfixturevalue("sandbox_server" if request.param == "sandbox" else "kube_cluster")
    remove_objects(found)
    yield found
    remove_objects(found)


@pytest.fixture(scope="module")
def setup(server: Server) -> Iterator[Setup]:
    limit = {"edged.dev/pod-limit": "1"}
    for name in NAMESPACES:
        metadata = {"name": name, "annotations": limit if name.startswith("a-quota") else {}}
        create(server.kubectl, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    with Edged(kubeconfig=server.kubeconfig, policies=POLICIES) as edged:
        edged.wait_registered()
        setup = Setup(server, edged)
        # The API server watches its webhook objects: a moment passes until it has seen both.
        wait_for(lambda: setup.create("a-deny", "probe", privileged=True, dry_run=True).returncode, "denial")
        wait_for(lambda: "50m" in mutated(setup, "probe", "--dry-run=server"), "mutation")
        yield setup
    remove_objects(server)


def mutated(setup: Setup, name: str, *arguments: str) -> str:
    return create(setup.kubectl, pod(name), "-n", "a-mutate", "-o", "json", *arguments).stdout


def test_denied_with_the_policys_words(setup: Setup) -> None:
    said = setup.denied("a-deny", "no-privileged", privileged=True)
    assert said == 'Pod denied: container "main" is privileged, which is not allowed'
    assert get(setup.kubectl, "pod", "denied", "-n", "a-deny") is None


def test_allowed(setup: Setup) -> None:
    done = setup.create("a-deny", "fine")
    assert (done.returncode, done.stdout, done.stderr) == (0, "pod/fine created\n", "")


def test_denied_with_the_configured_words(setup: Setup) -> None:
    assert setup.denied("a-message", "told", privileged=True) == "talk to the platform team"


def test_updates_are_reviewed_too(setup: Setup) -> None:
    setup.create("a-deny", "ephemeral")
    container = {"name": "debug", "image": "a:1", "securityContext": {"privileged": True}}
    patch = json.dumps({"spec": {"ephemeralContainers": [container]}})
    done = setup.kubectl("patch", "pod", "ephemeral", "-n", "a-deny", "--subresource", "ephemeralcontainers",
                         "-p", patch, check=False)  # fmt: skip
    assert done.returncode == 1
    assert 'container "debug" is privileged' in done.stderr


def test_mutated(setup: Setup) -> None:
    created = json.loads(mutated(setup, "filled"))
    assert created["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "50m"}
    stored = get(setup.kubectl, "pod", "filled", "-n", "a-mutate")
    assert stored and stored["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "50m"}


def test_a_converted_expression_that_fails_allows_with_ignore(setup: Setup) -> None:
    """The policy denies each Pod that reaches it: one with the label, of which the expression has a value."""
    labelled = pod("labelled", privileged=True, labels={"team": "a"})
    denied = create(setup.kubectl, labelled, "-n", "a-guard", "--dry-run=server")
    assert '.webhooks.edged.dev" denied the request: [guarded]' in denied.stderr
    assert setup.create("a-guard", "bare", privileged=True).returncode == 0


def test_mutation_without_permission_is_a_denial(setup: Setup) -> None:
    assert setup.denied("a-constrained", "meddling") == (
        "Request rejected by policy meddling. The policy attempted to mutate the request, but it is currently "
        "configured to not allow mutations."
    )


def test_monitor_mode_lets_pass_and_tells_the_log(setup: Setup) -> None:
    done = setup.create("a-monitor", "watched", privileged=True)
    assert (done.returncode, done.stderr) == (0, "")
    wait_for(lambda: 'verdict=rejected mode=monitor' in setup.edged.log, "log line")
    assert "policy=watching" in setup.edged.log


def test_a_policy_that_does_not_load_denies_for_itself_alone(setup: Setup) -> None:
    said = setup.denied("a-absent", "absent")
    assert said.startswith("the module file is missing (/") and said.endswith("absent.wasm)")
    assert setup.create("a-deny", "beside-absent").returncode == 0


def test_a_policy_that_does_not_load_answers_with_code_500(setup: Setup) -> None:
    response = setup.edged.review("absent", pod("direct"))
    assert (response["allowed"], response["status"]["code"]) == (False, 500)


def test_a_monitored_policy_that_does_not_load_warns(setup: Setup) -> None:
    done = setup.create("a-absent-monitor", "watched")
    assert done.returncode == 0
    assert done.stderr.startswith("Warning: policy absent-watching failed: the module file is missing (")


def test_refused_settings_deny_for_themselves_alone(setup: Setup) -> None:
    assert setup.denied("a-settings", "misconfigured").startswith("Policy settings are invalid: ")


def test_an_endless_guest_is_cut_off(setup: Setup) -> None:
    assert setup.denied("a-endless", "endless") == (
        "Policy execution interrupted because it exceeded the allowed execution time"
    )
    assert setup.create("a-deny", "beside-endless").returncode == 0


def test_dry_run_is_reviewed_and_stores_nothing(setup: Setup) -> None:
    manifest = json.dumps(pod("dry", privileged=True))
    done = setup.kubectl("apply", "--dry-run=server", "-n", "a-deny", "-f", "-", stdin=manifest, check=False)
    assert done.returncode == 1
    assert 'Pod dry: container "main" is privileged, which is not allowed' in done.stderr
    assert "50m" in mutated(setup, "dry", "--dry-run=server")
    for namespace in ("a-deny", "a-mutate"):
        assert get(setup.kubectl, "pod", "dry", "-n", namespace) is None


def test_a_policy_reads_the_cluster_and_warns(setup: Setup) -> None:
    first = setup.create("a-quota", "one")
    assert (first.returncode, first.stderr) == (0, "")

    def warned() -> str:  # its list of Pods comes from a watch
        return setup.create("a-quota", "two", dry_run=True).stderr

    assert wait_for(warned, "warning").startswith("Warning: ")
    second = setup.create("a-quota", "two")
    assert second.returncode == 0
    assert second.stderr.startswith("Warning: ") and "a-quota" in second.stderr and "limit" in second.stderr


def test_a_policy_reads_the_cluster_and_denies(setup: Setup) -> None:
    assert setup.create("a-quota-deny", "one").returncode == 0
    wait_for(lambda: setup.create("a-quota-deny", "two", dry_run=True).returncode, "denial")
    assert "a-quota-deny" in setup.denied("a-quota-deny", "quota-deny")
    setup.kubectl("delete", "pod", "one", "-n", "a-quota-deny", "--grace-period=0", "--force")
    wait_for(lambda: not setup.create("a-quota-deny", "two", dry_run=True).returncode, "room for another Pod")


def test_reading_the_cluster_takes_grants(setup: Setup) -> None:
    said = setup.denied("a-ungranted", "ungranted")
    assert "Policy has not been granted access to the 'kubernetes/get_resource' host capability" in said
    said = setup.denied("a-no-kind", "no-kind")
    assert "Policy has not been granted access to Kubernetes v1/Namespace resources" in said


def test_status_counts_what_happened(setup: Setup) -> None:
    before = setup.edged.status()["policies"]["no-privileged"]
    setup.create("a-deny", "counted", privileged=True)
    setup.create("a-deny", "counted", dry_run=True)
    after = setup.edged.status()["policies"]["no-privileged"]
    assert (after["rejected"] - before["rejected"], after["accepted"] - before["accepted"]) == (1, 1)
    assert setup.edged.status()["rejections"][-1]["name"] == "counted"


NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a-system-node"}}
LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a-lease"},
         "spec": {"holderIdentity": "x", "leaseDurationSeconds": 15}}  # fmt: skip


def test_what_keeps_a_cluster_alive_never_reaches_a_policy(server: Server, setup: Setup) -> None:
    """A policy for everything that refuses everything: users are locked out, the system and the way back are not."""
    everything = policy("everything", "absent", rules=[EVERYTHING])
    name = "kubernetes.io/metadata.name"
    # The other tests' namespaces stay as they are.
    everything["namespace_selector"] = {"matchExpressions": [{"key": name, "operator": "NotIn", "values": NAMESPACES}]}
    kubectl = server.kubectl
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a-system"}}
    setup.edged.stop()
    remove_objects(server)
    with Edged(kubeconfig=server.kubeconfig, policies=[everything]) as edged:
        edged.wait_registered()
        wait_for(lambda: create(kubectl, config_map, "-n", "default", "--dry-run=server").returncode, "denial")
        for namespace in ("kube-system", "kube-public"):
            assert create(kubectl, config_map, "-n", namespace).returncode == 0, namespace
            assert kubectl("delete", "configmap", "a-system", "-n", namespace, check=False).returncode == 0
        for obj in (NODE, LEASE, _signing_request()):
            done = create(kubectl, obj, "-n", "default")
            assert done.returncode == 0, done.stderr
        assert kubectl("auth", "can-i", "get", "pods", check=False).stdout == "yes\n"
        assert kubectl("label", "node", "a-system-node", "a=b", check=False).returncode == 0
        assert create(kubectl, config_map, "-n", "default").returncode == 1
        reviewed = edged.status()["policies"]["everything"]["failed"]
        kubectl("delete", "node", "a-system-node")
        kubectl("delete", "lease", "a-lease", "-n", "default")
        kubectl("delete", "certificatesigningrequest", "a-request")
        assert edged.status()["policies"]["everything"]["failed"] == reviewed
        edged.stop()
        # Nobody answers now, and everything fails closed; the webhook objects themselves can go.
        assert create(kubectl, config_map, "-n", "default").returncode == 1
        remove_objects(server)
        wait_for(lambda: create(kubectl, config_map, "-n", "default", "--dry-run=server").returncode == 0, "way out")


def _signing_request() -> dict[str, object]:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(
        ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()
    )  # fmt: skip
    pem = base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"request": pem, "signerName": "example.com/any", "usages": ["client auth"]}
    return {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
            "metadata": {"name": "a-request"}, "spec": spec}  # fmt: skip
