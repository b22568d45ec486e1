"""Bodies in JSON and YAML that say the same key twice: what edged's own API server answers, and the real one."""

from __future__ import annotations

import pytest

from tests.cluster.raw import APPLY, JSON, JSON_PATCH, MERGE, STRATEGIC, YAML, Client

TWICE = """{"metadata": {"name": "a"}, "data": {"k": "1", "k": "2"}, "dataa": 1, "dataa": 2,
 "metadata": {"labels": {"x": "y"}}, "data": {"l": "3"}}"""
OF_JSON = ['duplicate field "data.k"', 'unknown field "dataa"', 'duplicate field "metadata"', 'duplicate field "data"']
TWICE_IN_YAML = "metadata:\n  name: a\ndata:\n  k: '1'\n  k: '2'\n  8080: a\n  8080: b\ndata:\n  l: '3'\ndataa: 1\n"
OF_YAML = [
    'line 5: key "k" already set in map', "line 7: key 8080 already set in map",
    'line 9: key "data" already set in map',
]  # fmt: skip


def test_json_that_is_created(call: Client, maps: str) -> None:
    """What kinds with fields say twice is joined."""
    code, _, answer = call("POST", f"{maps}?fieldValidation=Strict", TWICE, JSON)
    assert (code, answer["message"]) == (
        400,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: ' + ", ".join(OF_JSON),
    )
    assert call("POST", f"{maps}?fieldValidation=Warn&dryRun=All", TWICE, JSON)[:2] == (201, OF_JSON)
    assert call("POST", f"{maps}?dryRun=All", TWICE, JSON)[:2] == (201, OF_JSON)
    code, said, made = call("POST", f"{maps}?fieldValidation=Ignore", TWICE, JSON)
    assert (code, said) == (201, [])
    assert made["data"] == {"k": "2", "l": "3"} and made["metadata"]["labels"] == {"x": "y"}


def test_yaml_that_is_created(call: Client, maps: str) -> None:
    """The last value of a key counts."""
    code, _, answer = call("POST", f"{maps}?fieldValidation=Strict", TWICE_IN_YAML, YAML)
    assert code == 400
    assert answer["message"] == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: yaml: unmarshal errors:'
        + "".join(f"\n  {line}" for line in OF_YAML) + ', unknown field "dataa"'
    )  # fmt: skip
    code, said, made = call("POST", maps, TWICE_IN_YAML, YAML)
    assert (code, said) == (201, [*OF_YAML, 'unknown field "dataa"'])
    assert made["data"] == {"l": "3"}


def test_what_replaces(call: Client, maps: str) -> None:
    assert call("POST", maps, '{"metadata": {"name": "a"}}', JSON)[0] == 201
    text = '{"metadata": {"name": "a"}, "immutable": true, "immutable": false}'
    assert call("PUT", f"{maps}/a?fieldValidation=Strict", text, JSON)[0] == 400
    assert call("PUT", f"{maps}/a", text, JSON)[:2] == (200, ['duplicate field "immutable"'])
    text = "metadata: {name: a}\nimmutable: true\nimmutable: false\n"
    assert call("PUT", f"{maps}/a?fieldValidation=Strict", text, YAML)[0] == 400
    assert call("PUT", f"{maps}/a", text, YAML)[:2] == (200, ['line 3: key "immutable" already set in map'])


LISTS = """{"metadata": {"name": "p"}, "spec": {"restartPolicy": "Never", "containers": [
  {"name": "c", "image": "one", "env": [{"name": "A", "value": "1", "value": "2"}]}, {"name": "d", "image": "x"}],
 "containers": [{"image": "two"}]}}"""


def test_lists_that_are_there_twice(call: Client, maps: str) -> None:
    """The items of the second list fill in those of the first."""
    pods = maps.replace("configmaps", "pods") + "?dryRun=All"
    code, said, made = call("POST", pods, LISTS, JSON)
    assert (code, said) == (
        201, ['duplicate field "spec.containers[0].env[0].value"', 'duplicate field "spec.containers"'],
    )  # fmt: skip
    (container,) = made["spec"]["containers"]
    assert (container["name"], container["image"]) == ("c", "two")
    assert container["env"] == [{"name": "A", "value": "2"}]


@pytest.mark.parametrize(
    ("kind", "patch", "said", "shown"),
    [
        (MERGE, '{"data": {"k": "1", "k": "2"}, "x": 1}', ['duplicate field "data.k"', 'unknown field "x"'], '"x":1'),
        (STRATEGIC, '{"data": {"k": "1", "k": "2"}, "x": [true, null]}',
         ['duplicate field "data.k"', 'unknown field "x"'], '"map[data:map[k:2] x:[true <nil>]]"'),
        (JSON_PATCH, '[{"op": "test", "op": "add", "path": "/data", "value": {"k": "2"}, "more": 1}]',
         ['json patch duplicate field "[0].op"', 'json patch unknown field "[0].more"'], '"{'),
    ],
    ids=["merge", "strategic", "json"],
)  # fmt: skip
def test_patches(call: Client, maps: str, kind: str, patch: str, said: list[str], shown: str) -> None:
    assert call("POST", maps, '{"metadata": {"name": "a"}}', JSON)[0] == 201
    code, _, answer = call("PATCH", f"{maps}/a?fieldValidation=Strict", patch, kind)
    assert code == 422 and answer["message"].startswith(' "" is invalid: patch: Invalid value: ')
    assert answer["message"].endswith("strict decoding error: " + ", ".join(said))
    assert shown in answer["message"].replace("\\", "")
    code, warnings, changed = call("PATCH", f"{maps}/a", patch, kind)
    assert (code, warnings, changed["data"]) == (200, said, {"k": "2"})
    assert call("PATCH", f"{maps}/a?fieldValidation=Ignore", patch, kind)[:2] == (200, [])


def test_what_is_applied(call: Client, maps: str) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  k: '1'\n  k: '2'\n"
    code, _, answer = call("PATCH", f"{maps}/a?fieldManager=m&fieldValidation=Strict", text, APPLY)
    assert (code, answer["message"]) == (
        400,
        "error strict decoding patch: error converting YAML to JSON: yaml: unmarshal errors:\n"
        '  line 6: key "k" already set in map',
    )
    code, said, made = call("PATCH", f"{maps}/a?fieldManager=m", text, APPLY)
    assert (code, said, made["data"]) == (201, ['line 6: key "k" already set in map'], {"k": "2"})
    assert call("PATCH", f"{maps}/a?fieldManager=m&fieldValidation=Ignore", text, APPLY)[:2] == (200, [])


DEFINITION = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: knobs.raw.example}
spec:
  group: raw.example
  scope: Namespaced
  names: {kind: Knob, plural: knobs}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, properties: {size: {type: integer}, more: {type: integer}}}}
"""
KNOB = """{"apiVersion": "raw.example/v1", "kind": "Knob", "metadata": {"name": "a"},
 "spec": {"more": 1}, "spec": {"size": 1, "size": 2, "nope": 3}}"""
OF_KNOB = ['duplicate field "spec"', 'duplicate field "spec.size"', 'unknown field "spec.nope"']


def test_custom_resources(call: Client, maps: str) -> None:
    """Nothing is joined: the last value of a key counts."""
    call.kubectl("apply", "-f", "-", stdin=DEFINITION)
    call.kubectl("wait", "--for=condition=Established", "crd/knobs.raw.example", "--timeout=30s")
    knobs = maps.replace("/api/v1", "/apis/raw.example/v1").replace("configmaps", "knobs")
    code, _, answer = call("POST", f"{knobs}?fieldValidation=Strict", KNOB, JSON)
    assert code == 400
    assert answer["message"].endswith("cannot be handled as a Knob: strict decoding error: " + ", ".join(OF_KNOB))
    code, said, made = call("POST", knobs, KNOB, JSON)
    assert (code, said, made["spec"]) == (201, OF_KNOB, {"size": 2})
    patch = '{"spec": {"size": 3, "size": 4}}'
    code, _, answer = call("PATCH", f"{knobs}/a?fieldValidation=Strict", patch, MERGE)
    assert code == 422 and answer["message"].endswith('strict decoding error: duplicate field "spec.size"')
    code, said, changed = call("PATCH", f"{knobs}/a", patch, MERGE)
    assert (code, said, changed["spec"]) == (200, ['duplicate field "spec.size"'], {"size": 4})
    text = "apiVersion: raw.example/v1\nkind: Knob\nmetadata: {name: b}\nspec: {size: 1, size: 2}\n"
    code, _, answer = call("POST", f"{knobs}?fieldValidation=Strict", text, YAML)
    assert code == 400
    code, said, made = call("POST", knobs, text, YAML)
    assert (code, said, made["spec"]) == (201, ['line 4: key "size" already set in map'], {"size": 2})
