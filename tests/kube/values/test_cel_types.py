"""Which match conditions surely compile in the API server, which surely do not, and of which that is not known."""

from __future__ import annotations

from random import Random

import pytest

from edged.admission.resources.reviews import NOT_DELETING
from edged.admission.rules.webhooks import Target, WebhookSpec, match_conditions
from edged.kube.values.cel_types import judge
from tests.hostile_values import STRINGS
from tests.kube.values import expressions

FINE = [
    "true", "object.spec.hostNetwork == true", "has(object.spec) && !has(object.metadata.deletionTimestamp)",
    "request.operation in ['CREATE', 'UPDATE']", "request.userInfo.groups.exists(g, g.startsWith('system:'))",
    "request.userInfo.username.matches('^system:serviceaccount:[a-z0-9-]+:.*$')", "oldObject == null || object != null",
    "object.metadata.labels['app'] == 'x' && 'y' in object.metadata.labels", "size(object.spec.containers) > 1",
    "object.spec.containers.all(c, c.image.contains('/') && c.ports.all(p, p.hostPort == 0))",
    "object.spec.containers.filter(c, has(c.securityContext)).size() > 0",
    "object.spec.containers.map(c, c.image).exists(i, i.endsWith(':latest'))", "!(request.namespace in ['a', 'b'])",
    "request.name.split('-')[0].lowerAscii() == 'a'", "int(object.spec.replicas) + 1 <= 3 ? true : request.dryRun",
    "request.userInfo.extra['a'][0] == 'b'", "request.resource.group != 'apps' || request.subResource == 'status'",
    "object.spec.containers.exists_one(c, c.name == request.name)", "request.options.propagationPolicy == 'Foreground'",
]  # fmt: skip
WRONG = {
    "object.metadata.name ==": "Syntax error", "request.foo == 'a'": "undefined field 'foo'",
    "foo(1)": "reference to 'foo'",
    "foo": "reference to 'foo'", "object.spec.hostNetwork": "must evaluate to bool but got dyn", "1": "got int",
    "'a'": "got string", "request.name": "got string", "1 == 'a'": "no matching overload for '=='",
    "request.name && true": "no matching overload for '&&'", "!request.name": "no matching overload for '!'",
    "request.name.foo == 1": "does not support field selection", "request.name < 5": "no matching overload",
    "request.dryRun.startsWith('a')": "no matching overload", "request.name.startsWith(1)": "no matching overload",
    "'a' in request.name": "no matching overload", "has(object)": "has() macro",
    "request.operation == 'a' in 5": "overload",
    "request.name.all(c, true)": "cannot be range", "object.a.all(1, true)": "simple name",
    "namespace == 'a'": "reserved",
    "size(1) == 1": "no matching overload", "request.object == null": "undefined field 'object'", "": "Syntax error",
    "true + false == true": "no matching overload for '+'", "params.x == 1": "reference to 'params'",
    "object.a.filter(x, 'a').size() == 1": "no matching overload",
}  # fmt: skip
UNSURE = [
    "'a'.matches('(')", "object.?a.orValue('x') == 'x'", "ip('1.2.3.4').family() == 4", "int('a') == 1",
    "duration('x') > 1",
    "authorizer.group('').resource('pods').check('get').allowed()", "namespaceObject.metadata.name == 'a'",
    "sets.contains(['a'], ['b'])", "quantity(object.a).isGreaterThan(quantity('1'))", "type(object) == string",
    "[] == []",
    "['a', 1] == object.a", "{'a': 1} == object.a", "object.a.all(int, int == 1)", "object.a.all(i, v, v == 1)",
    "object.a.map(x, object[x]).all(y, y == 'a' || y == 1)", "object[true] == 1", "object[null] == 1",
    "has(has(object.a))",
    "(request.dryRun ? object.a : true) == true", "'a' + object.b == 'ab'", "1 in ['a']",
    "request.userInfo == request.kind",
]  # fmt: skip


@pytest.mark.parametrize("expression", FINE)
def test_fine(expression):
    assert judge(expression) == ("fine", "")


@pytest.mark.parametrize("expression", WRONG)
def test_wrong(expression):
    judgement = judge(expression)
    assert judgement.kind == "wrong" and WRONG[expression] in judgement.text


@pytest.mark.parametrize("expression", UNSURE)
def test_unsure(expression):
    judgement = judge(expression)
    assert judgement.kind == "unsure" and judgement.text


def test_what_edged_itself_writes_is_fine():
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "operations": ["*"]}
    (system,) = match_conditions(WebhookSpec("a", (everything,)), Target("https://a", b"", "a"))
    assert judge(system["expression"]).kind == judge(NOT_DELETING["expression"]).kind == "fine"


def test_nothing_raises():
    rng = Random(4)
    kinds = [judge(expressions.condition(rng)).kind for _ in range(3000)]
    kinds += [judge(text).kind for text in (*STRINGS, "\ud800", "(" * 4000, "[" * 4000, "a." * 2000, "!" * 4000,
    "'" * 999)]
    assert all(kinds.count(kind) > 50 for kind in ("fine", "wrong", "unsure"))


def test_messages_are_short():
    for expression in ("request." + "x" * 4000, "x" * 4000, "'" + "(" * 3000 + "'.matches('" + "(" * 900 + "')"):
        assert len(judge(expression).text) < 600
