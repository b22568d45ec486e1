"""Webhook objects judged by where they lead: edged's own, another node's, other programs'."""

from __future__ import annotations

from typing import Any

from edged.admission.rules.webhooks import OWNER
from edged.cli.doctor.findings import FAIL, OK, WARN
from edged.cli.doctor.webhook_targets import alive, can_be_tried, dead, foreign, is_own, targets

ME = "edge-1/12345678"


def webhook(
    name: str, *, url: str = "", service: tuple[str, str] | None = None, policy: str = "Fail"
) -> dict[str, Any]:
    client: dict[str, Any] = {"url": url} if url else {}
    if service:
        client = {"service": {"namespace": service[0], "name": service[1]}}
    return {"name": name, "clientConfig": client, "failurePolicy": policy}


def configuration(name: str, *hooks: dict[str, Any], owner: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "annotations": {OWNER: owner} if owner else {}}
    return {"kind": "ValidatingWebhookConfiguration", "metadata": metadata, "webhooks": list(hooks)}


def test_webhooks_of_one_server_are_one_target() -> None:
    found = targets([
        configuration("edged", webhook("a", url="https://127.0.0.1:8443/validate/a", policy="Ignore"),
                      webhook("b", url="https://127.0.0.1:8443/validate/b"), owner=ME),
        configuration("other", webhook("c", service=("ns", "svc"), policy="Ignore")),
        configuration("empty"),
    ])  # fmt: skip
    assert [(each.object, each.where, each.hooks, each.strict) for each in found] == [
        ("edged", "https://127.0.0.1:8443", ("a", "b"), True), ("other", "Service ns/svc", ("c",), False),
    ]  # fmt: skip
    assert is_own(found[0], ME) and not is_own(found[1], ME) and not is_own(found[0], "edge-2/x")


def test_what_nobody_answers_is_told_by_whose_it_is() -> None:
    own, other, service = targets([
        configuration("edged", webhook("a", url="https://127.0.0.1:8443/x"), owner=ME),
        configuration("edged", webhook("a", url="https://10.0.0.2:8443/x"), owner="edge-2/87654321"),
        configuration("cert-manager", *(webhook(f"h{i}", service=("ns", "svc"), policy="Ignore") for i in range(5))),
    ])  # fmt: skip
    found = dead(own, "Connection refused", ME)
    assert found.state == FAIL and "refuses what they match: a" in found.detail
    assert found.remedy.startswith("systemctl start edged") and found.remedy.endswith("edged webhook remove")
    assert dead(other, "x", ME).remedy.startswith("start edged on edge-2, or")
    skipped = dead(service, "no Pod of it is ready", ME)
    assert skipped.state == WARN and "h0, h1, h2 and 2 more" in skipped.detail
    assert skipped.remedy.endswith("kubectl delete validatingwebhookconfiguration cert-manager")


def test_the_object_of_another_node() -> None:
    own, other, named_alike = targets([
        configuration("edged", webhook("a", url="https://h/x"), owner=ME),
        configuration("edged", webhook("a", url="https://h/x"), owner="edge-2/x"),
        configuration("edged", webhook("a", url="https://h/x")),
    ])  # fmt: skip
    assert foreign(own, ME) is None and foreign(named_alike, ME) is None
    found = foreign(other, ME)
    assert found is not None and found.state == FAIL and "edge-2/x" in found.detail
    assert "edged webhook remove --force" in found.remedy


def test_a_loopback_url_of_somebody_else_is_tried_only_beside_the_api_server() -> None:
    own, other, remote = targets([
        configuration("edged", webhook("a", url="https://127.0.0.1:1/x"), owner=ME),
        configuration("other", webhook("a", url="https://127.0.0.1:2/x")),
        configuration("remote", webhook("a", url="https://10.0.0.1:2/x")),
    ])  # fmt: skip
    assert can_be_tried(own, ME, api_server_is_here=False)
    assert not can_be_tried(other, ME, api_server_is_here=False) and can_be_tried(other, ME, api_server_is_here=True)
    assert can_be_tried(remote, ME, api_server_is_here=False)
    assert alive(1, [other]).detail == "1 of 2 targets answer; not tried from here: https://127.0.0.1:2"
    assert (alive(0, []).state, alive(0, []).detail) == (OK, "there are none")
