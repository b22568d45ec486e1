"""What definitions are refused for: edged/sandbox/custom/definition_checks.py, schema_checks.py and what they call."""

from __future__ import annotations

import pytest
import trio

from edged.sandbox.custom.patterns import matches, problem
from edged.sandbox.custom.structural import structural_causes
from tests.sandbox.harness import CRDS, Caller, crd

ROOT = "spec.validation.openAPIV3Schema.properties[spec]"
FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def refusal(schema=FREE, spec=None, **version):
    """The causes of a definition whose spec has that schema."""

    async def main():
        obj = crd(schema, **version)
        obj["spec"] |= spec or {}
        status, body = await Caller()("POST", CRDS, obj)
        assert status in (201, 422), body
        return [f"{c['field']}: {c['message']}" for c in body["details"]["causes"]] if status == 422 else []

    return trio.run(main)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({}, f"{ROOT}.type: Required value: must not be empty for specified object fields"),
        ({"type": "array"}, f"{ROOT}.items: Required value: must be specified"),
        ({"type": "string", "default": 1},
         f'{ROOT}.default: Invalid value: "integer":  in body must be of type string: "integer"'),
        ({"type": "string", "pattern": "a("},
         f'{ROOT}.pattern: Invalid value: "a(": must be a valid regular expression, but isn\'t: error parsing regexp: '
         "missing closing ): `a(`"),
        ({"type": "object", "anyOf": [{"required": ["a"], "type": "object"}]},
         f"{ROOT}.anyOf[0].type: Forbidden: must be empty to be structural"),
        ({"type": "string", "x-kubernetes-list-type": "set"},
         f'{ROOT}.type: Invalid value: "string": must be array if x-kubernetes-list-type is specified'),
        ({"type": "array", "uniqueItems": True, "items": {"type": "string"}},
         f"{ROOT}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes "
         "quadratic"),
    ],
)  # fmt: skip
def test_schemas(schema, text):
    assert refusal(schema) == [text]


def rule(text, **more):
    return {"type": "integer", "x-kubernetes-validations": [{"rule": text, **more}]}


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (rule("self > 'a'"), "found no matching overload for '_>_' applied to '(int, string)'"),
        (rule("self.a > 5"), "type 'int' does not support field selection"),
        (rule("self + 1"), "cel expression must evaluate to a bool"),
        (rule("self > 1", messageExpression="1"), "messageExpression must evaluate to a string"),
        (rule("self > 1", optionalOldSelf=True), "may not be set if oldSelf is not used in rule"),
        (rule("self > 1", reason="Because"), 'Unsupported value: "Because"'),
        ({"type": "array", "items": rule("self > oldSelf")}, "uncorrelatable portion of the schema within"),
    ],
)  # fmt: skip
def test_rules(schema, text):
    assert text in refusal(schema)[0]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"spec": {"scope": "X"}}, 'spec.scope: Unsupported value: "X": supported values: "Cluster", "Namespaced"'),
        ({"deprecationWarning": "x"}, 'spec.versions[0].deprecationWarning: Invalid value: "x": can only be set for '
         "deprecated versions"),
        ({"selectableFields": [{"jsonPath": ".spec"}]}, 'spec.selectableFields[0].jsonPath: Invalid value: ".spec": '
         "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are "
         "allowed."),
        ({"additionalPrinterColumns": [{"name": "A", "type": "string", "jsonPath": "x"}]},
         'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "x": must be a simple json path starting with .'),
        ({"subresources": {"scale": {"specReplicasPath": ".x", "statusReplicasPath": ".status.x"}}},
         'spec.subresources.scale.specReplicasPath: Invalid value: ".x": should be a json path under .spec'),
        ({"spec": {"conversion": {"strategy": "Webhook"}}},
         "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook"),
    ],
)  # fmt: skip
def test_definitions(more, text):
    assert refusal(**more)[0] == text


def test_a_version_with_objects_in_it_stays() -> None:
    async def main() -> None:
        call = Caller()
        obj = crd(FREE)
        await call.ok("POST", CRDS, obj)
        name = f"{CRDS}/{obj['metadata']['name']}"
        versions = [{**obj["spec"]["versions"][0], "name": "v2"}]
        status = await call.refused(422, "PATCH", name, {"spec": {"versions": versions}},
                                    content_type="application/merge-patch+json")  # fmt: skip
        assert "missing from spec.versions; v1 was previously a storage version" in status["message"]

    trio.run(main)


def test_what_is_restricted_is_there():
    schema = {"type": "object", "allOf": [{"properties": {"a": {"minimum": 1}}}]}
    assert [str(cause) for cause in structural_causes(schema, "x")] == [
        "x.properties[a]: Required value: because it is defined in x.allOf[0].properties[a]"
    ]


def test_patterns_take_linear_time():
    assert not matches("^(a+)+$", "a" * 50_000 + "!")
    assert matches("b", "abc") and not matches("(", "(")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("a**", "invalid nested repetition operator: `**`"), ("[z-a]", "invalid character class range: `z-a`"),
     ("*a", "missing argument to repetition operator: `*`"), ("a)", "unexpected ): `a)`"),
     ("(?=a)", "invalid or unsupported Perl syntax: `(?=`")],
)  # fmt: skip
def test_what_is_no_pattern(pattern, text):
    assert problem(pattern) == f"error parsing regexp: {text}"
    assert problem("[*+]a+?") == ""
