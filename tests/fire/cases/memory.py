"""Reviews that are small as bytes and large as objects, and questions whose answers are large: all are answered, and
the daemon stays within what its unit allows."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from edged.wasm import binary, bindings
from edged.wasm.compile import METADATA_SECTION
from tests.cluster.api import Api
from tests.cluster.edged import pod, policy, review_of, wait_for
from tests.fire.context import NO_PRIVILEGED, Context, FireDaemon
from tests.fire.reviews import FAULTS, Reviews, posted, privileged_questions
from tests.fire.rows import NotRun, Row, Tally
from tests.guests.rust import build as rust

MEBIBYTE = 1 << 20
DEFAULTS = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}
SIZE = 3_000_000
PARALLEL = 20
LATE_S = 30.0
PLACE = b'"@@"'


def repeated(piece: bytes, size: int) -> bytes:
    """A list of as many of them as fit."""
    count = size // (len(piece) + 1)
    return b"[" + b",".join([piece] * count) + b"]"


def shapes(size: int = SIZE) -> Iterator[tuple[str, bytes]]:
    """Name, JSON text of about `size` bytes."""
    yield "empty objects", repeated(b"{}", size)
    yield "empty lists", repeated(b"[]", size)
    yield "objects of one key", repeated(b'{"a":{}}', size)
    yield "zeros", repeated(b"0", size)
    yield "fractions", repeated(b"0.1", size)
    yield "large integers", repeated(b"18446744073709551615", size)
    yield "empty strings", repeated(b'""', size)
    yield "strings of one astral character", repeated(b'"\xf0\x9f\x98\x80"', size)
    yield "a long string with one astral character", b'"' + b"a" * (size - 10) + b'\xf0\x9f\x98\x80"'
    yield "escapes", b'"' + b"\\u003c" * (size // 6) + b'"'
    yield "distinct keys", b"{" + b",".join(b'"%x":0' % number for number in range(size // 9)) + b"}"
    yield "distinct strings", b"[" + b",".join(b'"%x"' % number for number in range(size // 8)) + b"]"
    yield "deep lists", repeated(b"[" * 200 + b"]" * 200, size)
    yield "deep objects", repeated(b'{"a":' * 200 + b"0" + b"}" * 200, size)


def review_with(shape: bytes, *, old: bool = False) -> bytes:
    """Of a privileged Pod that holds the shape, and whose former state does so, too, if `old`."""
    obj = pod("x", privileged=True) | {"hostile": "@@"}
    body = orjson.loads(review_of(obj))
    if old:
        body["request"] |= {"operation": "UPDATE", "oldObject": obj}
    return orjson.dumps(body).replace(PLACE, shape)


def hostile_shapes(context: Context, tally: Tally) -> None:
    """Twenty of a shape at once, shape after shape; a privileged Pod is never let through."""
    peaks = {}
    with (
        context.edged() as edged,
        Reviews(edged, tally, privileged_questions(), threads=1, pause_s=0.1, late_s=10.0) as beside,
    ):
        for number, (name, shape) in enumerate(shapes()):
            if not context.quick or number % 5 == 0:
                in_parallel(edged, tally, name, review_with(shape), PARALLEL)
                peaks[name] = round(edged.sampler.peak_mib)
    tally.figures |= {"peak_mib_after": peaks, "slowest_small_review_s": round(beside.slowest_s, 2)}


WASI = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{\\"accepted\\":true,\\"valid\\":true}")
  (data (i32.const 64) "\\00\\00\\00\\00\\1e\\00\\00\\00")
  (func (export "_start") (local $at i32)
    (local.set $at (i32.const 65536))
    (loop $more
      (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))
      (i32.store (i32.const 80) (local.get $at))
      (i32.store (i32.const 84) (i32.const 65536))
      (drop (call $read (i32.const 0) (i32.const 80) (i32.const 1) (i32.const 96)))
      (local.set $at (i32.add (local.get $at) (i32.load (i32.const 96))))
      (br_if $more (i32.load (i32.const 96))))
    (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 96)))))"""
"""A program that keeps all of its input, and accepts."""


def of_several_abis(folder: Path) -> list[dict[str, Any]]:
    """Ten policies: waPC in Zig and C, one of which changes Pods, Gatekeeper's and OPA's Rego, a WASI program."""
    metadata = {"protocolVersion": "Unknown", "executionMode": "wasi", "rules": [], "mutating": False}
    program = folder / "keeps.wasm"
    wasm = bindings.wat2wasm(WASI)
    program.write_bytes(binary.append_custom_section(wasm, METADATA_SECTION, orjson.dumps(metadata)))
    return [
        NO_PRIVILEGED,
        policy("no-privileged-2", "pod-privileged"),
        policy("defaults", "resource-defaults", allowed_to_mutate=True, settings=DEFAULTS),
        policy("defaults-2", "resource-defaults", allowed_to_mutate=True, settings=DEFAULTS),
        policy("labels", "required-labels", settings={"labels": [{"key": "a"}]}),
        policy("labels-2", "required-labels", settings={"labels": [{"key": "b"}]}),
        policy("registries", "image-registries", settings={"registries": ["docker.io/"]}),
        policy("registries-2", "image-registries", settings={"registries": ["quay.io/"]}),
        {"name": "keeps", "module": f"file://{program}", "rules": []},
        {"name": "keeps-2", "module": f"file://{program}", "rules": []},
    ]


def several_abis(context: Context, tally: Tally) -> None:
    """Each shape, twice for each of ten policies at once. A policy whose guest fails on it answers so."""
    policies = of_several_abis(context.folder)
    with context.edged(policies=policies) as edged:
        names = [each["name"] for each in policies] * 2
        for number, (name, shape) in enumerate(shapes()):
            if not context.quick or number % 5 == 0:
                ask_all(edged, tally, name, names, review_with(shape))


def ask_all(edged: FireDaemon, tally: Tally, shape: str, policies: Sequence[str], body: bytes) -> None:
    """All of them at once, each on a connection of its own. Any verdict is an answer."""

    def one(name: str) -> None:
        tally.add_asked()
        try:
            with closing(edged.connect(timeout_s=120)) as connection:
                response = posted(connection, name, body)
        except (*FAULTS, http.client.HTTPException) as error:
            tally.add_lost(f"{name}, {shape}: {error!r}"[:300])
            return
        if name.startswith("no-privileged") and response["allowed"]:
            tally.add_wrong(f"{name}, {shape}: a privileged Pod was let through")

    threads = [threading.Thread(target=one, args=(name,), daemon=True) for name in policies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def large_reviews(context: Context, tally: Tally) -> None:
    """3 MB of `<` in the object and in the old one are 36 MB in a review: the API server escapes them."""
    body = review_with(b'"' + b"\\u003c" * SIZE + b'"', old=True)
    with context.edged() as edged:
        for count in (1, 4):
            in_parallel(edged, tally, f"{len(body) // MEBIBYTE} MiB", body, count)


def in_parallel(edged: FireDaemon, tally: Tally, name: str, body: bytes, count: int) -> None:
    """So many at once, each on a connection of its own."""

    def one() -> None:
        begun = time.monotonic()
        tally.add_asked()
        try:
            with closing(edged.connect(timeout_s=120)) as connection:
                response = posted(connection, "no-privileged", body)
        except (*FAULTS, http.client.HTTPException) as error:
            tally.add_lost(f"{name}: {error!r}"[:300])
            return
        if response["allowed"]:
            tally.add_wrong(f"{name}: a privileged Pod was let through")
        if time.monotonic() - begun > LATE_S:
            tally.add_late(f"{name}: after {time.monotonic() - begun:.0f} s")

    threads = [threading.Thread(target=one, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def field_masks(context: Context, tally: Tally) -> None:
    """One large list, asked for with 64 different masks: each is another copy of it."""
    if not (possible := rust.available()):
        raise NotRun(possible.reason)
    module = rust.policies(("context",))["context"]
    count = context.scaled(64, 16)
    policies = [NO_PRIVILEGED] + [
        {
            "name": f"mask-{number}",
            "module": f"file://{module}",
            "settings": {
                "question": "list_namespaces",
                "field_masks": ["metadata.annotations", f"spec.field{number}"],
                "accept": True,
            },
            "context_aware": [{"apiVersion": "v1", "kind": "Namespace"}],
            "host_capabilities": ["kubernetes/list_resources_all"],
            "rules": [],
        }
        for number in range(count)
    ]
    with context.cluster() as cluster, context.edged(kubeconfig=cluster.kubeconfig, policies=policies) as edged:
        _fill(cluster.api(), context.scaled(1000, 300))
        subject = pod("x")
        wait_for(lambda: edged.review("mask-0", subject)["allowed"], "the policy lists Namespaces")
        for _ in range(context.scaled(3, 1)):
            for number in range(count):
                try:
                    response = edged.review(f"mask-{number}", subject)
                except FAULTS as error:
                    tally.add_lost(repr(error))
                    continue
                tally.check(response["allowed"], str(response)[:300])


def _fill(api: Api, count: int) -> None:
    for number in range(count):
        annotations = {"text": "x" * 3000}
        api.create("/api/v1/namespaces", {"metadata": {"name": f"large-{number}", "annotations": annotations}})


ROWS = (
    Row("hostile-abis", "the same, over ten policies of four ABIs", several_abis, timeout_s=900),
    Row("hostile-shapes", "20 reviews of 3 MB at once, 14 shapes", hostile_shapes, quick=True, timeout_s=900),
    Row("large-reviews", "1 and 4 reviews of 36 MB: escaped, object and old object", large_reviews),
    Row("field-masks", "a list of 3 MB asked for with 64 field masks", field_masks),
)
