"""What `edged migrate` finds in the objects of a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from edged import config
from edged.admission.resources.conversion import Limits
from edged.admission.resources.migration import ATTENTION, Current, Report, entries, examine, policies_yml
from edged.cli.migrate import suggestion
from tests.admission.resources.objects import MODULE, PODS, group, namespaced, policy, resource, server

READY = Current(limits=Limits(module_sources=("ghcr.io",), module_dirs=("/opt/p",), namespaced_capabilities=("*",)))


def levels(report: Report, name: str) -> dict[str, str]:
    found = next(each for each in report.objects if each.object == name)
    return {finding.text: finding.level for finding in found.findings}


def attention(obj: dict[str, Any], current: Current = READY, owner: dict[str, Any] | None = None) -> list[str]:
    report = examine([owner or server(namespacedPoliciesCapabilities=["*"]), obj], current)
    return [finding.text for each in report.objects for finding in each.findings if finding.level == ATTENTION]


def test_nothing_in_the_way() -> None:
    report = examine([server(namespacedPoliciesCapabilities=["*"]), policy(), namespaced(), group()], READY)
    assert not report.needs_attention
    assert [each.policy for each in report.objects] == [
        "", "clusterwide-x", "clusterwide-group-x", "namespaced-team-x",
    ]  # fmt: skip
    assert report.admission == {
        "policy_server": "default",
        "module_sources": ["ghcr.io", "ghcr.io/kubewarden/policies"],
        "namespaced_capabilities": ["*"],
    }


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        (policy(module="registry://quay.io/p:1"), "quay.io is not in"),
        (policy(module="file:///srv/x.wasm"), "module_dirs"),
        (policy(contextAwareResources=[{"apiVersion": "v1", "kind": "Secret"}]), "allow_secrets"),
        (policy(sideEffects="Some"), "sideEffects Some"),
        (policy(timeoutEvalSeconds=5), "cut to [engine] wall_timeout_s = 2"),
        (policy(policyServer="other"), "belongs to PolicyServer 'other'"),
        (namespaced(namespace="kube-system"), "include_system"),
        (namespaced(rules=[{**PODS, "apiGroups": ["*"], "resources": ["*"]}]), "cannot both be wildcards"),
        (server("other"), ""),
    ],
)
def test_what_needs_attention(obj: dict[str, Any], words: str) -> None:
    found = attention(obj)
    assert (not found) if not words else any(words in text for text in found), found


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"verificationConfig": "c"}, "cannot verify signatures"),
        ({"imagePullSecret": "s"}, "docker_config"),
        ({"sourceAuthorities": {"a": ["pem"]}}, "[registry] sources"),
    ],
)
def test_policy_servers_that_need_attention(spec: dict[str, Any], words: str) -> None:
    assert any(words in text for text in attention(policy(), READY, server(**spec)))


def test_policies_without_their_server() -> None:
    report = examine([policy()], READY)
    assert levels(report, "PolicyServer default")
    assert report.needs_attention


def test_the_suggestion_is_a_configuration() -> None:
    objects = [
        server(namespacedPoliciesCapabilities=["net/*"], insecureSources=["registry.local"]),
        policy(timeoutEvalSeconds=5, contextAwareResources=[{"apiVersion": "v1", "kind": "Secret"}]),
        namespaced(module="https://example.com/a/b.wasm"), policy("f", module="file:///opt/x/y.wasm"),
    ]  # fmt: skip
    report = examine(objects, Current())
    assert report.reads == ("v1/Secret",)
    assert report.sources == {"insecure_sources": ["registry.local"]}
    found = config.parse(suggestion(report))
    assert found.registry.sources == "/etc/edged/sources.yml"
    assert found.engine.wall_timeout_s == 5.0
    admission = found.admission
    assert admission is not None
    assert admission.webhook_timeout_s == 6 and admission.allow_secrets
    assert admission.module_dirs == ("/opt/x",)
    limits = Limits(5.0, admission.module_dirs, admission.module_sources, admission.namespaced_capabilities)
    again = Current("default", limits, admission.allow_secrets, has_sources_file=True)
    assert not examine(objects, again).needs_attention


def nothing(url: str) -> tuple[str, ...]:
    """Needs of modules that need nothing."""
    return ()


def test_entries_grant_what_modules_need_within_what_the_server_allows() -> None:
    needs = {"file:///net": ("net/*",), "file:///both": ("oci/v1/verify", "net/v1/dns_lookup_host"), "file:///none": ()}
    pods = [{"apiVersion": "v1", "kind": "Pod"}]
    objects = [
        server(namespacedPoliciesCapabilities=["net/v1/dns_lookup_host"]),
        policy("reader", module="file:///absent", contextAwareResources=pods), namespaced("own", module="file:///net"),
        *(policy(name, module=f"file:///{name}") for name in ("net", "both", "none", "absent")),
    ]  # fmt: skip
    tables, problems = entries(objects, READY, needs.get)
    granted = {table["name"]: list(table.get("host_capabilities", ())) for table in tables["policy"]}
    assert granted == {
        "clusterwide-net": ["net/*"], "clusterwide-both": ["oci/v1/verify", "net/v1/dns_lookup_host"],
        "clusterwide-none": [], "clusterwide-absent": [], "clusterwide-reader": ["kubernetes/*"],
        "namespaced-team-own": ["net/v1/dns_lookup_host"],
    }  # fmt: skip
    assert [problem.partition(" is not on this machine")[0] for problem in problems] == [
        "ClusterAdmissionPolicy absent: file:///absent", "ClusterAdmissionPolicy reader: file:///absent",
    ]  # fmt: skip


def test_older_policies_yml() -> None:
    """`url` is what `module` was called until 2025; a module without a scheme is a registry's."""
    document = {
        "one": {"url": "registry://ghcr.io/kubewarden/policies/psp-apparmor:v0.1.7", "allowedToMutate": False},
        "many": {
            "policies": {"a": {"url": "ghcr.io/kubewarden/policies/a:v1"}, "b": {"settings": {}}, "c": "d"},
            "expression": "a()", "message": "no",
        },
    }  # fmt: skip
    tables, problems = policies_yml(document, lambda url: ("oci/*",) if "apparmor" in url else None)
    assert tables["policy"] == [{
        "name": "one", "module": "registry://ghcr.io/kubewarden/policies/psp-apparmor:v0.1.7",
        "host_capabilities": ["oci/*"],
    }]  # fmt: skip
    assert tables["group"][0]["members"] == {"a": {"module": "registry://ghcr.io/kubewarden/policies/a:v1"}}
    assert [each for each in problems if "rules" not in each] == [
        "many/b: a member needs `module` (a URL)", "many/c: a member needs `module` (a URL)",
    ]  # fmt: skip


def test_entries_for_the_file() -> None:
    tables, problems = entries([server(), policy(settings={"a": None, "b": 1}), namespaced(), group()], READY, nothing)
    assert [table["name"] for table in tables["policy"]] == ["clusterwide-x", "namespaced-team-x"]
    assert problems == ["ClusterAdmissionPolicy x: null cannot be written in this file; left out: a"]
    own = next(table for table in tables["policy"] if table["name"] == "namespaced-team-x")
    assert own["namespace_selector"] == {"matchLabels": {"kubernetes.io/metadata.name": "team"}}
    assert own["rules"][0]["scope"] == "Namespaced"
    assert tables["group"][0]["members"]["a"]["module"] == MODULE


def test_policies_yml() -> None:
    document = {
        "one": {
            "namespacedName": {"Namespace": "", "Name": "one"}, "module": MODULE, "policyMode": "monitor",
            "allowedToMutate": True, "settings": {"a": 1}, "timeoutEvalSeconds": 1, "message": "m",
            "contextAwareResources": [{"apiVersion": "v1", "kind": "Pod"}], "hostCapabilities": ["*"], "odd": 1,
        },
        "many": {"policies": {"a": {"module": MODULE}}, "expression": "a()", "message": "no"},
        "broken": {"expression": "a()"},
    }  # fmt: skip
    tables, problems = policies_yml(document, nothing)
    assert tables["policy"] == [
        {
            "name": "one", "module": MODULE, "mode": "monitor", "allowed_to_mutate": True, "settings": {"a": 1},
            "timeout_s": 1.0, "message": "m", "context_aware": [{"apiVersion": "v1", "kind": "Pod"}],
            "host_capabilities": ["*"],
        }
    ]  # fmt: skip
    assert tables["group"] == [
        {"name": "many", "expression": "a()", "message": "no", "members": {"a": {"module": MODULE}}}
    ]
    assert problems == [
        "one: unknown keys left out: odd; known are module, policyMode, allowedToMutate, settings, "
        "contextAwareResources, message, timeoutEvalSeconds, hostCapabilities",
        "many: groups have no rules of their own in the file: add rules, or nothing ever calls it",
        "broken: a policy needs `module` (a URL), a group needs `policies` and `expression`; here is expression",
    ]
    assert policies_yml(["x"], nothing)[1] == ["the file is not a map of policies"]


def test_objects_of_other_kinds_are_ignored() -> None:
    odd = [{"kind": "Pod", "metadata": {"name": "x"}}, {"kind": "PolicyServer"}, resource("Other")]
    assert examine(odd, READY).objects == ()
