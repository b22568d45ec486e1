"""ValidatingAdmissionPolicies with bindings: what they match, what their expressions see, what they deny with."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import APPLY, JSON_PATCH, MERGE, Http, Step, Story, http, kubectl

API = "/apis/admissionregistration.k8s.io/v1"
POLICIES, BINDINGS = f"{API}/validatingadmissionpolicies", f"{API}/validatingadmissionpolicybindings"
MAPS = "/api/v1/namespaces/{ns}/configmaps"
HERE = {"matchLabels": {"kubernetes.io/metadata.name": "{ns}"}}
ANY = ({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]},)


def policy(name: str, *validations: dict[str, Any], rules: Any = ANY, match: Any = None, **spec: Any) -> dict[str, Any]:
    constraints = {"resourceRules": list(rules), "namespaceSelector": HERE, **(match or {})}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": f"{{ns}}-{name}"},
        "spec": {"matchConstraints": constraints, "validations": list(validations), **spec},
    }  # fmt: skip


def binding(name: str, actions: tuple[str, ...] = ("Deny",), **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": f"{{ns}}-{name}"},
        "spec": {"policyName": f"{{ns}}-{name}", "validationActions": list(actions), **spec},
    }  # fmt: skip


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def refused(answer: Any) -> bool:
    return bool(answer.get("status") == "Failure")


def made(name: str, *validations: dict[str, Any], actions: tuple[str, ...] = ("Deny",), bind: Any = None,
         names: tuple[str, ...] = (), rules: Any = None, **spec: Any) -> tuple[Step, ...]:  # fmt: skip
    """A policy for the ConfigMap of its name (or `names`), and its binding."""
    mine = rules or tuple({**rule, "resourceNames": [*(names or (name,))]} for rule in ANY)
    return (
        http("POST", POLICIES, policy(name, *validations, rules=mine, **spec)),
        http("POST", BINDINGS, binding(name, actions, **(bind or {}))),
    )


def story(name: str, *parts: tuple[Step, ...], then: tuple[Step, ...]) -> Story:
    """All policies are made, and are in force when the last one is. `then` are the writes that they look at."""
    steps = [step for part in parts for step in part]
    names = [step.body["metadata"]["name"] for step in steps
             if isinstance(step, Http) and step.path == POLICIES and isinstance(step.body, dict)]  # fmt: skip
    last = (
        *made("last", NO),
        http("POST", f"{MAPS}?dryRun=All", config_map("last"), until=refused),
    )
    removed = [http("DELETE", f"{where}/{each}") for where in (BINDINGS, POLICIES) for each in (*names, "{ns}-last")]
    return Story(name, (*steps, *last, *then, *removed))


def tried(*names: str, **data: str) -> tuple[Step, ...]:
    """ConfigMaps that are created, without being stored."""
    return tuple(http("POST", f"{MAPS}?dryRun=All", config_map(name, **data)) for name in names)


NO = {"expression": "false", "message": "no"}
GOOD = {"expression": "!has(object.data) || !('bad' in object.data)", "message": "no bad data"}
SEEN = (
    "request.operation", "request.name", "request.namespace", "request.kind.kind", "request.resource.resource",
    "request.requestKind.version", "request.requestResource.group", "request.userInfo.username",
    "request.userInfo.groups.size()", "request.userInfo.groups.exists(g, g == 'system:masters')",
    "has(request.subResource)", "request.subResource", "request.dryRun", "request.options.kind",
    "has(request.userInfo.uid)", "request.userInfo.extra.size()", "oldObject == null", "namespaceObject.metadata.name",
    "namespaceObject.metadata.labels['kubernetes.io/metadata.name']", "namespaceObject.status.phase",
    "has(namespaceObject.metadata.annotations)", "object.kind", "object.apiVersion", "has(object.metadata.uid)",
    "has(object.metadata.creationTimestamp)", "object.data.key", "object.data.exists(k, object.data[k] == 'value')",
    "has(object.metadata.managedFields)", "type(object) == map", "object.data == {'key': 'value'}",
    "object.metadata.?labels['x'].orValue('none')", "object.?data.?key.orValue('none')", "has(object.data.nothing)",
    "quantity('1Gi').compareTo(quantity('1G'))", "'a,b'.split(',').size()", "url('https://a.b:1/c').getHost()",
    "ip('10.0.0.1').family()", "cidr('10.0.0.0/8').containsIP('10.1.1.1')", "semver('1.2.3').minor()",
    "format.dns1123Label().validate('A').hasValue()", "sets.contains([1, 2], [1])", "[1, 2, 3].sum()",
    "'%s-%d'.format(['x', 5])", "{'a': 1}.transformMap(k, v, v + 1)['a']", "[3, 1, 2].sort()[0]",
    "object.data.map(k, k + '!').join(',')", "'abc'.matches('^a.c$')", "duration('90m').getHours()",
    "timestamp('2024-02-03T04:05:06Z').getMonth()", "object.metadata.namespace", "variables.size",
    "authorizer.group('').resource('pods').namespace('x').check('get').allowed()",
)
FAILS = (
    "object.data.absent == 'x'", "object.nothing.more", "object.data.key + 1 == 2", "object.data.key > 1",
    "int(object.data.key) == 1", "object.data['absent'] == ''", "[1, 2][5] == 1", "1 / (object.data.size() - 1) == 1",
    "quantity(object.data.key).isInteger()", "object.data.key.matches('(' + object.data.key)",
    "object.data.key.all(x, true)", "duration(object.data.key) > duration('1s')", "object.data.key",
    "variables.broken == 1", "object.data.key.startsWith(1 > 2 ? dyn(1) : dyn(true))",
        "object.?data.?absent.value() == 1",
    "ip(object.data.key).family() == 4", "url(object.data.key).getHost() == ''", "semver(object.data.key).major() == 1",
    "lists.range(9000).all(x, lists.range(9000).all(y, x + y >= 0))", "object.data.size().size() == 1",
)
LABELLED = {"metadata": {"name": "selected", "labels": {"on": "1"}}}
PARAMS = {"apiVersion": "v1", "kind": "ConfigMap"}

STORIES = (
    story(
        "policies-deny",
        made("deny", GOOD, names=("a", "b", "c", "deny")),
        made("all", {"expression": "!has(object.data) || !has(object.data.every)", "message": "every"}, rules=ANY),
        made("forbidden", {**NO, "reason": "Forbidden"}),
        made("large", {**NO, "reason": "RequestEntityTooLarge"}),
        made("unsaid", {"expression": " 1 == 2 "}),
        made("two", {"expression": "1 == 2", "message": "first"}, {**NO, "reason": "Forbidden"}),
        made("second", {"expression": "true"}, {**NO, "reason": "Forbidden"}),
        made("spoken", {**NO, "messageExpression": "'no ' + object.metadata.name"}),
        made("failing", {**NO, "messageExpression": "object.metadata.labels.absent + 'x'"}),
        made("blank", {**NO, "messageExpression": "'  '"}),
        made("lines", {**NO, "messageExpression": "'a\\nb'"}),
        made("trimmed", {**NO, "message": "  text ", "messageExpression": "'  spoken '"}),
        made("warn", GOOD, {"expression": "object.data.size() < 2", "message": 'too "much"'}, actions=("Warn",
            "Audit")),
        made("audited", NO, actions=("Audit",)),
        made("both", NO, actions=("Audit", "Deny")),
        then=(
            http("POST", MAPS, config_map("a", bad="yes")),
            http("POST", MAPS, config_map("a", good="yes")),
            http("PUT", f"{MAPS}/a", config_map("a", bad="yes")),
            http("PATCH", f"{MAPS}/a", {"data": {"bad": "yes"}}, MERGE),
            http("PATCH", f"{MAPS}/a", [{"op": "add", "path": "/data/bad", "value": "x"}], JSON_PATCH),
            http("PATCH", f"{MAPS}/b?fieldManager=me", config_map("b", bad="yes"), APPLY),
            http("POST", MAPS, {**config_map("", every="x"), "metadata": {"generateName": "gen-"}}),
            kubectl("create", "configmap", "c", "--from-literal=bad=1"),
            kubectl("create", "configmap", "c", "--from-literal=bad=1", "--dry-run=server"),
            kubectl("apply", "-f", "-", stdin=config_map("c", bad="1")),
            http("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", config_map("a", bad="yes")),
            http("DELETE", f"{MAPS}/a"),
            *tried("forbidden", "large", "unsaid", "two", "second", "spoken", "failing", "blank", "lines", "trimmed"),
            *tried("warn", "audited", "both", bad="yes", more="x"),
            kubectl("create", "configmap", "warn", "--from-literal=bad=1", "--dry-run=server"),
            http("GET", f"{POLICIES}/{{ns}}-deny"),
            http("GET", f"{BINDINGS}/{{ns}}-deny"),
        ),
    ),
    story(
        "policies-values",
        made("seen", *[{"expression": f"object.metadata.name != 'seen{number}'", "messageExpression": f"string({text})"}
                       for number, text in enumerate(SEEN)],
             names=tuple(f"seen{number}" for number in range(len(SEEN))),
             variables=[{"name": "size", "expression": "object.data.size()"},
                        {"name": "unused", "expression": "object.absent"}]),
        then=tried(*(f"seen{number}" for number in range(len(SEEN))), key="value"),
    ),
    story(
        "policies-errors",
        made("fails", *[{"expression": f"object.metadata.name != 'fails{number}' || {text}"}
                        for number, text in enumerate(FAILS)],
             names=tuple(f"fails{number}" for number in range(len(FAILS))),
             variables=[{"name": "broken", "expression": "object.data.absent"}]),
        made("ignored", {"expression": "object.data.absent == 'x'"}, GOOD, failurePolicy="Ignore"),
        made("spent",
            *[{"expression": "lists.range(700).all(x, lists.range(160).all(y, x + y >= 0))"} for _ in range(13)]),
        made("cond", NO, names=("cond", "free"), matchConditions=[
            {"name": "not-me", "expression": "request.userInfo.username != 'nobody'"},
            {"name": "others", "expression": "object.metadata.name != 'free'"}]),
        made("conderr", NO, matchConditions=[
            {"name": "a", "expression": "object.data.absent == 'x'"}, {"name": "b", "expression": "object.nothing"}]),
        made("condfalse", NO, matchConditions=[
            {"name": "a", "expression": "object.data.absent == 'x'"}, {"name": "b", "expression": "1 == 2"}]),
        made("condignore", NO, failurePolicy="Ignore", matchConditions=[
            {"name": "a", "expression": "object.data.absent == 'x'"}]),
        made("audit", GOOD, auditAnnotations=[
            {"key": "name", "valueExpression": "'has ' + object.metadata.name"}, {"key": "n",
                "valueExpression": "null"}]),
        made("auditerr", {"expression": "true"}, auditAnnotations=[
            {"key": "name", "valueExpression": "object.data.absent"}]),
        then=(
            *tried(*(f"fails{number}" for number in range(len(FAILS))), key="value"),
            *tried("ignored", bad="x"), *tried("ignored", good="x"),
            *tried("spent", "cond", "free", "conderr", "condfalse", "condignore", "audit", "auditerr", key="value"),
        ),
    ),
    story(
        "policies-matching",
        made("excluded", NO, names=("excluded", "free"), match={
            "excludeResourceRules": [{**ANY[0], "resourceNames": ["free"]}]}),
        made("selected", GOOD, match={"objectSelector": {"matchExpressions": [{"key": "on", "operator": "Exists"}]}}),
        made("bound", NO, bind={"matchResources": {"resourceRules": [{**ANY[0], "operations": ["UPDATE"]}]}}),
        made("elsewhere", NO, bind={"matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}),
        made("wild", {"expression": "object.metadata.name != 'wild'"}, rules=(
            {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"]},)),
        made("clustered", NO, rules=({**ANY[0], "resourceNames": ["clustered"], "scope": "Cluster"},)),
        made("inside", NO, rules=({**ANY[0], "resourceNames": ["inside"], "scope": "Namespaced"},)),
        made("delete", {"expression": "!has(oldObject.data.keep)", "message": "it is kept"},
             {"expression": "object == null"}, rules=({**ANY[0], "operations": ["DELETE"]},)),
        made("older", {**NO, "messageExpression":
                       "[request.kind.group, request.requestKind.group, object.apiVersion, object.note].join(' ')"},
             rules=({"apiGroups": ["events.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE"],
                     "resources": ["events"]},)),
        made("status", {"expression": "object.status.replicas < 5", "message": "too many"}, rules=(
            {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"],
                "resources": ["deployments/status"]},)),
        made("scale", {"expression": "object.spec.replicas < 5", "messageExpression":
                       "[object.kind, request.subResource, request.kind.kind, request.resource.resource].join(' ')"},
             rules=({"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"],
                     "resources": ["deployments/scale"]},)),
        then=(
            *tried("excluded", "free", "selected", "bound", "elsewhere", "wild", "clustered", "inside", bad="x"),
            http("POST", MAPS + "?dryRun=All", {**config_map("selected", bad="x"), **LABELLED}),
            http("POST", MAPS, config_map("selected", bad="x")),
            http("PATCH", f"{MAPS}/selected", {"metadata": {"labels": {"on": "1"}}}, MERGE),
            http("POST", MAPS, config_map("bound", keep="x")),
            http("PUT", f"{MAPS}/bound", config_map("bound", bad="still")),
            http("DELETE", f"{MAPS}/bound"),
            kubectl("delete", "configmap", "bound"),
            http("DELETE", f"{MAPS}/selected?dryRun=All"),
            http("POST", "/api/v1/namespaces/{ns}/events", {
                "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "message": "text", "type": "Normal",
                "involvedObject": {"kind": "Pod", "name": "p", "namespace": "{ns}"}}),
            http("POST", "/apis/apps/v1/namespaces/{ns}/deployments", {
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {
                    "selector": {"matchLabels": {"a": "b"}}, "template": {
                        "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}),
            http("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/d/status", {"status": {"replicas": 9}}, MERGE),
            http("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/d/scale", {"spec": {"replicas": 9}}, MERGE),
            http("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/d/scale", {"spec": {"replicas": 2}}, MERGE),
            kubectl("scale", "deployment", "d", "--replicas=7"),
        ),
    ),
    story(
        "policies-params",
        (http("POST", MAPS, {**config_map("limits", most="0", word="hello"),
                             "metadata": {"name": "limits", "labels": {"limits": "yes"}}}),),
        *(made(name, {"expression": "object.data.size() <= int(params.data.most)",
                      "messageExpression": "params.data.word + ' from ' + params.metadata.name + ' ' + params.kind"},
               paramKind=PARAMS, bind={"paramRef": {"parameterNotFoundAction": "Deny", **reference}})
          for name, reference in (
              ("named", {"name": "limits"}), ("missing", {"name": "absent"}),
              ("allowed", {"name": "absent", "parameterNotFoundAction": "Allow"}),
              ("chosen", {"selector": {"matchLabels": {"limits": "yes"}}}),
              ("spaced", {"name": "limits", "namespace": "{ns}"}), ("away", {"name": "limits", "namespace": "default"}),
              ("noneof", {"selector": {"matchLabels": {"limits": "no"}}}))),
        made("noref", {"expression": "params == null && object.metadata.name == ''", "message": "null"},
            paramKind=PARAMS),
        made("ref", NO, bind={"paramRef": {"name": "limits", "parameterNotFoundAction": "Deny"}}),
        made("nokind", NO, paramKind={"apiVersion": "nothing.example/v1", "kind": "Nothing"},
             bind={"paramRef": {"name": "x", "parameterNotFoundAction": "Deny"}}),
        made("nokindignore", NO, paramKind={"apiVersion": "nothing.example/v1", "kind": "Nothing"},
            failurePolicy="Ignore",
             bind={"paramRef": {"name": "x", "parameterNotFoundAction": "Deny"}}),
        made("cluster", {"expression": "params.status.phase == 'x'"}, paramKind={"apiVersion": "v1",
            "kind": "Namespace"},
             bind={"paramRef": {"name": "default", "parameterNotFoundAction": "Deny"}}),
        made("clusterspace", NO, paramKind={"apiVersion": "v1", "kind": "Namespace"},
             bind={"paramRef": {"name": "default", "namespace": "x", "parameterNotFoundAction": "Deny"}}),
        then=(
            *tried("named", "missing", "allowed", "spaced", "away", "noneof", "noref", "ref", "nokind", "nokindignore",
                   "cluster", "clusterspace", key="value"),
        ),
    ),
)  # fmt: skip
