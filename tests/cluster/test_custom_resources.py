"""Kubewarden's custom resources as users meet them: kubectl apply -> edged -> denial, status, deletion.

The same assertions on edged's own API server and on the real one. One daemon serves most tests; each has namespaces and
names of its own.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from edged.admission.resources.definitions import definitions
from tests.cluster.edged import MODULES, OBJECTS, Edged, Server, create, get, pod, remove_objects, wait_for
from tests.cluster.edged import policy as configured
from tests.cluster.process import Process
from tests.registry.fake import Fake, fake

Done = subprocess.CompletedProcess[str]
PODS = [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]
PRIVILEGED = f"file://{MODULES}/pod-privileged/pod-privileged.wasm"
DEFAULTS = f"file://{MODULES}/resource-defaults/resource-defaults.wasm"
QUOTA = f"file://{MODULES}/namespace-quota-hint/namespace-quota-hint.wasm"
PLURALS = ("clusteradmissionpolicies", "admissionpolicies", "clusteradmissionpolicygroups", "admissionpolicygroups")
CRDS = Path(__file__).parents[2] / "config" / "crds"
API = "policies.kubewarden.io/v1"


def resource(kind: str, name: str, namespace: str = "", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}


def policy(name: str, **spec: Any) -> dict[str, Any]:
    """A ClusterAdmissionPolicy for one namespace, which is called like it."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": f"cr-{name}"}}
    defaults = {"module": PRIVILEGED, "rules": PODS, "mutating": False, "namespaceSelector": selector}
    return resource("ClusterAdmissionPolicy", name, **{**defaults, **spec})


class Setup:
    """A server with the definitions and a PolicyServer, and a daemon."""

    def __init__(self, server: Server, edged: Edged) -> None:
        self.server = server
        self.kubectl = server.kubectl
        self.edged = edged

    def apply(self, *objects: dict[str, Any]) -> Done:
        """`kubectl apply`; whatever comes of it."""
        manifest = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest), check=False)

    def serve(self, *objects: dict[str, Any]) -> None:
        """Apply, and wait until they are active."""
        done = self.apply(*objects)
        assert done.returncode == 0, done.stderr
        for obj in objects:
            self.wait_status(obj, "active")

    def live(self, obj: dict[str, Any]) -> dict[str, Any] | None:
        metadata = obj["metadata"]
        where = ["-n", metadata["namespace"]] if "namespace" in metadata else []
        return get(self.kubectl, f"{obj['kind']}.policies.kubewarden.io", metadata["name"], *where)

    def status(self, obj: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (self.live(obj) or {}).get("status") or {}
        return found

    def condition(self, obj: dict[str, Any], name: str) -> dict[str, Any]:
        return next((each for each in self.status(obj).get("conditions", ()) if each["type"] == name), {})

    def wait_status(self, obj: dict[str, Any], phase: str, *, seconds: float = 30.0) -> None:
        def reached() -> bool:
            return bool(self.status(obj).get("policyStatus") == phase)

        try:
            wait_for(reached, f"{obj['metadata']['name']} {phase}", seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.status(obj)}\n{self.edged.log[-3000:]}") from error

    def wait_reason(self, obj: dict[str, Any], words: str) -> None:
        """Until the status says so."""
        try:
            wait_for(lambda: words in self.condition(obj, "PolicyActive").get("message", ""), words)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.status(obj)}\n{self.edged.log[-3000:]}") from error

    def delete(self, obj: dict[str, Any]) -> None:
        """`kubectl delete`, which waits until the object is gone."""
        metadata = obj["metadata"]
        where = ["-n", metadata["namespace"]] if "namespace" in metadata else []
        kind = f"{obj['kind']}.policies.kubewarden.io"
        self.kubectl("delete", kind, metadata["name"], *where, "--timeout=30s")

    def namespace(self, *names: str) -> None:
        for name in names:
            create(self.kubectl, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def try_pod(self, namespace: str, *, privileged: bool = True) -> Done:
        """A dry run."""
        return create(self.kubectl, pod("tried", privileged=privileged), "-n", namespace, "--dry-run=server")

    def wait_denied(self, namespace: str) -> str:
        """The words of the denial."""

        def denied() -> str:
            return self.try_pod(namespace).stderr

        found: str = wait_for(denied, f"denial in {namespace}")
        return found

    def wait_allowed(self, namespace: str) -> None:
        wait_for(lambda: self.try_pod(namespace).returncode == 0, f"no denial in {namespace}")

    def hooks(self) -> set[str]:
        """Names of all registered webhooks."""
        return {hook["name"] for hook in self.raw_hooks()}

    def raw_hooks(self) -> list[dict[str, Any]]:
        objects = [get(self.kubectl, plural, "edged") or {} for plural in OBJECTS]
        return [hook for obj in objects for hook in obj.get("webhooks") or ()]


def install(server: Server) -> None:
    """The definitions, from the files as they are committed."""
    for name in definitions():
        server.kubectl("apply", "--server-side", "-f", str(CRDS / name))
    for name in definitions():
        crd = f"crd/{name.removesuffix('.yaml')}.policies.kubewarden.io"
        server.kubectl("wait", "--for=condition=Established", crd, "--timeout=30s")


def uninstall(server: Server) -> None:
    """Everything away, whether or not a daemon is there to take finalizers off."""
    remove_objects(server)
    for plural in (*PLURALS, "policyservers"):
        name = f"{plural}.policies.kubewarden.io"
        found = server.kubectl("get", name, "-A", "-o", "json", check=False)
        for obj in json.loads(found.stdout)["items"] if found.returncode == 0 else ():
            where = ["-n", obj["metadata"]["namespace"]] if "namespace" in obj["metadata"] else []
            one = [name, obj["metadata"]["name"], *where]
            server.kubectl("patch", *one, "--type=merge", "-p", '{"metadata":{"finalizers":null}}', check=False)
            server.kubectl("delete", *one, "--ignore-not-found", "--timeout=10s", check=False)


class Daemon(Edged):
    """With a registry on this machine's own address: custom resources may not name loopback."""

    def __init__(self, registry: Fake | None, **settings: Any) -> None:
        self._registry = registry
        super().__init__(**settings)

    def _write(self) -> None:
        super()._write()
        if self._registry is not None:
            sources = self.folder / "sources.yml"
            sources.write_text(f"insecure_sources: ['{self._registry.host}']\n")
            self.config.write_text(f'{self.config.read_text()}\n[registry]\nsources = "{sources}"\n')


def own_address() -> str:
    """Of this machine, as others see it; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        found: str = probe.getsockname()[0]
        return "" if found.startswith("127.") else found


@pytest.fixture(scope="module")
def registry() -> Iterator[Fake | None]:
    """None where the machine has no address but loopback."""
    address = own_address()
    with fake(address=address) if address else nullcontext() as found:
        yield found


def daemon(server: Server, registry: Fake | None = None, **keys: Any) -> Edged:
    admission = {"module_dirs": [str(MODULES)], "webhooks": "each", **keys}
    if registry is not None:
        admission["module_sources"] = [registry.host]
    return Daemon(registry, kubeconfig=server.kubeconfig, admission=admission)


@pytest.fixture(scope="module", params=["sandbox", pytest.param("real", marks=pytest.mark.kube)])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    found: Server = request.getfixturevalue("sandbox_server" if request.param == "sandbox" else "kube_cluster")
    install(found)
    uninstall(found)
    yield found
    uninstall(found)
    for name in definitions():
        found.kubectl("delete", "crd", f"{name.removesuffix('.yaml')}.policies.kubewarden.io", "--timeout=20s")


@pytest.fixture(scope="module")
def setup(server: Server, registry: Fake | None) -> Iterator[Setup]:
    with daemon(server, registry, namespaced_capabilities=["kubernetes/*"]) as edged:
        found = Setup(server, edged)
        wait_for(lambda: "vpolicyserver.kb.io" in found.hooks(), "webhooks of the kinds")
        assert found.apply(resource("PolicyServer", "default")).returncode == 0
        yield found


def test_a_life(setup: Setup) -> None:
    """Applied -> rejects -> active -> other settings -> deleted -> webhook and object gone."""
    setup.namespace("cr-life")
    life = policy("life")
    setup.serve(life)
    said = setup.wait_denied("cr-life")
    assert 'admission webhook "clusterwide-life.kubewarden.admission" denied the request' in said
    live = setup.live(life)
    assert live is not None
    assert "kubewarden.io/finalizer" in live["metadata"]["finalizers"]
    assert live["status"]["mode"] == "protect"
    conditions = {each["type"]: each["status"] for each in live["status"]["conditions"]}
    assert conditions == {
        "PolicyActive": "True", "PolicyServerConfigurationUpToDate": "True", "PolicyUniquelyReachable": "True",
    }  # fmt: skip

    life["spec"]["message"] = "not in this house"
    assert setup.apply(life).returncode == 0
    wait_for(lambda: "not in this house" in setup.try_pod("cr-life").stderr, "the new message")

    setup.delete(life)
    assert setup.live(life) is None
    assert "clusterwide-life.kubewarden.admission" not in setup.hooks()
    setup.wait_allowed("cr-life")


def test_a_policy_that_mutates(setup: Setup) -> None:
    setup.namespace("cr-mutate")
    settings = {"requests": {"cpu": "50m"}}
    setup.serve(policy("mutate", module=DEFAULTS, mutating=True, settings=settings))

    def cpu() -> bool:
        done = create(setup.kubectl, pod("tried"), "-n", "cr-mutate", "--dry-run=server", "-o", "json")
        containers = json.loads(done.stdout)["spec"]["containers"] if done.returncode == 0 else [{}]
        return containers[0].get("resources", {}).get("requests") == {"cpu": "50m"}

    wait_for(cpu, "mutation")


def test_a_namespaced_policy_sees_its_namespace_only(setup: Setup) -> None:
    setup.namespace("cr-own", "cr-other")
    own = resource(
        "AdmissionPolicy", "own", "cr-own", module=PRIVILEGED, mutating=False, rules=[{**PODS[0], "scope": "*"}]
    )
    setup.serve(own)
    setup.wait_denied("cr-own")
    assert setup.try_pod("cr-other").returncode == 0
    hook = next(each for each in setup.raw_hooks() if each["name"] == "namespaced-cr-own-own.kubewarden.admission")
    assert hook["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "cr-own"}}
    assert [rule["scope"] for rule in hook["rules"]] == ["Namespaced"]
    assert hook["timeoutSeconds"] == 10
    setup.delete(own)
    setup.wait_allowed("cr-own")


def test_groups(setup: Setup) -> None:
    setup.namespace("cr-groups", "cr-own-group")
    member = {"module": PRIVILEGED}
    spec = {"rules": PODS, "expression": "a() && !(b() && false)", "policies": {"a": member, "b": member}}
    whole = resource("ClusterAdmissionPolicyGroup", "whole", **spec, message="the group says no",
                     namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "cr-groups"}})  # fmt: skip
    own = resource("AdmissionPolicyGroup", "own", "cr-own-group", **spec, message="this namespace says no")
    setup.serve(whole, own)
    assert "the group says no" in setup.wait_denied("cr-groups")
    assert "this namespace says no" in setup.wait_denied("cr-own-group")
    assert setup.edged.status()["policies"]["clusterwide-group-whole"]["state"] == "loaded"
    setup.delete(whole)
    setup.delete(own)


def test_a_policy_whose_module_is_missing_is_pending_with_the_reason(setup: Setup) -> None:
    setup.namespace("cr-broken")
    broken = policy("broken", module=f"file://{MODULES}/absent/absent.wasm")
    assert setup.apply(broken).returncode == 0
    setup.wait_reason(broken, "the module file is missing")
    assert setup.status(broken)["policyStatus"] == "pending"
    assert setup.status(broken)["mode"] == "unknown"
    assert setup.condition(broken, "PolicyServerConfigurationUpToDate")["status"] == "False"
    assert setup.try_pod("cr-broken").returncode == 0
    broken["spec"]["module"] = PRIVILEGED
    setup.serve(broken)
    setup.wait_denied("cr-broken")


def test_a_change_that_does_not_load_leaves_the_last_good_policy_in_place(setup: Setup) -> None:
    setup.namespace("cr-last-good")
    good = policy("last-good")
    setup.serve(good)
    setup.wait_denied("cr-last-good")
    good["spec"]["settings"] = {"allowed": []}
    assert setup.apply(good).returncode == 0
    condition = wait_for(
        lambda: (found := setup.condition(good, "PolicyServerConfigurationUpToDate"))["status"] == "False" and found,
        "the condition",
    )
    assert condition["reason"] == "ConfigurationVersionMismatch"
    assert "Policy settings are invalid" in condition["message"]
    assert "is privileged" in setup.try_pod("cr-last-good").stderr
    del good["spec"]["settings"]
    setup.serve(good)


def test_a_module_from_a_registry(setup: Setup, registry: Fake | None) -> None:
    if registry is None:
        pytest.skip("this machine has no address but loopback")
    setup.namespace("cr-pulled")
    pulled = policy("pulled", module=f"registry://{registry.host}/policies/privileged:v1")
    assert setup.apply(pulled).returncode == 0
    setup.wait_reason(pulled, "policies/privileged:v1")  # it is not there yet
    registry.publish("policies/privileged", "v1", (MODULES / "pod-privileged" / "pod-privileged.wasm").read_bytes())
    setup.wait_status(pulled, "active", seconds=60)
    assert "privileged" in setup.wait_denied("cr-pulled")
    registry.pages.clear()  # what was fetched once is needed no more
    again = policy("pulled-too", module=pulled["spec"]["module"])
    setup.namespace("cr-pulled-too")
    setup.serve(again)
    assert "privileged" in setup.wait_denied("cr-pulled-too")
    setup.delete(pulled)
    setup.delete(again)


def test_modules_from_elsewhere_are_not_read(setup: Setup) -> None:
    for name, module, words in (
        ("outside", "file:///etc/passwd", "is in none of [admission] module_dirs"),
        ("above", f"file://{MODULES}/../../etc/passwd", "is in none of [admission] module_dirs"),
        ("metadata", "https://169.254.169.254/latest/x.wasm", "loopback and link-local addresses are refused"),
        ("inward", "https://[::ffff:127.0.0.1]/x.wasm", "loopback and link-local addresses are refused"),
        ("foreign", "registry://ghcr.io/kubewarden/x:v1", "ghcr.io is not in [admission] module_sources"),
    ):
        obj = policy(name, module=module)
        assert setup.apply(obj).returncode == 0
        setup.wait_reason(obj, words)
        setup.delete(obj)


def test_no_secrets_without_permission_of_the_node(setup: Setup) -> None:
    reader = policy("reader", contextAwareResources=[{"apiVersion": "v1", "kind": "Secret"}])
    assert setup.apply(reader).returncode == 0
    setup.wait_reason(reader, "allow_secrets")
    setup.delete(reader)


def test_a_namespaced_policy_reads_nothing_of_what_others_may_read(setup: Setup) -> None:
    """The cluster policy's informer holds Namespaces and Pods; the namespaced policy runs the same module."""
    setup.namespace("cr-aware", "cr-unaware")
    aware = [{"apiVersion": "v1", "kind": kind} for kind in ("Namespace", "Pod")]
    reader = policy("aware", module=QUOTA, settings={"mode": "deny"}, contextAwareResources=aware)
    curious = resource("AdmissionPolicy", "unaware", "cr-unaware", module=QUOTA, mutating=False, rules=PODS)
    setup.serve(reader, curious)
    wait_for(lambda: setup.try_pod("cr-aware", privileged=False).returncode == 0, "the reader's informers")
    wait_for(
        lambda: "has not been granted access to Kubernetes v1/Namespace" in setup.wait_denied("cr-unaware"), "kinds"
    )
    server = resource("PolicyServer", "default", namespacedPoliciesCapabilities=[])
    assert setup.apply(server).returncode == 0
    words = "has not been granted access to the 'kubernetes/get_resource' host capability"
    wait_for(lambda: words in setup.wait_denied("cr-unaware"), "no capability")
    assert setup.try_pod("cr-aware", privileged=False).returncode == 0
    assert setup.apply(resource("PolicyServer", "default")).returncode == 0
    setup.delete(curious)
    setup.delete(reader)


def test_migrate_looks_at_the_cluster(setup: Setup) -> None:
    setup.serve(policy("migrated"))
    done = setup.edged.command("migrate", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ClusterAdmissionPolicy migrated" in done.stdout
    foreign = policy("foreign", module="registry://ghcr.io/kubewarden/policies/p:v1")
    assert setup.apply(foreign).returncode == 0
    done = setup.edged.command("migrate", "-o", "json", check=False)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert '"ghcr.io/kubewarden/policies"]' in report["configuration"]
    setup.delete(foreign)
    setup.delete(policy("migrated"))


REFUSED = [
    ("no rules", policy("bad", rules=[]), "spec.rules: Required value: a policy must have at least one rule"),
    ("no operation", policy("bad", rules=[{**PODS[0], "operations": []}]), "spec.rules[0].operations: Required value"),
    ("timeouts", policy("bad", timeoutSeconds=5, timeoutEvalSeconds=6),
     "spec.timeoutEvalSeconds: Invalid value: 6: cannot be greater than timeoutSeconds (5)"),
    ("CEL", policy("bad", matchConditions=[{"name": "x", "expression": "1 +"}]),
     "spec.matchConditions[0].expression: Invalid value: \"1 +\": compilation failed"),
    ("CEL variable", policy("bad", matchConditions=[{"name": "x", "expression": "params.a"}]),
     "undeclared reference to 'params'"),
    ("wildcards", resource("AdmissionPolicy", "bad", "default", module=PRIVILEGED, mutating=False,
                           rules=[{**PODS[0], "apiGroups": ["*"], "resources": ["*/*"]}]),
     "apiGroups and resources cannot both be wildcards"),
    ("reports", resource("AdmissionPolicy", "bad", "default", module=PRIVILEGED, mutating=False,
                         rules=[{**PODS[0], "apiGroups": ["wgpolicyk8s.io"], "resources": ["policyreports"]}]),
     "policyreports of wgpolicyk8s.io cannot be the target"),
    ("expression", resource("ClusterAdmissionPolicyGroup", "bad", rules=PODS, expression="a() &&", message="no",
                            policies={"a": {"module": PRIVILEGED}}),
     "spec.expression: Invalid value: \"a() &&\": compilation failed"),
    ("reserved word", resource("ClusterAdmissionPolicyGroup", "bad", rules=PODS, expression="a()", message="no",
                               policies={"a": {"module": PRIVILEGED}, "in": {"module": PRIVILEGED}}),
     "is a reserved word of CEL"),
    ("signatures", resource("PolicyServer", "signed", verificationConfig="keys"), "cannot verify signatures"),
    ("both budgets", resource("PolicyServer", "two", minAvailable=1, maxUnavailable="50%"),
     "minAvailable and maxUnavailable cannot both be set"),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_bad_objects_are_refused_with_the_reason(setup: Setup, obj: dict[str, Any], words: str) -> None:
    done = setup.apply(obj)
    assert done.returncode == 1
    assert words in done.stderr
    assert setup.live(obj) is None


def test_changes_that_are_refused(setup: Setup) -> None:
    fixed = policy("fixed", policyServer="somebody-else")
    assert setup.apply(fixed).returncode == 0
    assert "finalizers" not in (setup.live(fixed) or {})["metadata"]
    fixed["spec"]["policyServer"] = "default"
    assert "spec.policyServer: Forbidden: the field is immutable" in setup.apply(fixed).stderr
    fixed["spec"] |= {"policyServer": "somebody-else", "mode": "monitor"}
    assert "spec.mode: Forbidden: cannot change from protect to monitor" in setup.apply(fixed).stderr
    setup.delete(fixed)


def test_defaults_and_warnings(setup: Setup) -> None:
    done = setup.apply(resource("PolicyServer", "warned", insecureSources=["registry.local"]))
    assert (done.returncode, "Warning: spec.insecureSources has no effect" in done.stderr) == (0, True)
    setup.delete(resource("PolicyServer", "warned"))
    plain = policy("plain")
    setup.serve(plain)
    live = setup.live(plain)
    assert live is not None
    spec = live["spec"]
    assert (spec["policyServer"], spec["mode"], spec["timeoutSeconds"]) == ("default", "protect", 10)
    table = setup.kubectl("get", "cap", "plain").stdout
    assert "POLICY SERVER" in table and "active" in table
    setup.delete(plain)


def test_names_that_collide(setup: Setup) -> None:
    """A namespaced policy cannot take the place of another one whose unique name is spelled alike."""
    setup.namespace("cr-a", "cr-a-b")
    first = resource("AdmissionPolicy", "b-c", "cr-a", module=PRIVILEGED, mutating=False, rules=PODS)
    setup.serve(first)
    second = resource("AdmissionPolicy", "c", "cr-a-b", module=PRIVILEGED, mutating=False, rules=PODS)
    assert setup.apply(second).returncode == 0
    setup.wait_reason(second, "AdmissionPolicy cr-a/b-c has the name namespaced-cr-a-b-c already")
    setup.delete(second)
    setup.wait_denied("cr-a")
    setup.delete(first)


def test_fifty_at_once(setup: Setup) -> None:
    many = [policy(f"many-{number}") for number in range(50)]
    setup.serve(*many)
    assert {f"clusterwide-many-{number}.kubewarden.admission" for number in range(50)} <= setup.hooks()
    reports = setup.edged.status()["policies"]
    assert len({reports[f"clusterwide-many-{number}"]["digest"] for number in range(50)}) == 1
    names = [obj["metadata"]["name"] for obj in many]
    setup.kubectl("delete", "cap", *names, "--timeout=60s")
    assert not any("many" in name for name in setup.hooks())


def test_deleting_the_policy_server(setup: Setup) -> None:
    setup.namespace("cr-server")
    served = policy("server")
    setup.serve(served)
    setup.wait_denied("cr-server")
    server = resource("PolicyServer", "default")
    setup.delete(server)
    setup.wait_allowed("cr-server")
    setup.wait_status(served, "scheduled")
    assert not any(name.endswith(".kubewarden.admission") for name in setup.hooks())
    assert setup.apply(server).returncode == 0
    setup.wait_status(served, "active")
    setup.wait_denied("cr-server")
    live = setup.live(server)
    assert live is not None
    assert {each["type"]: each["status"] for each in live["status"]["conditions"]}["DeploymentReconciled"] == "True"
    setup.delete(served)


def test_nothing_is_written_without_need(setup: Setup) -> None:
    """Two daemons with the same objects, of which the first owns the webhooks: no ping-pong of writes."""
    setup.namespace("cr-quiet")
    quiet = policy("quiet")
    setup.serve(quiet)
    with Edged(kubeconfig=setup.server.kubeconfig, node="edge-2", admission={"module_dirs": [str(MODULES)]}) as other:
        wait_for(lambda: "clusterwide-quiet" in other.status()["policies"], "the second daemon")
        other.wait_phase("refused")
        versions = set()
        for _ in range(20):
            live = setup.live(quiet)
            assert live is not None
            versions.add(live["metadata"]["resourceVersion"])
            other.status()
        assert len(versions) <= 2
        setup.wait_status(quiet, "active")
    setup.delete(quiet)


def test_killed_in_the_middle(server: Server, setup: Setup) -> None:
    """-9 right after an object was applied, and right after it was deleted: the next life finishes both."""
    setup.namespace("cr-killed")
    killed = policy("killed")
    assert setup.apply(killed).returncode == 0
    setup.edged.kill()
    setup.edged.start()
    setup.wait_status(killed, "active")
    setup.wait_denied("cr-killed")
    setup.edged.kill()
    setup.kubectl("delete", "cap", "killed", "--wait=false")
    setup.edged.start()
    setup.edged.kill()  # it has begun to withdraw the webhook, or has not
    setup.edged.start()
    wait_for(lambda: setup.live(killed) is None, "the object gone")
    assert "clusterwide-killed.kubewarden.admission" not in setup.hooks()
    setup.wait_allowed("cr-killed")


def test_a_start_without_the_api_server_keeps_the_policies(setup: Setup) -> None:
    kept = policy("offline", message="still here")
    setup.serve(kept)
    setup.edged.stop()
    text = setup.edged.config.read_text()
    setup.edged.config.write_text(text.replace(str(setup.server.kubeconfig), "/nonexistent/kubeconfig"))
    try:
        setup.edged.start()
        response = setup.edged.review("clusterwide-offline", pod("tried", privileged=True))
        assert (response["allowed"], response["status"]["message"]) == (False, "still here")
        rows = {row["policy"]: row for row in setup.edged.status()["custom_resources"]["resources"]}
        assert rows["clusterwide-offline"]["object"] == "ClusterAdmissionPolicy offline"
        setup.edged.stop()
    finally:
        setup.edged.config.write_text(text)
        setup.edged.start()
    setup.wait_status(kept, "active")
    setup.delete(kept)


def test_a_start_that_remembers_nothing_withdraws_nothing(setup: Setup) -> None:
    """Its state is lost, and with it what it served: until the policies are read and loaded again, their webhooks stay.
    Every state of the object is looked at."""
    setup.namespace("cr-forgotten")
    forgotten = policy("forgotten")
    setup.serve(forgotten)
    name = "clusterwide-forgotten.kubewarden.admission"
    edged = setup.edged
    edged.stop()
    shutil.rmtree(edged.state_dir)
    seen = edged.folder / "watched"
    watch = ["get", OBJECTS[0], "edged", "--watch", "-o", r"jsonpath={.webhooks[*].name}{'\n'}"]
    watching = Process([str(setup.kubectl.program), *watch], seen, setup.kubectl._environment)
    try:
        wait_for(lambda: name in watching.output(), "the object as it was left")
        edged.start()
        wait_for(lambda: edged.status()["policies"].get("clusterwide-forgotten", {}).get("enforcement") == "in_force",
                 "in force again")  # fmt: skip
        setup.wait_denied("cr-forgotten")
    finally:
        watching.kill()
    states = watching.output().splitlines()
    assert len(states) > 1 and all(name in state for state in states), states
    setup.delete(forgotten)


def test_a_reload_keeps_both_sources(setup: Setup) -> None:
    setup.namespace("cr-reload")
    served = policy("reload")
    setup.serve(served)
    setup.edged.configure([configured("from-file", "pod-privileged", namespace="cr-from-file")])
    assert setup.edged.reload() == ""
    wait_for(lambda: "from-file.policy.edged.dev" in setup.hooks(), "the configured policy")
    assert "clusterwide-reload.kubewarden.admission" in setup.hooks()
    setup.wait_denied("cr-reload")
    setup.edged.configure([])
    assert setup.edged.reload() == ""
    assert setup.status(served)["policyStatus"] == "active"
    setup.delete(served)


def test_a_policy_with_conditions_and_selectors(setup: Setup) -> None:
    setup.namespace("cr-conditions")
    conditions = [{"name": "only-tried", "expression": "object.metadata.name == 'tried'"}]
    setup.serve(policy("conditions", matchConditions=conditions, objectSelector={"matchLabels": {"guarded": "yes"}}))
    guarded = {"guarded": "yes"}

    def attempt(name: str, labels: dict[str, str]) -> int:
        obj = pod(name, privileged=True, labels=labels)
        return create(setup.kubectl, obj, "-n", "cr-conditions", "--dry-run=server").returncode

    wait_for(lambda: attempt("tried", guarded) == 1, "denial")
    assert attempt("other", guarded) == 0
    assert attempt("tried", {}) == 0


@pytest.mark.parametrize(
    ("expression", "kind"),
    [("'text'", "string"), ("authorizer.path('/healthz').check('get')", "kubernetes.authorization.Decision")],
)
def test_conditions_that_are_no_truth_values_are_refused_at_once(setup: Setup, expression: str, kind: str) -> None:
    """edged knows the types that the API server knows: what it lets pass becomes a webhook."""
    typed = policy("typed", matchConditions=[{"name": "text", "expression": expression}])
    refused = setup.apply(typed)
    assert refused.returncode == 1 and f"must evaluate to bool but got {kind}" in refused.stderr
    assert setup.live(typed) is None


def test_monitor_mode_lets_pass(setup: Setup) -> None:
    setup.namespace("cr-monitor")
    watching = policy("monitor", mode="monitor")
    setup.serve(watching)
    assert setup.status(watching)["mode"] == "monitor"
    assert setup.try_pod("cr-monitor").returncode == 0
    hook = next(each for each in setup.raw_hooks() if each["name"].startswith("clusterwide-monitor."))
    assert hook["failurePolicy"] == "Ignore"


def test_finalizers_can_go_while_nobody_answers(server: Server, setup: Setup) -> None:
    """What Kubewarden's webhook would refuse while its controller is down."""
    stuck = policy("stuck")
    setup.serve(stuck)
    setup.edged.kill()
    try:
        refused = setup.apply(policy("while-down"))
        assert refused.returncode == 1 and "kb.io" in refused.stderr
        setup.kubectl("delete", "cap", "stuck", "--wait=false")
        setup.kubectl("patch", "cap", "stuck", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        assert setup.live(stuck) is None
        setup.edged.command("webhook", "remove")
        assert setup.hooks() == set()
        assert setup.apply(policy("while-down")).returncode == 0
    finally:
        setup.edged.start()
    setup.wait_status(policy("while-down"), "active")
    setup.delete(policy("while-down"))
