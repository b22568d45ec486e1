"""Bodies that are read in a particular way or not at all: what edged's own API server answers, and the real one."""

from __future__ import annotations

import re

import pytest

from tests.cluster.raw import APPLY, JSON, YAML, Client

UNRECOGNIZED = "the object provided is unrecognized (must be of type ConfigMap): "
NO_VERSION = UNRECOGNIZED + "couldn't get version/kind; json parse error: "
NO_OBJECT = NO_VERSION + (
    "json: cannot unmarshal {} into Go value of type struct {{ "
    'APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }}'
)
WRONG_KIND = "json: cannot unmarshal number into Go struct field .kind of type string"
MISTYPED = (
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field '
)
NO_NAME = 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'


@pytest.mark.parametrize(
    ("kind", "text", "code", "message"),
    [
        (YAML, b"a: [", 400,
         re.escape(UNRECOGNIZED) + r"yaml: line \d: did not find expected node content.* \(613a205b\)"),
        (YAML, b"- a", 400, re.escape(f"{NO_OBJECT.format('array')} (2d2061)")),
        (YAML, b"a", 400, re.escape(f"{NO_OBJECT.format('string')} (61)")),
        (YAML, b"on", 400, re.escape(f"{NO_OBJECT.format('bool')} (6f6e)")),
        (YAML, b"kind: 5", 400, re.escape(f"{NO_VERSION}{WRONG_KIND} (6b696e643a2035)")),
        (YAML, b"metadata: 5", 400, re.escape(f"{MISTYPED}ConfigMap.metadata of type v1.ObjectMeta")),
        (YAML, b"metadata: {labels: {b.c: 1}}", 400, re.escape(f"{MISTYPED}ObjectMeta.metadata.labels of type string")),
        (YAML, b"", 422, re.escape(NO_NAME)),
        (YAML, b"# nothing\n", 422, re.escape(NO_NAME)),
        (YAML, b"a: \xff", 400, re.escape(UNRECOGNIZED) + r"yaml: .*invalid leading UTF-8 octet.* \(613a20ff\)"),
        (YAML, b"#" * 40 + b"\n%", 400, re.escape(UNRECOGNIZED) + rf"yaml: .* \({'23' * 30} \.\.\.\)"),
        (JSON, b"{", 400, re.escape(f"{NO_VERSION}unexpected end of JSON input ({{)")),
        (JSON, b"", 400, re.escape(f"{NO_VERSION}unexpected end of JSON input (<empty>)")),
        (JSON, b"[]", 400, re.escape(f"{NO_OBJECT.format('array')} (5b5d)")),
        (JSON, b'{"kind": 5, "data": {"a": "123456789"}}', 400,
         re.escape(f'{NO_VERSION}{WRONG_KIND} ({{"kind": 5, "data": {{"a": "123 ...)')),
        (JSON, b"null", 422, re.escape(NO_NAME)),
        (APPLY, b"a: [", 400, r"error encoding patch: yaml: line \d: did not find expected node content.*"),
        (APPLY, b'{"a": "\\/"}', 400,
         r"error decoding patch: error converting YAML to JSON: yaml: .*unknown escape character.*"),
        (APPLY, b"- a", 400,
         re.escape("error decoding patch: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array "
                   "into Go value of type map[string]interface {}")),
        (APPLY, b"", 400, re.escape("invalid object type: /, Kind=")),
    ],
)  # fmt: skip
def test_what_is_refused(call: Client, maps: str, kind: str, text: bytes, code: int, message: str) -> None:
    method, path = ("PATCH", f"{maps}/a?fieldManager=m") if kind == APPLY else ("POST", maps)
    status, _, answer = call(method, path, text, kind)
    assert status == code
    assert re.fullmatch(message, answer["message"], re.DOTALL), answer["message"]


@pytest.mark.parametrize(
    ("kind", "text", "data"),
    [
        (YAML, "metadata: {name: a}\ndata: {0x10: a, y: b, 1e3: c}\n",
         {"16": "a", "true": "b", "1000": "c"}),
        (YAML, "\ufeffmetadata: {name: a}\r\ndata: {a: &a !!binary aGk=, b: *a, <<: {c: x}}\r\n---\nb: [\n",
         {"a": "hi", "b": "hi", "c": "x"}),
        (YAML, "metadata: {name: a}\ndata: {a: é}\n".encode("utf-16"), {"a": "é"}),
        (YAML, '{"metadata": {"name": "a"}, "immutable": false, "data": {"k": "a\u2028b"}}', {"k": "a\u2028b"}),
        (JSON, b'{"metadata": {"name": "a"}, "data": {"a": "\xff\xe2\x82\\/"}}', {"a": "\ufffd\ufffd\ufffd/"}),
    ],
)  # fmt: skip
def test_what_is_read(call: Client, maps: str, kind: str, text: str | bytes, data: dict[str, str]) -> None:
    status, _, answer = call("POST", maps, text, kind)
    assert (status, answer.get("data")) == (201, data)


@pytest.mark.parametrize("text", ['{"a": "\\/"}', '{"a": "\\ud83d\\ude00"}', "a: .inf", "~: 1", "a: &b [*b]"])
def test_json_that_is_no_yaml(call: Client, maps: str, text: str) -> None:
    """A body that is said to be YAML is read as YAML, though it may be JSON."""
    assert call("POST", maps, text, YAML)[0] == 400
    assert call("PATCH", f"{maps}/a?fieldManager=m", text, APPLY)[0] == 400
