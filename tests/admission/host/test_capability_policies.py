"""Policies that ask the host for what is outside of the cluster: real guests, a registry beside them."""

import json
import threading
from dataclasses import replace

import orjson
import pytest
import trio

from edged.admission.host.admission import Admission
from edged.admission.host.outside import HostCapabilities
from edged.registry.config import RegistryConfig
from edged.registry.modules import Modules
from edged.registry.origin import Origin
from tests.admission.host.support import Rig, request
from tests.registry.fake import fake

POLICY = """
(module
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_response" (func $response (param i32 i32)))
  (import "wapc" "__guest_error" (func $error (param i32 i32)))
  (import "wapc" "__host_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wapc" "__host_response_len" (func $response_len (result i32)))
  (import "wapc" "__host_response" (func $host_response (param i32)))
  (import "wapc" "__host_error_len" (func $error_len (result i32)))
  (import "wapc" "__host_error" (func $host_error (param i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "kubewarden")
  (data (i32.const 16) "{namespace}")
  (data (i32.const 32) "{operation}")
  (data (i32.const 64) {payload})
  (data (i32.const 1024) {beginning})
  (data (i32.const 2048) "{{\\22valid\\22:true}}")
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $request (i32.const 60000) (i32.const 61000))
    (if (i32.eq (local.get 0) (i32.const 17))  ;; "validate_settings"
      (then (call $response (i32.const 2048) (i32.const 14)) (return (i32.const 1))))
    (if (i32.eqz (call $call (i32.const 0) (i32.const 10) (i32.const 16) (i32.const {namespace_len})
                             (i32.const 32) (i32.const {operation_len}) (i32.const 64) (i32.const {payload_len})))
      (then
        (call $host_error (i32.const 8192))
        (call $error (i32.const 8192) (call $error_len))
        (return (i32.const 0))))
    (call $host_response (i32.const {reply}))
    (i32.store16 (i32.add (i32.const {reply}) (call $response_len)) (i32.const 32125))
    (call $response (i32.const 1024) (i32.add (i32.const {around}) (call $response_len)))
    (i32.const 1)))
"""


def quoted(text: str) -> str:
    """For WAT."""
    return '"' + text.replace('"', "\\22") + '"'


def wat(path: str, payload) -> str:
    """A policy that makes one host call, and replaces the object's spec by the reply."""
    namespace, _, operation = path.partition("/")
    body = json.dumps(payload)
    pod = '"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"}'
    beginning = f'{{"accepted":true,"mutated_object":{{{pod},"spec":'
    return POLICY.format(
        namespace=namespace, namespace_len=len(namespace), operation=operation, operation_len=len(operation),
        payload=quoted(body), payload_len=len(body), beginning=quoted(beginning),
        reply=1024 + len(beginning), around=len(beginning) + 2,
    )  # fmt: skip


class Outside(Rig):
    """With the capabilities that lead out of the cluster, and a registry that may be asked."""

    def __init__(self, folder, registry, **engine) -> None:
        super().__init__(folder, **engine)
        sources = folder / "sources.yaml"
        sources.write_bytes(orjson.dumps({"insecure_sources": [registry.host]}))
        modules = Modules(RegistryConfig(sources=str(sources)), folder, self.log)
        self.admission = Admission(self.log, self.lines, None, outside=HostCapabilities(lambda: modules, self.log))

    def policy(self, name: str, path: str, payload, **changes):
        granted = {"host_capabilities": ("*",), "allowed_to_mutate": True} | changes
        return replace(self.wat(name, wat(path, payload)), **granted)


@pytest.fixture
def registry():
    with fake() as server:
        yield server


def test_a_policy_that_asks_for_a_digest(tmp_path, registry):
    async def main():
        digest = registry.publish("team/image", "v1", b"\0asm")
        rig = Outside(tmp_path, registry)
        await rig.load(rig.policy("p", "oci/v1/manifest_digest", f"{registry.host}/team/image:v1"))
        response = await rig.admission.review("p", request())
        assert response.allowed, response
        assert digest in str(response.patch)
        rig.close()

    trio.run(main)


def test_a_policy_that_looks_up_a_name(tmp_path, registry):
    async def main():
        rig = Outside(tmp_path, registry)
        await rig.load(rig.policy("p", "net/v1/dns_lookup_host", "127.0.0.1"))
        response = await rig.admission.review("p", request())
        assert response.allowed and "127.0.0.1" in str(response.patch), response
        rig.close()

    trio.run(main)


def test_errors_are_the_policys_to_make_something_of(tmp_path, registry):
    async def main():
        rig = Outside(tmp_path, registry)
        image = f"{registry.host}/team/image:v1"
        await rig.load(
            rig.policy("missing", "oci/v1/manifest_digest", image),
            rig.policy("verify", "oci/v2/verify", image),
            rig.policy("denied", "oci/v1/manifest_digest", image, host_capabilities=("net/*",)),
        )
        mine = dict(rig.admission.policies)
        origin = Origin("AdmissionPolicy", "team", "stranger")
        await rig.load(rig.policy("stranger", "oci/v1/manifest_digest", image, origin=origin))  # else it gives way
        rig.admission.swap(mine | rig.admission.policies)
        said = {}
        for name in ("missing", "verify", "denied", "stranger"):
            response = await rig.admission.review(name, request())
            assert not response.allowed
            said[name] = response.status["message"]
        assert "not found" in said["missing"]
        assert "signatures are not verified" in said["verify"]
        assert "not been granted access to the 'oci/v1/manifest_digest' host capability" in said["denied"]
        assert "loopback and link-local addresses are refused" in said["stranger"]
        assert len(registry.asked) == 1
        rig.close()

    trio.run(main)


@pytest.fixture
def silence(registry):
    """Set when the registry may answer about `team/slow`."""
    gate = threading.Event()

    def silent(method, headers, body):
        gate.wait(60)
        return 404, {}, b""

    registry.pages["/v2/team/slow/manifests/v1"] = silent
    yield gate
    gate.set()


def test_a_registry_that_is_silent_costs_its_own_policy_the_deadline(tmp_path, registry, silence):
    async def main():
        rig = Outside(tmp_path, registry, wall_timeout_s=1.0)
        await rig.load(rig.policy("slow", "oci/v1/manifest_digest", f"{registry.host}/team/slow:v1"))
        response = await rig.admission.review("slow", request())
        assert not response.allowed and "exceeded the allowed execution time" in response.status["message"]
        rig.close()

    trio.run(main)


def test_others_are_answered_meanwhile(tmp_path, registry, silence):
    async def main():
        registry.publish("team/image", "v1", b"\0asm")
        rig = Outside(tmp_path, registry, wall_timeout_s=30.0)
        await rig.load(
            rig.policy("slow", "oci/v1/manifest_digest", f"{registry.host}/team/slow:v1", timeout_s=30.0),
            rig.policy("fast", "oci/v1/manifest_digest", f"{registry.host}/team/image:v1", timeout_s=30.0),
        )
        answers = []

        async def ask(name):
            answers.append((name, (await rig.admission.review(name, request())).allowed))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "slow")
            while not any("slow" in path for _, path, _ in registry.asked):
                await trio.sleep(0)
            await ask("fast")
            await ask("fast")
            assert answers == [("fast", True), ("fast", True)]
            silence.set()
        assert answers[2] == ("slow", False)
        rig.close()

    trio.run(main)
