"""edged/sandbox/custom/rule_costs.py and rule_checks.py: what rules may cost at most."""

from __future__ import annotations

import pytest

from edged.sandbox.custom.rule_costs import MOST, estimate
from edged.sandbox.custom.rule_types import MOST_BYTES, declared
from edged.sandbox.custom.schema_checks import schema_causes

TEXT = {"type": "string", "maxLength": 10}
SCHEMA = {"type": "object", "properties": {
    "n": {"type": "integer"}, "a": TEXT, "long": {"type": "string"},
    "list": {"type": "array", "maxItems": 5, "items": TEXT},
    "free": {"type": "array", "items": {"type": "string"}},
}}  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "cost"),
    [
        ("self.n > 1", 3),  # self, the field, the comparison
        ("self.a == 'x'", 3),
        ("has(self.a)", 1),
        ("self.a.contains('abc')", 2 + 4 * 1),  # 40 bytes
        ("self.list.all(x, x == 'a')", 2 + 1 + 5 * (2 + 1 + 1 + 1)),  # the accumulator and whether to go on count, too
        ("[1, 2].size() == 2", 10 + 1 + 1),
    ],
)  # fmt: skip
def test_estimates(expression, cost):
    of = declared(SCHEMA, "t")
    assert of is not None and estimate(expression, of) == cost


def test_what_has_no_bound_costs_by_the_size_of_a_request():
    of = declared(SCHEMA, "t")
    assert of is not None
    assert estimate("self.long.startsWith('a')", of) < 10 < estimate("self.long.lowerAscii() == 'a'", of)
    assert estimate("self.free.all(x, self.free.all(y, x == y))", of) > 10_000_000
    assert estimate("string(self.n) + 'a' == 'b'", of) > MOST // 100
    assert of.fields["free"].most == (MOST_BYTES - 2) // 3


def refusals(rule, **more):
    spec = {**SCHEMA, "x-kubernetes-validations": [{"rule": rule}]}
    schema = {"type": "object", "properties": {"spec": spec}}
    return [str(cause) for cause in schema_causes(schema, "x", status=False, unchanged=False, **more)]


def test_expensive_rules_are_refused():
    assert refusals("self.list.all(x, x == 'a')") == []
    found = refusals("self.free.all(x, self.free.all(y, x == y))")
    assert [each.partition(" exceed")[0] for each in found] == [
        "x.properties[spec].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost",
        "x.properties[spec].x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total",
        "x: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema",
    ]
    assert "by factor of more than 100x (try simplifying" in found[0]
