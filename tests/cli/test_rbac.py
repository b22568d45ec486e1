"""`edged rbac render`: exactly the rights that a configuration needs."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from edged import config
from edged.admission.rules.manifest_checks import trial_name
from edged.cli import main as cli
from edged.cli.rbac import cluster_rules, namespaced_rules, plural, read_rules, render
from edged.errors import ConfigError
from tests.cli.test_webhook import Api, Files, in_thread

ADMISSION = """
[admission]
policy_server = ""
register = "dynamic"
[[admission.policy]]
name = "p"
module = "file:///m.wasm"
rules = []
"""


def rules(text: str) -> list[tuple[str, list[str], list[str]]]:
    found = cluster_rules(config.parse(text))
    return [(rule["apiGroups"][0], rule["resources"], rule["verbs"]) for rule in found]


def test_nothing_enabled_needs_nothing():
    assert rules("") == [] and namespaced_rules(config.parse("")) == {}
    documents = render(config.parse(""), "edged", "kube-system")
    assert [d["kind"] for d in documents] == ["ServiceAccount", "Secret"]


def test_dynamic_registration_updates_its_own_objects_by_name():
    (rule,) = cluster_rules(config.parse(ADMISSION))
    assert rule == {
        "apiGroups": ["admissionregistration.k8s.io"], "verbs": ["get", "update"], "resourceNames": ["edged"],
        "resources": ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"]}
    assert list(namespaced_rules(config.parse(ADMISSION))) == ["default"]
    static = config.parse(ADMISSION.replace("dynamic", "static"))
    assert {"nonResourceURLs": ["/metrics"], "verbs": ["get"]} in cluster_rules(static)
    assert namespaced_rules(static) == {}
    assert not any("nonResourceURLs" in rule for rule in cluster_rules(config.parse(ADMISSION)))
    assert {**rule, "resourceNames": [trial_name(static.node.name)]} in cluster_rules(static)


AUDITED = """
[admission]
policy_server = ""
register = "none"
audit_reports = "policyreport"
[[admission.policy]]
name = "p"
module = "file:///m.wasm"
rules = [
    { apiGroups = [""], apiVersions = ["v1"], resources = ["pods", "pods/exec"], operations = ["CREATE"] },
    { apiGroups = ["*"], apiVersions = ["v1"], resources = ["*"], operations = ["CREATE"] },
]
"""
WRITE = ["create", "deletecollection", "list", "patch"]


def test_audits_list_what_policies_name_and_write_reports():
    reports = ("wgpolicyk8s.io", ["clusterpolicyreports", "policyreports"], WRITE)
    assert rules(AUDITED) == [("", ["namespaces", "pods"], ["list"]), reports]
    either = rules(AUDITED.replace('"policyreport"', '"auto"'))
    assert [entry[0] for entry in either] == ["", "wgpolicyk8s.io", "openreports.io"]
    assert rules(AUDITED.replace('"policyreport"', '"none"')) == [("", ["namespaces", "pods"], ["list"])]


@pytest.mark.parametrize("key", ["audit_interval_s = 0", "background_audit = false"])
def test_without_audits_nothing_is_listed(key: str):
    where = "[admission]" if "interval" in key else 'name = "p"'
    assert rules(AUDITED.replace(where, f"{where}\n{key}")) == []


def test_rules_of_a_module_are_read_and_missing_ones_told(capsys: pytest.CaptureFixture[str]):
    module = Path(__file__).parents[2] / "modules/admission/pod-privileged/pod-privileged.wasm"
    text = f'[admission]\nregister = "none"\npolicy_server = ""\n[[admission.policy]]\nname = "p"\nmodule = "file://{module}"\n'
    assert ("", ["namespaces", "pods"], ["list"]) in rules(text)
    assert capsys.readouterr().err == ""
    assert rules(text.replace(".wasm", ".gone")) == []
    assert "policy p: " in capsys.readouterr().err


def test_context_aware_policies_read_their_kinds():
    text = ADMISSION + """
context_aware = [
    { apiVersion = "v1", kind = "Namespace" }, { apiVersion = "networking.k8s.io/v1", kind = "Ingress" }]
host_capabilities = ["kubernetes/*"]
"""
    assert rules(text)[1:] == [
        ("", ["namespaces"], ["get", "list", "watch"]),
        ("networking.k8s.io", ["ingresses"], ["get", "list", "watch"]),
        ("authorization.k8s.io", ["subjectaccessreviews"], ["create"]),
    ]


READ = ["get", "list", "watch"]


def test_the_scheduler():
    assert rules("[scheduler]") == [
        ("", ["nodes", "pods"], ["get", "list", "watch"]),
        ("policy", ["poddisruptionbudgets"], ["get", "list", "watch"]),
        ("", ["pods"], ["delete"]),
        ("", ["pods/binding"], ["create"]),
        ("", ["pods/status"], ["patch"]),
        ("", ["namespaces", "persistentvolumeclaims", "persistentvolumes", "replicationcontrollers", "services"], READ),
        ("storage.k8s.io",
         ["csidrivers", "csinodes", "csistoragecapacities", "storageclasses", "volumeattachments"], READ),
        ("apps", ["replicasets", "statefulsets"], READ),
        ("", ["persistentvolumeclaims", "persistentvolumes"], ["patch"]),
        ("events.k8s.io", ["events"], ["create", "patch"]),
    ]


def test_a_scheduler_that_is_elected_may_write_its_lease(tmp_path):
    own = namespaced_rules(config.parse("[scheduler]\nleader_election = true"))["kube-system"]
    assert [(rule["verbs"], rule.get("resourceNames")) for rule in own] == [
        (["create"], None), (["get", "update"], ["edged-scheduler"]),
    ]  # fmt: skip
    file = tmp_path / "scheduler.yaml"
    head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nleaderElection:\n"
    file.write_text(head + "  resourceName: mine\n  resourceNamespace: ns\n")
    assert list(namespaced_rules(config.parse(f'[scheduler]\nconfig = "{file}"'))) == ["ns"]
    file.write_text(head + "  leaderElect: false\n")
    assert namespaced_rules(config.parse(f'[scheduler]\nconfig = "{file}"')) == {}
    assert namespaced_rules(config.parse("[scheduler]")) == {}


@pytest.mark.parametrize(("kind", "expected"), [
    ("Pod", "pods"), ("Ingress", "ingresses"), ("NetworkPolicy", "networkpolicies"), ("Gateway", "gateways"),
    ("Endpoints", "endpoints"), ("StorageClass", "storageclasses")])
def test_plurals(kind, expected):
    assert plural(kind) == expected


def write(tmp_path: Path) -> str:
    path = tmp_path / "edged.toml"
    path.write_text(ADMISSION)
    return str(path)


def test_render_binds_what_it_defines(tmp_path, capsys):
    assert cli.main(["rbac", "render", "--config", write(tmp_path)]) == 0
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [d["kind"] for d in documents] == [
        "ServiceAccount", "Secret", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]
    for binding in documents[3::2]:
        (subject,) = binding["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": "edged", "namespace": "kube-system"}
        assert binding["roleRef"]["kind"] == binding["kind"].removesuffix("Binding")


def test_render_for_a_user(tmp_path, capsys):
    path = write(tmp_path)
    assert cli.main(["rbac", "render", "--user", "edge-1", "-o", "json", "--config", path]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert items[0]["kind"] == "ClusterRole" and items[1]["subjects"][0]["name"] == "edge-1"
    assert cli.main(["rbac", "render", "--user", "a", "--output-path", "/x", "--config", path]) == 2


def test_a_kubeconfig_for_the_service_account(tmp_path, capsys):
    api = Api()
    secret: dict[str, Any] = {"type": "kubernetes.io/service-account-token", "data": {}}
    paths = []

    async def request(method: str, path: str, **_: Any) -> dict[str, Any]:
        paths.append(path)
        return secret

    api.request = request  # type: ignore[method-assign]
    out = tmp_path / "kubeconfig.out"
    with in_thread(api) as server:
        Files(tmp_path, server)
        file = tmp_path / "edged.toml"
        file.write_text(f'[kubernetes]\nkubeconfig = "{tmp_path}/kubeconfig"\n')
        arguments = ["rbac", "render", "--config", str(file), "--output-path", str(out)]
        assert cli.main(arguments) == 2 and not out.exists()
        secret["data"] = {"token": base64.b64encode(b"tok").decode(), "ca.crt": "Q0E="}
        assert cli.main(arguments) == 0
        assert cli.main(arguments) == 2 and "exists; --force" in capsys.readouterr().err
        assert cli.main([*arguments, "--force"]) == 0 and "(unchanged)" in capsys.readouterr().out
        by_hand = tmp_path / "by-hand"
        (tmp_path / "kubeconfig").rename(by_hand)
        other = [*arguments[:-1], str(tmp_path / "other")]
        assert cli.main(other) == 2 and cli.main([*other, "--kubeconfig", str(by_hand)]) == 0
        assert (tmp_path / "other").read_bytes() == out.read_bytes()
    assert paths[-1] == "/api/v1/namespaces/kube-system/secrets/edged"
    assert out.stat().st_mode & 0o777 == 0o600
    written = json.loads(out.read_bytes())
    assert written["users"][0]["user"] == {"token": "tok"}
    assert written["clusters"][0]["cluster"] == {
        "server": f"http://{server}", "certificate-authority-data": "Q0E="}


def test_custom_resources_are_read_and_reported_on() -> None:
    found = rules('[admission]\nregister = "none"\naudit_interval_s = 0\n')
    kinds = found[0][1]
    assert found[0][0] == "policies.kubewarden.io" and "policyservers" in kinds and len(kinds) == 5
    assert found[0][2] == ["get", "list", "watch", "patch"]
    assert found[1][1:] == ([f"{kind}/status" for kind in kinds], ["patch"])
    assert found[2] == ("authorization.k8s.io", ["subjectaccessreviews"], ["create"])


def test_what_policies_of_custom_resources_read_is_said_on_the_command_line() -> None:
    assert read_rules(["v1/Namespace", "apps/v1/Deployment", "v1/Pod"]) == [
        {"apiGroups": [""], "resources": ["namespaces", "pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]},
    ]
    for wrong in ("Namespace", "v1/", "a/b/c/D"):
        with pytest.raises(ConfigError):
            read_rules([wrong])


def test_a_kubeconfig_is_only_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    administrator = tmp_path / "k3s.yaml"
    administrator.write_text("precious")
    assert cli.main(["rbac", "render", "--config", write(tmp_path), "--kubeconfig", str(administrator)]) == 0
    shown = capsys.readouterr()
    assert administrator.read_text() == "precious" and "kind: ClusterRole" in shown.out
    assert "--kubeconfig is only read" in shown.err and "--output-path FILE" in shown.err


def test_the_old_spelling_writes_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    api = Api()

    async def request(method: str, path: str, **_: Any) -> dict[str, Any]:
        return {"type": "kubernetes.io/service-account-token", "data": {"token": base64.b64encode(b"tok").decode()}}

    api.request = request  # type: ignore[method-assign]
    with in_thread(api) as server:
        Files(tmp_path, server)
        file = tmp_path / "edged.toml"
        file.write_text(f'[kubernetes]\nkubeconfig = "{tmp_path}/kubeconfig"\n')
        arguments = ["rbac", "render", "--config", str(file), "--kubeconfig", str(tmp_path / "out")]
        assert cli.main(arguments) == 0
    assert "--kubeconfig OUT is now --output-path OUT" in capsys.readouterr().err
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600
