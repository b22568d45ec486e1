"""Create, update, patch, delete through the API, without a network: versions, generation, refusals, endings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from tests.sandbox.harness import CRDS, NS, WIDGETS, Caller, config_map, crd, pod, widget

CM = f"{NS}/configmaps"
PODS = f"{NS}/pods"
JSON_PATCH = "application/json-patch+json"


def scenario(body: Callable[[Caller], Awaitable[None]]) -> None:
    trio.run(body, Caller())


def test_create_fills_metadata():
    async def body(call: Caller) -> None:
        made = await call.ok("POST", CM, config_map("a", k="v"))
        assert made["metadata"]["creationTimestamp"] == "2023-11-14T22:13:20Z" and made["metadata"]["uid"]
        assert "generation" not in made["metadata"] and made["metadata"]["namespace"] == "default"
        named = await call.ok("POST", CM, {"metadata": {"generateName": "gen-"}})
        assert named["metadata"]["name"].startswith("gen-") and len(named["metadata"]["name"]) == 9
        status = await call.refused(409, "POST", CM, config_map("a"))
        assert status["message"] == 'configmaps "a" already exists' and status["reason"] == "AlreadyExists"

    scenario(body)


@pytest.mark.parametrize(
    ("path", "obj", "code", "message"),
    [
        (CM, {"metadata": {}}, 422, 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is '
         "required"),
        (CM, {"metadata": {"name": "a", "namespace": "x"}}, 400, "the namespace of the provided object does not match "
         "the namespace sent on the request"),
        ("/api/v1/namespaces/nope/configmaps", config_map("a"), 404, 'namespaces "nope" not found'),
        (CM, {"metadata": {"name": "a", "resourceVersion": "1"}}, 500, "resourceVersion should not be set on objects "
         "to be created"),
        (CM, pod("a"), 400, 'Pod in version "v1" cannot be handled as a ConfigMap: converting (v1.Pod) to '
         "(core.ConfigMap): unknown conversion"),
        (CM, b"{", 400, "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; "
         "json parse error: unexpected end of JSON input ({)"),
        (f"{CM}?fieldValidation=Strict", {"metadata": {"name": "a"}, "dataa": {}, "spec": {}}, 400,
         'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dataa", '
         'unknown field "spec"'),
        (PODS, pod("a", nodeName=5), 400, 'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal '
         "number into Go struct field PodSpec.spec.nodeName of type string"),
        (f"{CM}?dryRun=maybe", config_map("a"), 422, 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported '
         'value: ["maybe"]: supported values: "All"'),
        (PODS, {"metadata": {"name": "a"}, "spec": {}}, 422, 'Pod "a" is invalid: spec.containers: Required value'),
    ],
)  # fmt: skip
def test_refused_creations(path, obj, code, message):
    async def body(call: Caller) -> None:
        status = await call.refused(code, "POST", path, obj)
        assert status["message"] == message

    scenario(body)


def test_unknown_fields_warn_and_go():
    async def body(call: Caller) -> None:
        answer = await call.response("POST", CM, {"metadata": {"name": "a"}, "dataa": {}})
        assert answer.status == 201 and ("Warning", '299 - "unknown field \\"dataa\\""') in answer.headers
        assert "dataa" not in (await call.ok("GET", f"{CM}/a"))

    scenario(body)


def test_updates_and_versions():
    async def body(call: Caller) -> None:
        made = await call.ok("POST", CM, config_map("a", k="1"))
        same = await call.ok("PUT", f"{CM}/a", made)
        assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        changed = await call.ok("PUT", f"{CM}/a", config_map("a", k="2"))
        assert changed["metadata"]["uid"] == made["metadata"]["uid"] and changed["data"] == {"k": "2"}
        status = await call.refused(409, "PUT", f"{CM}/a", made)
        assert status["message"].endswith("please apply your changes to the latest version and try again")
        status = await call.refused(400, "PUT", f"{CM}/a", config_map("b"))
        assert status["message"] == "the name of the object (b) does not match the name on the URL (a)"
        await call.refused(404, "PUT", f"{CM}/zz", config_map("zz"))
        stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"k": "3"}}
        await call.refused(409, "PATCH", f"{CM}/a", stale, content_type="application/merge-patch+json")
        await call.refused(415, "PATCH", f"{CM}/a", {}, content_type="application/json")

    scenario(body)


def test_generation_counts_spec_only():
    async def body(call: Caller) -> None:
        await call.ok("POST", PODS, pod("p"))
        labelled = await call.merge(f"{PODS}/p", {"metadata": {"labels": {"a": "b"}}})
        assert labelled["metadata"]["generation"] == 1
        running = await call.merge(f"{PODS}/p/status", {"status": {"phase": "Running"}, "spec": {"nodeName": "x"}})
        assert running["metadata"]["generation"] == 1 and "nodeName" not in running["spec"]
        image = await call.merge(f"{PODS}/p", {"spec": {"containers": [{"name": "c", "image": "x:2"}]}})
        assert image["metadata"]["generation"] == 2 and image["status"]["phase"] == "Running"

    scenario(body)


def test_finalizers_hold_until_they_are_gone():
    async def body(call: Caller) -> None:
        obj = config_map("a")
        obj["metadata"]["finalizers"] = ["x.io/y"]
        await call.ok("POST", CM, obj)
        held = await call.ok("DELETE", f"{CM}/a")
        assert held["kind"] == "ConfigMap" and held["metadata"]["deletionTimestamp"]
        more = [{"op": "add", "path": "/metadata/finalizers/-", "value": "y"}]
        status = await call.refused(422, "PATCH", f"{CM}/a", more, content_type=JSON_PATCH)
        assert 'found new finalizers []string{"y"}' in status["message"]
        await call.merge(f"{CM}/a", {"metadata": {"finalizers": None}})
        await call.refused(404, "GET", f"{CM}/a")

    scenario(body)


def test_delete_preconditions_and_answers():
    async def body(call: Caller) -> None:
        made = await call.ok("POST", CM, config_map("a"))
        status = await call.refused(409, "DELETE", f"{CM}/a", {"preconditions": {"uid": "nope"}})
        assert status["message"].startswith(
            'Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition'
        )
        gone = await call.ok("DELETE", f"{CM}/a", {"propagationPolicy": "Background"})
        assert gone["status"] == "Success" and gone["details"] == {
            "name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"],
        }  # fmt: skip
        status = await call.refused(404, "DELETE", f"{CM}/a")
        assert status["message"] == 'configmaps "a" not found'

    scenario(body)


def test_owners_take_their_dependents_along():
    async def body(call: Caller) -> None:
        owner = await call.ok("POST", CM, config_map("owner"))
        child = pod("child")
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
        child["metadata"]["ownerReferences"] = [reference]
        await call.ok("POST", PODS, child)
        await call.ok("DELETE", f"{CM}/owner")
        await call.refused(404, "GET", f"{PODS}/child")

    scenario(body)


def test_namespaces_empty_themselves():
    async def body(call: Caller) -> None:
        made = await call.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "tt"}})
        assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "tt"}
        held = config_map("held")
        held["metadata"]["finalizers"] = ["x.io/y"]
        await call.ok("POST", "/api/v1/namespaces/tt/configmaps", held)
        await call.ok("POST", "/api/v1/namespaces/tt/pods", pod("p"))
        ending = await call.ok("DELETE", "/api/v1/namespaces/tt")
        assert ending["status"]["phase"] == "Terminating"
        status = await call.refused(403, "POST", "/api/v1/namespaces/tt/configmaps", config_map("z"))
        assert status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
        await call.ok("GET", "/api/v1/namespaces/tt")
        await call.merge("/api/v1/namespaces/tt/configmaps/held", {"metadata": {"finalizers": []}})
        await call.refused(404, "GET", "/api/v1/namespaces/tt")
        status = await call.refused(403, "DELETE", "/api/v1/namespaces/default")
        assert status["message"].endswith("this namespace may not be deleted")

    scenario(body)


def test_pod_defaults():
    async def body(call: Caller) -> None:
        made = await call.ok("POST", PODS, pod("p", schedulingGates=[{"name": "g"}]))
        assert made["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
        assert made["spec"]["schedulerName"] == "default-scheduler" and len(made["spec"]["tolerations"]) == 2
        assert made["status"]["qosClass"] == "BestEffort"
        assert made["status"]["conditions"][0]["reason"] == "SchedulingGated"

    scenario(body)


def test_binding():
    async def body(call: Caller) -> None:
        await call.ok("POST", PODS, pod("p"))
        binding = {"metadata": {"name": "p", "annotations": {"a": "b"}}, "target": {"kind": "Node", "name": "n1"}}
        answer = await call.ok("POST", f"{PODS}/p/binding", binding)
        assert (answer["status"], answer["code"]) == ("Success", 201)
        bound = await call.ok("GET", f"{PODS}/p")
        assert bound["spec"]["nodeName"] == "n1" and bound["metadata"]["annotations"] == {"a": "b"}
        assert [c["status"] for c in bound["status"]["conditions"]] == ["True"]
        status = await call.refused(409, "POST", f"{NS}/bindings", binding)
        text = 'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"'
        assert status["message"] == text
        await call.refused(500, "POST", f"{PODS}/p/binding", {"metadata": {}, "target": {}})
        await call.refused(404, "POST", f"{PODS}/q/binding", {"target": {"name": "n1"}})
        assert (await call.ok("DELETE", f"{PODS}/p"))["metadata"]["deletionGracePeriodSeconds"] == 30
        await call.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
        await call.refused(404, "GET", f"{PODS}/p")

    scenario(body)


def test_eviction_and_budgets():
    async def body(call: Caller) -> None:
        await call.ok("POST", PODS, pod("p"))
        budget = {"metadata": {"name": "b"}, "spec": {"selector": {}, "minAvailable": 1}}
        budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
        await call.ok("POST", budgets, budget)
        await call.merge(f"{budgets}/b/status", {"status": {"disruptionsAllowed": 0}})
        status = await call.refused(429, "POST", f"{PODS}/p/eviction", {"metadata": {"name": "p"}})
        assert status["reason"] == "TooManyRequests"
        await call.ok("DELETE", f"{budgets}/b")
        await call.ok("POST", f"{PODS}/p/eviction", {"metadata": {"name": "p"}})
        await call.refused(404, "GET", f"{PODS}/p")

    scenario(body)


def test_keys_of_custom_resources_that_are_there_twice():
    """The last one counts, and the API server says so."""

    async def body(call: Caller) -> None:
        await call.ok("POST", CRDS, crd({"type": "object", "properties": {"size": {"type": "integer"}}}))
        begin = b'{"apiVersion": "demo.example/v1", "kind": "Widget", "metadata": {"name": "a"}, '
        text = begin + b'"spec": {"x": 1}, "spec": {"size": 1, "size": 2, "y": 3}}'
        said = ['duplicate field "spec"', 'duplicate field "spec.size"', 'unknown field "spec.y"']
        status = await call.refused(400, "POST", f"{WIDGETS}?fieldValidation=Strict", text)
        assert status["message"].endswith("cannot be handled as a Widget: strict decoding error: " + ", ".join(said))
        answer = await call.response("POST", WIDGETS, text)
        warnings = [text.replace('\\"', '"') for name, text in answer.headers if name == "Warning"]
        assert warnings == [f'299 - "{text}"' for text in said]
        assert (await call.ok("GET", f"{WIDGETS}/a"))["spec"] == {"size": 2}
        twice, kind = b'{"spec": {"size": 1, "size": 2}}', "application/merge-patch+json"
        status = await call.refused(422, "PATCH", f"{WIDGETS}/a?fieldValidation=Strict", twice, content_type=kind)
        assert status["message"].endswith('strict decoding error: duplicate field "spec.size"')

    scenario(body)


def test_custom_resources_live_and_die_with_their_definition():
    async def body(call: Caller) -> None:
        assert (await call.response("GET", WIDGETS)).status == 404
        size = {"type": "integer", "minimum": 1, "default": 3}
        made = await call.ok(
            "POST", CRDS, crd({"type": "object", "properties": {"size": size}}, subresources={"status": {}})
        )
        assert made["status"]["conditions"] is None
        found = await call.ok("GET", f"{CRDS}/widgets.demo.example")
        assert [c["type"] for c in found["status"]["conditions"]] == ["NamesAccepted", "Established"]
        assert made["spec"]["names"]["singular"] == "widget" and made["spec"]["names"]["listKind"] == "WidgetList"
        one = {**widget("c"), "status": {"x": 1}}
        stored = await call.ok("POST", WIDGETS, one)
        assert stored["spec"] == {"size": 3} and "status" not in stored and stored["metadata"]["generation"] == 1
        status = await call.refused(422, "POST", WIDGETS, widget("d", size=0))
        assert status["message"].startswith('Widget.demo.example "d" is invalid: spec.size: Invalid value: 0')
        status = await call.refused(422, "PUT", f"{WIDGETS}/c", widget("c"))
        assert "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in status["message"]
        await call.refused(415, "PATCH", f"{WIDGETS}/c", {}, content_type="application/strategic-merge-patch+json")
        await call.merge(f"{WIDGETS}/c/status", {"status": {"x": 2}})
        assert (await call.ok("GET", f"{WIDGETS}/c"))["status"] == {"x": 2}
        await call.ok("DELETE", f"{CRDS}/widgets.demo.example")
        assert (await call.response("GET", f"{WIDGETS}/c")).status == 404
        assert call.storage.list("widgets.demo.example") == []

    scenario(body)


def test_events_are_one_store_with_two_forms():
    async def body(call: Caller) -> None:
        event = {
            "metadata": {"name": "e"}, "regarding": {"kind": "Pod", "name": "p", "namespace": "default"}, "note": "hi",
            "reason": "R", "type": "Normal", "action": "A", "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingController": "edged", "reportingInstance": "n",
        }  # fmt: skip
        await call.ok("POST", "/apis/events.k8s.io/v1/namespaces/default/events", event)
        [core] = (await call.ok("GET", f"{NS}/events?fieldSelector=involvedObject.name=p"))["items"]
        assert core["message"] == "hi" and core["involvedObject"]["kind"] == "Pod" and "apiVersion" not in core
        [new] = (await call.ok("GET", "/apis/events.k8s.io/v1/events"))["items"]
        assert new["note"] == "hi" and "message" not in new
        wrong = {"metadata": {"name": "f"}, "involvedObject": {"namespace": "other"}}
        status = await call.refused(422, "POST", f"{NS}/events", wrong)
        assert 'involvedObject.namespace: Invalid value: "other": does not match event.namespace' in status["message"]

    scenario(body)


def test_scale_and_dry_run():
    async def body(call: Caller) -> None:
        template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
        selector = {"matchLabels": {"a": "b"}}
        deployments = "/apis/apps/v1/namespaces/default/deployments"
        await call.ok(
            "POST", deployments, {"metadata": {"name": "d"}, "spec": {"selector": selector, "template": template}}
        )
        scale = await call.merge(f"{deployments}/d/scale", {"spec": {"replicas": 4}})
        assert scale["kind"] == "Scale" and scale["spec"] == {"replicas": 4} and scale["status"]["selector"] == "a=b"
        assert (await call.ok("GET", f"{deployments}/d"))["metadata"]["generation"] == 2
        version = call.storage.version
        dry = await call.ok("POST", f"{CM}?dryRun=All", config_map("a"))
        assert dry["metadata"]["uid"] and "resourceVersion" not in dry["metadata"]
        assert call.storage.version == version

    scenario(body)


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        (5, "number into Go value of type v1.ObjectMeta"),
        ([], "array into Go value of type v1.ObjectMeta"),
        ({"name": 5}, "number into Go struct field ObjectMeta.name of type string"),
        ({"name": "a", "labels": ["a"]}, "array into Go struct field ObjectMeta.labels of type map[string]string"),
        ({"name": "a", "finalizers": -1}, "number into Go struct field ObjectMeta.finalizers of type []string"),
        ({"name": "a", "ownerReferences": [5]},
         "number into Go struct field ObjectMeta.ownerReferences of type v1.OwnerReference"),
    ],
)  # fmt: skip
def test_metadata_of_custom_resources_has_its_types_too(metadata, why):
    said = f'Widget in version "v1" cannot be handled as a Widget: json: cannot unmarshal {why}'

    async def body(call: Caller) -> None:
        await call.ok("POST", CRDS, crd({"type": "object"}))
        await call.ok("POST", WIDGETS, widget("a"))
        wrong, applied = {**widget("b"), "metadata": metadata}, "application/apply-patch+yaml"
        assert (await call.refused(400, "POST", WIDGETS, wrong))["message"] == said
        assert (await call.refused(400, "PUT", f"{WIDGETS}/a", wrong))["message"] == said
        answer = await call.refused(500, "PATCH", f"{WIDGETS}/b?fieldManager=m", wrong, content_type=applied)
        assert answer["message"].startswith("failed to create typed patch object (")
        merge = "application/merge-patch+json"
        status, _ = await call("PATCH", f"{WIDGETS}/a", {"metadata": metadata}, content_type=merge)
        assert status in (400, 422)
        assert (await call.ok("GET", f"{WIDGETS}/a"))["metadata"]["name"] == "a"

    scenario(body)


def test_unknown_metadata_of_custom_resources_warns_and_goes():
    async def body(call: Caller) -> None:
        await call.ok("POST", CRDS, crd({"type": "object"}))
        odd = {**widget("a"), "metadata": {"name": "a", "lables": {}}}
        status = await call.refused(400, "POST", f"{WIDGETS}?fieldValidation=Strict", odd)
        assert status["message"].endswith('strict decoding error: unknown field "metadata.lables"')
        assert "lables" not in (await call.ok("POST", WIDGETS, odd))["metadata"]
        await call.refused(422, "POST", WIDGETS, {**widget("b"), "metadata": None})

    scenario(body)


def test_null_in_lists_and_maps_is_the_empty_value():
    async def body(call: Caller) -> None:
        made = await call.ok("POST", CM, {"metadata": {"name": "a", "finalizers": None}, "data": {"k": None}})
        assert made["data"] == {"k": ""}
        for spec in ({"containers": [None]}, {"tolerations": [None], "initContainers": [None]}):
            status = await call.refused(422, "POST", PODS, pod("a", **spec))
            assert "name: Required value" in status["message"]
        assert (await call.ok("POST", PODS, pod("a", nodeSelector={"k": None})))["spec"]["nodeSelector"] == {"k": ""}
        policy = {"metadata": {"name": "p"}, "spec": {"podSelector": {}, "ingress": [{"ports": [None]}]}}
        made = await call.ok("POST", "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies", policy)
        assert len(made["spec"]["ingress"][0]["ports"]) == 1
        await call.refused(422, "POST", CRDS, crd({"type": "object", "properties": {"a": None}}))

    scenario(body)


@pytest.mark.parametrize(
    ("method", "path", "body", "where"),
    [
        ("POST", "binding", {"metadata": 5}, "Binding.metadata"),
        ("POST", "binding", {"target": {"name": [5]}}, "ObjectReference.target.name"),
        ("POST", "eviction", {"metadata": "x"}, "Eviction.metadata"),
        ("DELETE", "", {"preconditions": "x"}, "DeleteOptions.preconditions"),
        ("DELETE", "", {"gracePeriodSeconds": []}, "DeleteOptions.gracePeriodSeconds"),
    ],
)
def test_bodies_of_subresources_have_their_types(method, path, body, where):
    async def run(call: Caller) -> None:
        await call.ok("POST", PODS, pod("p"))
        status = await call.refused(400, method, f"{PODS}/p/{path}".rstrip("/"), body)
        assert f"into Go struct field {where} of type" in status["message"]
        await call.ok("GET", f"{PODS}/p")
        target = {"metadata": None, "target": {"kind": "Node", "name": "n"}}
        await call.ok("POST", f"{PODS}/p/binding", target)

    scenario(run)


def test_an_eviction_listens_to_its_delete_options():
    async def body(call: Caller) -> None:
        made = await call.ok("POST", f"{NS}/pods", pod("a"))
        path = f"{NS}/pods/a/eviction"
        for options, status in (
            ({"dryRun": ["All"]}, 201),
            ({"dryRun": ["Nope"]}, 422),
            ({"preconditions": {"uid": "other"}}, 409),
            ({"preconditions": {"uid": made["metadata"]["uid"]}, "dryRun": ["All"]}, 201),
        ):
            eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
            answer = await call.response("POST", path, {**eviction, "deleteOptions": options})
            assert answer.status == status
            await call.ok("GET", f"{NS}/pods/a")

    scenario(body)


def test_only_kubectl_itself_keeps_its_annotation_of_what_was_applied():
    async def body(call: Caller) -> None:
        known = "kubectl.kubernetes.io/last-applied-configuration"
        base = {"apiVersion": "v1", "kind": "ConfigMap"}
        await call.ok("POST", f"{NS}/configmaps", {**base, "metadata": {"name": "m", "annotations": {known: "x"}}})
        applied = {**base, "metadata": {"name": "m", "labels": {"a": "b"}}}
        for manager, kept in (("other", True), ("kubectl", False)):
            path = f"{NS}/configmaps/m?fieldManager={manager}&force=true"
            new = await call.ok("PATCH", path, applied, content_type="application/apply-patch+yaml")
            assert (new["metadata"]["annotations"][known] == "x") == kept

    scenario(body)


def test_what_a_refused_strategic_patch_shows_and_says():
    async def body(call: Caller) -> None:
        await call.ok("POST", PODS, pod("a"))
        for patch, told in (
            ('{"spec":', "invalid JSON patch"),
            ('{"spec":{"priority":"x"}}', "unrecognized type: int32"),
            ('{"spec":{"$setElementOrder/containers":[{"name":"c"}],"priority":"x"}}', '"map[spec:map[priority:x]]"'),
        ):
            strategic = "application/strategic-merge-patch+json"
            status, refused = await call("PATCH", f"{PODS}/a", patch.encode(), content_type=strategic)
            assert status in (400, 422) and told in refused["message"]

    scenario(body)
