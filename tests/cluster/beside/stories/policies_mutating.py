"""MutatingAdmissionPolicies with bindings: what they make of objects, and how they fail."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import APPLY, MERGE, Http, Step, Story, http, kubectl
from tests.cluster.beside.stories.policies_validating import HERE, MAPS, PARAMS, config_map

API = "/apis/admissionregistration.k8s.io/v1"
POLICIES, BINDINGS = f"{API}/mutatingadmissionpolicies", f"{API}/mutatingadmissionpolicybindings"
PODS = "/api/v1/namespaces/{ns}/pods"
FIELDS = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}


def rule(resource: str, *names: str, group: str = "", operations: tuple[str, ...] = ("CREATE", "UPDATE")) -> dict[str,
    Any]:
    found: dict[str, Any] = {"apiGroups": [group], "apiVersions": ["v1"], "operations": [*operations],
                             "resources": [resource]}  # fmt: skip
    return {**found, "resourceNames": [*names]} if names else found


def made(name: str, *texts: str, kind: str = "ApplyConfiguration", rules: Any = None, bind: Any = None,
         **spec: Any) -> tuple[Step, ...]:  # fmt: skip
    """A policy for the ConfigMap of its name, and its binding."""
    mutations = [{"patchType": kind, FIELDS[kind]: {"expression": text}} for text in texts]
    constraints = {"resourceRules": list(rules or (rule("configmaps", name),)), "namespaceSelector": HERE}
    meta = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": f"{{ns}}-{name}"}}
    policy = {**meta, "kind": "MutatingAdmissionPolicy", "spec": {
        "matchConstraints": constraints, "reinvocationPolicy": "Never", "mutations": mutations, **spec}}  # fmt: skip
    binding = {**meta, "kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": f"{{ns}}-{name}",
        **(bind or {})}}
    return http("POST", POLICIES, policy), http("POST", BINDINGS, binding)


def patch(name: str, *texts: str, **more: Any) -> tuple[Step, ...]:
    return made(name, *texts, kind="JSONPatch", **more)


def story(name: str, *parts: tuple[Step, ...], then: tuple[Step, ...]) -> Story:
    steps = [step for part in parts for step in part]
    names = [step.body["metadata"]["name"] for step in steps
             if isinstance(step, Http) and step.path == POLICIES and isinstance(step.body, dict)]  # fmt: skip
    last = (
        *made("last", "Object{metadata: Object.metadata{labels: {'last': 'yes'}}}"),
        http("POST", f"{MAPS}?dryRun=All", config_map("last"),
            until=lambda answer: answer["metadata"]["labels"]["last"]),
    )
    removed = [http("DELETE", f"{where}/{each}") for where in (BINDINGS, POLICIES) for each in (*names, "{ns}-last")]
    return Story(name, (*steps, *last, *then, *removed))


def tried(*names: str, **data: str) -> tuple[Step, ...]:
    return tuple(http("POST", f"{MAPS}?dryRun=All", config_map(name, **data)) for name in names)


def pod(name: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers, **spec}}


SIDECAR = """[JSONPatch{op: "add", path: "/spec/initContainers", value: []},
 JSONPatch{op: "add", path: "/spec/initContainers/-", value: Object.spec.initContainers{
   name: "mesh", image: "mesh:v1", args: ["proxy"], restartPolicy: "Always"}}]"""
STORIES = (
    story(
        "mutations-configured",
        made("labels", "Object{metadata: Object.metadata{labels: {'a': 'b', 'name': object.metadata.name}}}"),
        made("data", "Object{data: {'k': 'changed', 'new': string(object.data.size())}}"),
        made("optional", "Object{data: {?'copy': object.?data.?k, ?'none': object.?data.?absent}}"),
        made("twice", "Object{data: {'one': '1'}}", "Object{data: {'two': object.data.one}}"),
        made("vars", "Object{data: {'v': variables.v}}", variables=[
            {"name": "v", "expression": "object.data.k + '!'"}, {"name": "bad", "expression": "object.absent"}]),
        made("cond", "Object{data: {'cond': 'x'}}", matchConditions=[
            {"name": "c", "expression": "!has(object.data.k)"}]),
        made("unknown", "Object{spec: Object.spec{a: 1}}"),
        made("misnamed", "Object{metadata: Object.meta{labels: {'a': 'b'}}}"),
        made("fails", "Object{data: {'x': object.data.absent}}"),
        made("ignored", "Object{data: {'x': object.data.absent}}", failurePolicy="Ignore"),
        made("conderr", "Object{data: {'x': 'y'}}", matchConditions=[
            {"name": "c", "expression": "object.data.absent == 'x'"}]),
        made("empty", "Object{}"),
        made("wrongtype", "Object{data: {'x': 1}}"),
        made("wrongmap", "Object{data: 'x'}"),
        made("params", "Object{data: {'p': params.data.word}}", paramKind=PARAMS,
             bind={"paramRef": {"name": "words", "parameterNotFoundAction": "Deny"}}),
        made("noparams", "Object{data: {'p': params.data.word}}", paramKind=PARAMS,
             bind={"paramRef": {"name": "absent", "parameterNotFoundAction": "Deny"}}),
        made("bound", "Object{data: {'x': 'y'}}", bind={"matchResources": {"resourceRules": [
            rule("configmaps", operations=("UPDATE",))]}}),
        made("name", "Object{metadata: Object.metadata{name: 'other'}}"),
        made("seen",
            "Object{data: {'seen': request.operation + ' ' + request.kind.kind + ' ' + namespaceObject.metadata.name"
             " + ' ' + object.kind + ' ' + string(oldObject == null)}}"),
        then=(
            http("POST", MAPS, config_map("words", word="hello")),
            *tried("labels", "data", "optional", "twice", "vars", "cond", "unknown", "misnamed", "fails", "ignored",
                   "conderr", "empty", "wrongtype", "wrongmap", "params", "noparams", "bound", "name", "seen", k="v"),
            *tried("cond"),
            http("POST", MAPS, config_map("labels", k="v")),
            http("PATCH", f"{MAPS}/labels", {"metadata": {"labels": {"a": "c", "more": "x"}}}, MERGE),
            http("PATCH", f"{MAPS}/labels?fieldManager=me", config_map("labels", k="w"), APPLY),
            http("GET", f"{MAPS}/labels"),
            kubectl("create", "configmap", "data", "--from-literal=k=v", "-o", "yaml", "--dry-run=server"),
            kubectl("create", "configmap", "fails", "--from-literal=k=v"),
            http("DELETE", f"{MAPS}/labels"),
            http("GET", f"{POLICIES}/{{ns}}-labels"),
            http("GET", f"{BINDINGS}/{{ns}}-labels"),
            kubectl("get", "mutatingadmissionpolicies", "{ns}-labels"),
            kubectl("get", "mutatingadmissionpolicybindings", "{ns}-params"),
        ),
    ),
    story(
        "mutations-patched",
        patch("add", "[JSONPatch{op: 'add', path: '/data/new', value: object.data.k + '!'}]"),
        patch("escaped", "[JSONPatch{op: 'add', path: '/metadata/annotations', value: {}}, JSONPatch{op: 'add', "
              "path: '/metadata/annotations/' + jsonpatch.escapeKey('a.b/c~d'), value: 'x'}]"),
        patch("test",
            "[JSONPatch{op: 'add', path: '/data/x', value: 'y'}, JSONPatch{op: 'test', path: '/data/k', value: 'z'}]"),
        patch("replace", "[JSONPatch{op: 'replace', path: '/data/k', value: 'z'}]"),
        patch("remove", "[JSONPatch{op: 'remove', path: '/data/k'}]"),
        patch("move", "[JSONPatch{op: 'move', from: '/data/k', path: '/data/l'}]"),
        patch("copy", "[JSONPatch{op: 'copy', from: '/data/k', path: '/data/l'}]"),
        patch("nopath", "[JSONPatch{op: 'add', path: '/spec/a/b', value: 1}]"),
        patch("nokey", "[JSONPatch{op: 'remove', path: '/data/absent'}]"),
        patch("noreplace", "[JSONPatch{op: 'replace', path: '/data/absent', value: 'x'}]"),
        patch("noop", "[JSONPatch{op: 'nothing', path: '/data/k'}]"),
        patch("unknown", "[JSONPatch{op: 'add', path: '/nothing', value: 'x'}]"),
        patch("some", "has(object.data.k) ? [JSONPatch{op: 'add', path: '/data/some', value: 'x'}] : []"),
        patch("number", "[JSONPatch{op: 'add', path: '/data/n', value: 5}]"),
        made("mixed", "Object{data: {'first': 'x'}}", rules=(rule("configmaps", "mixed"),),
            reinvocationPolicy="IfNeeded"),
        made("podlabels", "Object{spec: Object.spec{containers: object.spec.containers.map(c, Object.spec.containers{"
             "name: c.name, imagePullPolicy: 'Never', env: [Object.spec.containers.env{name: 'N', value: c.name}]})}}",
             rules=(rule("pods", "merged", operations=("CREATE",)),)),
        patch("sidecar", SIDECAR, rules=(rule("pods", "sidecar", operations=("CREATE",)),)),
        made("atomic", "Object{spec: Object.spec{containers: object.spec.containers.map(c, Object.spec.containers{"
             "name: c.name, args: ['x']})}}", rules=(rule("pods", "atomic", operations=("CREATE",)),)),
        made("numbers",
            "Object{spec: Object.spec{terminationGracePeriodSeconds: 5, priority: 0, nodeSelector: {'a': 'b'}}}",
             rules=(rule("pods", "numbers", operations=("CREATE",)),)),
        made("badfield", "Object{spec: Object.spec{nothing: 5}}", rules=(rule("pods", "badfield",
            operations=("CREATE",)),)),
        made("replicas", "Object{spec: Object.spec{replicas: object.spec.replicas + 1}}", rules=(
            rule("deployments", "d", group="apps", operations=("CREATE",)),)),
        then=(
            *tried("add", "escaped", "test", "replace", "remove", "move", "copy", "nopath", "nokey", "noreplace",
                "noop",
                   "unknown", "some", "number", "mixed", k="v"),
            *(http("POST", f"{PODS}?dryRun=All", pod(name))
              for name in ("merged", "sidecar", "atomic", "numbers", "badfield")),
            http("POST", "/apis/apps/v1/namespaces/{ns}/deployments?dryRun=All", {
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {
                    "selector": {"matchLabels": {"a": "b"}}, "template": {
                        "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}),
        ),
    ),
)  # fmt: skip
