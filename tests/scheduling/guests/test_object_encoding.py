"""Protobuf encoding, compared byte by byte with what Kubernetes' own Go types write (skipped without Go)."""

from __future__ import annotations

import base64
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from edged.scheduling.guests.object_encoding import (
    EncodeError,
    NodeEncodings,
    NodeSource,
    PodEncodings,
    canonical_quantity,
    encode,
    fields,
)
from edged.scheduling.guests.protobuf_fields import MESSAGES
from tests import parts
from tests.scheduling.guests.protobuf_decode import decode, wire_fields

pytestmark = pytest.mark.timeout(600)  # a first build takes minutes

ORACLE = Path(__file__).parent / "protobuf_oracle"

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "web-1",
        "namespace": "default",
        "uid": "5e2f",
        "resourceVersion": "7",
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "labels": {"b": "2", "a": "1"},
    },
    "spec": {
        "priority": -7,
        "hostNetwork": True,
        "containers": [
            {
                "name": "c",
                "image": "nginx",
                "ports": [{"containerPort": 80}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                "livenessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 5},
            }
        ],
        "volumes": [{"name": "v", "configMap": {"name": "m", "items": [{"key": "k", "path": "p"}]}}],
        "tolerations": [{"key": "k", "operator": "Exists", "tolerationSeconds": 300}],
    },
    "status": {"phase": "Pending"},
}


# --- without Go --------------------------------------------------------------------------------------------


def test_a_pod_reads_back_as_it_was():
    expected = {key: POD[key] for key in ("metadata", "spec", "status")}
    assert decode("Pod", encode("Pod", POD)) == expected


def test_spec_and_status_are_always_there():
    numbers = [number for number, _ in wire_fields(encode("Pod", {"metadata": {"name": "x"}}))]
    assert numbers == [1, 2, 3]
    assert [number for number, _ in wire_fields(encode("Node", {}))] == [1, 2, 3]


def test_container_name_and_image_are_always_there():
    pod = dict(wire_fields(encode("Pod", {"spec": {"containers": [{}]}})))
    container = dict(wire_fields(dict(wire_fields(pod[2]))[2]))
    assert container[1] == b"" and container[2] == b""


def test_negative_numbers_take_ten_bytes():
    spec = dict(wire_fields(dict(wire_fields(encode("Pod", {"spec": {"priority": -1}})))[2]))
    assert spec[25] == 2**64 - 1


def test_unknown_fields_and_nulls_are_skipped():
    assert encode("Pod", {"spec": {"fieldOfTheFuture": {"a": 1}, "affinity": None}}) == encode("Pod", {})


@pytest.mark.parametrize(
    ("pod", "path"),
    [
        ({"metadata": {"name": 3}}, "Pod.metadata.name"),
        ({"spec": {"containers": [{"name": "a"}, {"ports": [{"hostPort": "x"}]}]}}, "hostPort"),
        ({"spec": {"containers": [{}, {"image": 1}]}}, "Pod.spec.containers[1].image"),
        ({"spec": {"containers": {"name": "a"}}}, "Pod.spec.containers"),
        ({"spec": {"overhead": {"cpu": "much"}}}, "Pod.spec.overhead"),
        ({"spec": {"priority": 2**31}}, "Pod.spec.priority"),
        ({"spec": {"hostNetwork": "yes"}}, "Pod.spec.hostNetwork"),
        ({"metadata": {"creationTimestamp": "yesterday"}}, "Pod.metadata.creationTimestamp"),
        ({"spec": 7}, "Pod.spec"),
    ],
)
def test_a_wrong_type_is_an_error_that_names_the_field(pod: dict[str, Any], path: str):
    with pytest.raises(EncodeError) as caught:
        encode("Pod", pod)
    assert path in str(caught.value)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"), ("0Ki", "0"), ("-0", "0"), ("100m", "100m"), ("1000m", "1"), ("0.5", "500m"),
        ("1.5", "1500m"), ("1.25E2", "1.25E2"), ("0.500", "500m"), ("0.0", "0"),
        ("1024Mi", "1Gi"), ("1000Mi", "1000Mi"), ("3Gi", "3Gi"), ("512Ki", "512Ki"), ("0.5Gi", "512Mi"),
        ("1e3", "1e3"), ("1000", "1k"), ("1000000", "1M"), ("12e2", "1200"), ("1E", "1E"), ("1E3", "1E3"),
        ("0.1Ki", "102400m"), ("-500m", "-500m"), ("+5", "+5"), ("1n", "1n"), ("0.1n", "1n"),
        ("8Ei", "9223372036854775807"),
    ],
)  # fmt: skip
def test_quantities_get_their_canonical_text(text: str, canonical: str):
    assert canonical_quantity(text) == canonical


@pytest.mark.parametrize("text", ["", "m", ".", "1 Gi", "1gi", "0x10", "1e", "--1", "1Gi ", "1e999999999"])
def test_what_is_not_a_quantity_is_refused(text: str):
    with pytest.raises(ValueError):
        canonical_quantity(text)


def test_encoded_pods_are_kept_while_uid_version_and_node_stay():
    encodings = PodEncodings(most=2)
    first = encodings.pod(POD)
    assert encodings.pod(dict(POD)) is first
    bound = {**POD, "spec": {**POD["spec"], "nodeName": "n1"}}
    assert decode("Pod", encodings.pod(bound))["spec"]["nodeName"] == "n1"
    newer = {**POD, "metadata": {**POD["metadata"], "resourceVersion": "8", "name": "other"}}
    assert decode("Pod", encodings.pod(newer))["metadata"]["name"] == "other"
    assert encodings.pod(POD) is not first  # pushed out by two others


def test_pods_without_identity_are_not_kept():
    encodings = PodEncodings()
    assert encodings.pod({"metadata": {"name": "a"}}) != encodings.pod({"metadata": {"name": "b"}})


def source(name: str, version: object) -> NodeSource:
    return name, version, lambda: {"metadata": {"name": name}}


def test_a_node_list_is_made_of_kept_nodes_and_forgets_the_others():
    encodings = NodeEncodings()
    versions = [object() for _ in range(3)]
    sources = [source(f"n{i}", version) for i, version in enumerate(versions)]
    whole = encodings.node_list(sources)
    assert whole == encode("NodeList", {"metadata": {}, "items": [load() for _, _, load in sources]})
    assert encodings.node_list(sources) is whole
    kept = encodings.node(sources[1])
    assert len(encodings.node_list(sources[1:])) < len(whole)
    assert encodings.node(sources[1]) is kept
    assert not encodings.known(sources[0])
    assert encodings.known(sources[2])
    assert not encodings.known(source("n2", object()))


def test_an_empty_node_list_has_metadata_only():
    assert [number for number, _ in wire_fields(NodeEncodings().node_list([]))] == [1]


# --- with the Go types -------------------------------------------------------------------------------------


class Oracle:
    """The program in protobuf_oracle/, one request and one answer per line."""

    def __init__(self, binary: Path) -> None:
        self.binary = binary
        self.process = subprocess.Popen([binary, "convert"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(orjson.dumps(request) + b"\n")
        self.process.stdin.flush()
        return orjson.loads(self.process.stdout.readline())

    def encode(self, kind: str, obj: dict[str, Any]) -> bytes:
        answer = self.ask(kind=kind, json=obj)
        assert "error" not in answer, (answer, obj)
        return base64.b64decode(answer.get("protobuf", ""))

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    parts.require("go", "" if go else "needs Go to build tests/scheduling/guests/protobuf_oracle")
    assert go is not None
    binary = tmp_path_factory.mktemp("oracle") / "oracle"
    command = [go, "build", "-o", binary, "."]
    built = subprocess.run(command, cwd=ORACLE, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    running = Oracle(binary)
    yield running
    running.close()


@pytest.mark.toolchains("go")
def test_every_entry_of_the_field_table_is_right(oracle: Oracle):
    answer = subprocess.run([oracle.binary, "fields"], capture_output=True, check=True)
    described = orjson.loads(answer.stdout)
    theirs = {
        message: {(f["number"], f["name"], f["kind"], f["always"]) for f in entries}
        for message, entries in described.items()
    }
    ours = {m: {(f.number, f.name, f.kind, f.always) for f in fields(m)} for m in MESSAGES}
    assert ours == theirs


def test_the_fields_are_in_ascending_order():
    for message in MESSAGES:
        numbers = [field.number for field in fields(message)]
        assert numbers == sorted(numbers), message


@pytest.mark.toolchains("go")
def test_the_sample_pod_has_the_bytes_that_go_writes(oracle: Oracle):
    assert encode("Pod", POD) == oracle.encode("Pod", POD)


@pytest.mark.toolchains("go")
@pytest.mark.parametrize("seed", range(60))
def test_random_objects_have_the_bytes_that_go_writes(oracle: Oracle, seed: int):
    made = RandomObjects(random.Random(seed))
    for kind in ("Pod", "Node", "NodeList"):
        obj = made.message(kind, depth=0)
        assert encode(kind, obj) == oracle.encode(kind, obj)


@pytest.mark.toolchains("go")
def test_random_quantities_have_the_text_that_go_writes(oracle: Oracle):
    made = RandomObjects(random.Random(1))
    for _ in range(500):
        text = made.quantity()
        node = {"status": {"capacity": {"cpu": text}}}
        assert encode("Node", node) == oracle.encode("Node", node), text


@pytest.mark.toolchains("go")
def test_go_reads_back_what_was_encoded(oracle: Oracle):
    answer = oracle.ask(kind="Pod", protobuf=base64.b64encode(encode("Pod", POD)).decode())
    assert "error" not in answer
    probes = [pod["spec"]["containers"][0]["livenessProbe"] for pod in (answer["json"], POD)]
    assert probes[0] == probes[1]
    assert answer["json"]["metadata"] == POD["metadata"]


class RandomObjects:
    """Random objects over the whole field table; the depth bounds their size."""

    NUMBERS = ("0", "1", "7", "8", "10", "100", "1000", "1024", "1500", "128974848", "0.5", "1.25", "3.0",
               "007", "0.0625", "123456789012")  # fmt: skip
    SUFFIXES = ("", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti", "n", "u", "e3", "E2", "e-3", "e1")

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def message(self, message: str, depth: int) -> dict[str, Any]:
        obj: dict[str, Any] = {}
        chance = 0.9 if depth < 2 else 0.45 if depth < 4 else 0.25
        for field in fields(message):
            if not field.name:
                obj.update(self.message(field.kind, depth + 1))
            elif self.rng.random() < chance:
                obj[field.name] = self.value(field.kind, depth)
        return obj

    def value(self, kind: str, depth: int) -> Any:
        if kind.startswith("[]"):
            return [self.value(kind[2:], depth + 1) for _ in range(self.rng.randrange(3))]
        if kind.startswith("map:"):
            return {self.text(): self.value(kind[4:], depth + 1) for _ in range(self.rng.randrange(4))}
        leaves: dict[str, Callable[[], Any]] = {
            "string": self.text,
            "bool": lambda: self.rng.random() < 0.5,
            "int32": lambda: self.rng.choice([0, 1, -1, 127, 128, 2**31 - 1, -(2**31)]),
            "int64": lambda: self.rng.choice([0, 5, -9, 300, 2**40, 2**63 - 1, -(2**63)]),
            "Quantity": self.quantity,
            "Time": lambda: self.rng.choice([None, "2026-05-06T07:08:09Z", "1969-01-01T00:00:00+02:00"]),
            "IntOrString": lambda: self.rng.choice([0, 8080, -1, "http", ""]),
            "FieldsV1": lambda: {"f:metadata": {"f:labels": {".": {}}}},
        }
        return leaves[kind]() if kind in leaves else self.message(kind, depth + 1)

    def text(self) -> str:
        return self.rng.choice(["", "a", "kubernetes.io/hostname", "é€𝄞", "x" * 200, "-", '"\\\n'])

    def quantity(self) -> str:
        sign = self.rng.choice(["", "", "", "-", "+"])
        return sign + self.rng.choice(self.NUMBERS) + self.rng.choice(self.SUFFIXES)
