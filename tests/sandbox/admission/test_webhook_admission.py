"""Webhooks over real TLS on loopback: which are called, in which order, and what their answers become."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from edged.sandbox.admission.webhookcall import WebhookClient
from edged.sandbox.authority import Authority
from tests.sandbox.harness import NS, Caller, Webhook, config_map, patch_of, pod, reply, webhook_server

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
VALIDATING = f"{ADMISSION}/validatingwebhookconfigurations"
MUTATING = f"{ADMISSION}/mutatingwebhookconfigurations"


def configuration(kind: str, name: str, *webhooks: Any) -> dict[str, Any]:
    meta = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": f"{kind}WebhookConfiguration"}
    return {**meta, "metadata": {"name": name}, "webhooks": list(webhooks)}


def scenario(body: Callable[[Caller, Webhook], Awaitable[None]]) -> None:
    async def main() -> None:
        async with webhook_server() as hook:
            with trio.fail_after(20):
                await body(Caller(), hook)

    trio.run(main)


async def validating(call: Caller, hook: Webhook, **fields: Any) -> None:
    await call.ok("POST", VALIDATING, configuration("Validating", "v", hook.config("h.x.io", "/v", **fields)))


def test_request_has_all_fields():
    async def body(call: Caller, hook: Webhook) -> None:
        hook.answers["/v"] = reply
        await validating(call, hook)
        await call.ok("POST", f"{NS}/configmaps?fieldManager=me", config_map("a", k="v"))
        [request] = hook.seen
        assert request["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
        assert request["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
        assert (request["name"], request["namespace"], request["operation"]) == ("a", "default", "CREATE")
        assert request["dryRun"] is False and request["oldObject"] is None and "subResource" not in request
        assert request["options"] == {
            "kind": "CreateOptions",
            "apiVersion": "meta.k8s.io/v1",
            "fieldManager": "me",
        }
        assert request["object"]["metadata"]["uid"] and "resourceVersion" not in request["object"]["metadata"]
        assert request["object"]["metadata"]["managedFields"]

    scenario(body)


@pytest.mark.parametrize(
    ("response", "code", "reason", "message"),
    [
        ({}, 400, None, 'admission webhook "h.x.io" denied the request without explanation'),
        (
            {"status": {"message": "no", "code": 403}},
            403,
            None,
            'admission webhook "h.x.io" denied the request: no',
        ),
        (
            {"status": {"message": "no", "code": 200, "reason": "Forbidden"}},
            400,
            "Forbidden",
            'admission webhook "h.x.io" denied the request: no',
        ),
        ({"status": {"reason": "Bad"}}, 400, "Bad", 'admission webhook "h.x.io" denied the request: Bad'),
    ],
)
def test_denials(response, code, reason, message):
    async def body(call: Caller, hook: Webhook) -> None:
        hook.answers["/v"] = lambda review: reply(review, allowed=False, warnings=["careful"], **response)
        await validating(call, hook)
        answer = await call.response("POST", f"{NS}/configmaps", config_map("a"))
        assert answer.status == code and ("Warning", '299 - "careful"') in answer.headers
        status, text = await call("POST", f"{NS}/configmaps", config_map("a"))
        assert (status, text.get("reason"), text["message"]) == (code, reason, message)
        assert call.storage.list("configmaps") == []

    scenario(body)


def _broken(**fields: Any) -> Callable[[Any], Any]:
    return lambda review: {**reply(review), **fields}


FAILED = 'Internal error occurred: failed calling webhook "h.x.io": '


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda _r: (500, b""), 'failed to call webhook: an error on the server ("unknown") has prevented the request '
         "from succeeding"),
        (lambda _r: (404, b""), "failed to call webhook: the server could not find the requested resource"),
        (lambda _r: (200, b"hi"), "failed to call webhook: couldn't get version/kind; json parse error: "),
        (_broken(response=None), "received invalid webhook response: webhook response was absent"),
        (
            _broken(kind="", apiVersion=""),
            "received invalid webhook response: expected webhook response of admission.k8s.io/v1, "
            "Kind=AdmissionReview, got /, Kind=",
        ),
        (lambda r: reply(r, uid="B"), 'received invalid webhook response: expected response.uid="'),
        (
            lambda r: reply(r, **patch_of([])),
            "received invalid webhook response: validating webhook may not return response.patch",
        ),
    ],
)  # fmt: skip
def test_failures_are_errors_or_ignored(answer, text):
    async def body(call: Caller, hook: Webhook) -> None:
        hook.answers["/v"] = answer
        await validating(call, hook)
        status = await call.refused(500, "POST", f"{NS}/configmaps", config_map("a"))
        assert status["message"].startswith(FAILED + text) and status["reason"] == "InternalError"
        assert status["details"]["causes"][0]["message"] == status["message"].removeprefix("Internal error occurred: ")
        ignore = [{"op": "add", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]
        await call.ok("PATCH", f"{VALIDATING}/v", ignore, content_type="application/json-patch+json")
        await call.ok("POST", f"{NS}/configmaps", config_map("a"))

    scenario(body)


def test_connection_timeout_and_certificate_failures():
    async def body(call: Caller, hook: Webhook) -> None:
        hook.answers["/v"] = lambda _review: None
        await validating(call, hook, timeoutSeconds=1)
        status = await call.refused(500, "POST", f"{NS}/configmaps", config_map("a"))
        post = f'failed to call webhook: Post "{hook.url}/v?timeout=1s": '
        assert status["message"] == FAILED + post + "context deadline exceeded"
        await call.ok("DELETE", f"{VALIDATING}/v")

        for client, text in (
            ({"url": "https://127.0.0.1:1/v"}, "dial tcp 127.0.0.1:1: connect: connection refused"),
            ({"url": f"{hook.url}/v"}, "x509: certificate signed by unknown authority"),
            ({"service": {"name": "svc", "namespace": "default", "path": "/p"}}, 'service "svc" not found'),
        ):  # fmt: skip
            await validating(call, hook, clientConfig=client)
            status = await call.refused(500, "POST", f"{NS}/configmaps", config_map("a"))
            assert status["message"].endswith(text), status["message"]
            await call.ok("DELETE", f"{VALIDATING}/v")

    scenario(body)


def _append(letter: str) -> Callable[[Any], Any]:
    """Adds a letter to data.trace, once."""

    def answer(review: Any) -> Any:
        trace = review["request"]["object"]["data"].get("trace", "")
        if letter in trace:
            return reply(review)
        return reply(review, **patch_of([{"op": "add", "path": "/data/trace", "value": trace + letter}]))

    return answer


def test_mutating_order_and_reinvocation():
    async def body(call: Caller, hook: Webhook) -> None:
        hook.answers |= {"/a": _append("a"), "/b": _append("b"), "/c": _append("c"), "/v": reply}
        again = {"reinvocationPolicy": "IfNeeded"}
        await call.ok("POST", MUTATING, configuration("Mutating", "z", hook.config("c.x.io", "/c", **again)))
        first = [hook.config("a.x.io", "/a", **again), hook.config("b.x.io", "/b")]
        await call.ok("POST", MUTATING, configuration("Mutating", "m", *first))
        await validating(call, hook)
        stored = await call.ok("POST", f"{NS}/configmaps", config_map("x", k="v"))
        assert stored["data"] == {"k": "v", "trace": "abc"}
        # a, b, c, then a once more (b and c changed the object after it), not c; the validating hook last.
        assert len(hook.seen) == 5 and len({request["uid"] for request in hook.seen}) == 5
        assert hook.seen[3]["object"]["data"]["trace"] == "abc" == hook.seen[4]["object"]["data"]["trace"]

    scenario(body)


def test_patch_that_does_not_apply():
    async def body(call: Caller, hook: Webhook) -> None:
        hook.answers["/m"] = lambda r: reply(r, **patch_of([{"op": "remove", "path": "/nope"}]))
        await call.ok("POST", MUTATING, configuration("Mutating", "m", hook.config("h.x.io", "/m")))
        status = await call.refused(500, "POST", f"{NS}/configmaps", config_map("a"))
        expected = "error in remove for path: '/nope': Unable to remove nonexistent key: nope: missing value"
        assert status["message"] == "Internal error occurred: " + expected

    scenario(body)


def test_selectors_conditions_and_operations():
    async def body(call: Caller, hook: Webhook) -> None:
        hook.answers["/v"] = lambda review: reply(review, allowed=False)
        fields = {
            "objectSelector": {"matchLabels": {"guard": "yes"}},
            "namespaceSelector": {"matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]}
            ]},
            "matchConditions": [
                {"name": "group", "expression": 'request.resource.group != "coordination.k8s.io"'},
                {"name": "node", "expression": '!(request.kind.group == "" && request.kind.kind == "Node")'},
                {"name": "ns", "expression": '!(request.namespace in ["kube-public"])'},
            ],
        }  # fmt: skip
        await validating(call, hook, **fields)
        guarded = config_map("a")
        guarded["metadata"]["labels"] = {"guard": "yes"}
        await call.ok("POST", f"{NS}/configmaps", config_map("free"))
        await call.ok("POST", "/api/v1/namespaces/kube-system/configmaps", guarded)
        await call.ok("POST", "/api/v1/namespaces/kube-public/configmaps", guarded)
        await call.refused(400, "POST", f"{NS}/configmaps", guarded)
        await call.ok("POST", f"{NS}/pods", pod("p"))
        assert [request["name"] for request in hook.seen] == ["a"]

    scenario(body)


def test_condition_that_cannot_be_evaluated():
    async def body(call: Caller, hook: Webhook) -> None:
        condition = [{"name": "c", "expression": "object.spec.nope == 'z'"}]
        await validating(call, hook, matchConditions=condition)
        status = await call.refused(403, "POST", f"{NS}/configmaps", config_map("t"))
        assert status["message"] == (
            "configmaps \"t\" is forbidden: expression 'object.spec.nope == 'z'' resulted in error: no such key: spec"
        )
        assert hook.seen == []

    scenario(body)


def test_binding_delete_and_dry_run_are_shown():
    async def body(call: Caller, hook: Webhook) -> None:
        hook.answers["/v"] = reply
        rule = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods/binding"]}
        await validating(call, hook, rules=[rule])
        await call.ok("POST", f"{NS}/pods", pod("p"))
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"name": "n1"}}
        await call.ok("POST", f"{NS}/pods/p/binding", binding)
        [request] = hook.seen
        assert (request["operation"], request["subResource"]) == ("CREATE", "binding")
        assert request["kind"] == {"group": "", "version": "v1", "kind": "Binding"}
        assert request["object"]["target"] == {"name": "n1"}
        await call.ok("DELETE", f"{VALIDATING}/v")
        hook.seen.clear()
        await validating(call, hook)
        await call.ok("POST", f"{NS}/configmaps?dryRun=All", config_map("a"))
        await call.ok("POST", f"{NS}/configmaps", config_map("a"))
        await call.ok("DELETE", f"{NS}/configmaps/a")
        dry, _real, delete = hook.seen
        assert dry["dryRun"] is True and delete["object"] is None and delete["oldObject"]["metadata"]["name"] == "a"
        assert delete["options"]["kind"] == "DeleteOptions"

    scenario(body)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": "short"}, 'name: Invalid value: "short": should be a domain with at least three segments separated '
         "by dots"),
        ({"clientConfig": {"url": "http://a/b"}}, "clientConfig.url: Invalid value: \"http\": 'https' is the only "
         "allowed URL scheme; desired format: https://host[/path]"),
        ({"timeoutSeconds": 31}, "timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 "
         "seconds"),
        ({"sideEffects": "Some"}, 'sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'),
        ({"admissionReviewVersions": ["v9"]}, 'admissionReviewVersions: Invalid value: ["v9"]: must include at least '
         "one of v1, v1beta1"),
        ({"clientConfig": {}}, "clientConfig: Required value: exactly one of url or service is required"),
        ({"failurePolicy": "Maybe"}, 'failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore"'),
    ],
)  # fmt: skip
def test_configurations_are_checked(fields, text):
    async def main() -> None:
        hook = {
            "name": "h.x.io", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": "https://x/y"}, **fields,
        }  # fmt: skip
        status = await Caller().refused(422, "POST", VALIDATING, configuration("Validating", "bad", hook))
        start = 'ValidatingWebhookConfiguration.admissionregistration.k8s.io "bad" is invalid: webhooks[0].'
        assert status["message"] == start + text

    trio.run(main)


def test_configuration_defaults():
    async def main() -> None:
        hook = {
            "name": "h.x.io", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": "https://x/y"},
            "rules": [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}],
        }  # fmt: skip
        stored = await Caller().ok("POST", MUTATING, configuration("Mutating", "m", hook))
        [made] = stored["webhooks"]
        assert stored["metadata"]["generation"] == 1
        assert made["rules"][0]["scope"] == "*" and made["reinvocationPolicy"] == "Never"
        assert (made["failurePolicy"], made["matchPolicy"], made["timeoutSeconds"]) == (
            "Fail",
            "Equivalent",
            10,
        )
        assert made["namespaceSelector"] == made["objectSelector"] == {}

    trio.run(main)


def test_client_certificate_is_presented():
    async def main() -> None:
        async with webhook_server(client_authority=(clients := Authority("clients"))) as hook:
            hook.answers["/v"] = reply
            with trio.fail_after(20):
                stranger = Caller()
                await validating(stranger, hook)
                await stranger.refused(500, "POST", f"{NS}/configmaps", config_map("a"))
                assert hook.seen == []
                known = Caller(webhook_client=WebhookClient(*clients.issue(["apiserver"])))
                await validating(known, hook)
                await known.ok("POST", f"{NS}/configmaps", config_map("a"))
                assert len(hook.seen) == 1

    trio.run(main)
