"""Host capabilities that lead out of the cluster: names, certificates, images; through the table that guests call."""

import time

import orjson
import pytest
import trio
import trio.testing

from edged.abi.wapc import HostCallError
from edged.admission.host import certificate_trust
from edged.admission.host.context import HostServices
from edged.admission.host.outside import HostCapabilities
from edged.admission.rules.capabilities import Grants
from edged.process import children
from edged.registry.config import RegistryConfig
from edged.registry.modules import Modules, Restrictions
from edged.telemetry.logs import GuestLines, Logger
from tests.admission.host.x509_chains import DAY, NOW, issue
from tests.kube.support import quiet
from tests.registry.fake import fake

ROOT = issue("root", ca=True)
LEAF = issue("leaf", ROOT)
AT = NOW.isoformat().replace("+00:00", "Z")


class Rig:
    """Everything is granted unless told otherwise."""

    def __init__(self, folder, grants=("*",), restrictions=None, **config) -> None:
        log = Logger(write=lambda line: None)
        self.modules = Modules(RegistryConfig(**config), folder, log)
        self.host = HostCapabilities(lambda: self.modules, quiet(), time.time)
        more = {} if restrictions is None else {"restrictions": restrictions}
        self.services = HostServices("p", "u", Grants(grants), None, GuestLines(log), self.host, **more)

    async def call(self, path: str, payload) -> dict:
        namespace, _, operation = path.partition("/")
        body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
        return orjson.loads(await self.services.dispatch("kubewarden", namespace, operation, body))


def run(main):
    """With the task that ends idle processes."""
    trio.run(main)


# --- grants


@pytest.mark.parametrize(
    "path", ["oci/v1/verify", "oci/v2/verify", "oci/v1/manifest_digest", "oci/v1/oci_manifest",
             "oci/v1/oci_manifest_config", "net/v1/dns_lookup_host", "crypto/v1/is_certificate_trusted"]
)  # fmt: skip
def test_what_was_not_granted_is_refused_before_the_payload_is_looked_at(tmp_path, path):
    async def main():
        with pytest.raises(HostCallError, match=f"not been granted access to the '{path}' host capability"):
            await Rig(tmp_path, grants=()).call(path, b"no JSON")

    run(main)


@pytest.mark.parametrize("path", ["oci/v1/verify", "oci/v2/verify"])
def test_signatures_are_an_error(tmp_path, path):
    async def main():
        with pytest.raises(HostCallError, match="signatures are not verified"):
            await Rig(tmp_path).call(path, {"type": "SigstorePubKeyVerify", "image": "nginx", "pub_keys": ["k"]})

    run(main)


# --- names


def test_names_are_looked_up(tmp_path):
    async def main():
        rig = Rig(tmp_path, grants=("net/*",))
        assert await rig.call("net/v1/dns_lookup_host", "127.0.0.1") == {"ips": ["127.0.0.1"]}
        assert "127.0.0.1" in (await rig.call("net/v1/dns_lookup_host", "localhost"))["ips"]

    run(main)


@pytest.mark.parametrize(
    "payload",
    [b"localhost", b"{}", b'""', b'["localhost"]', b'"a\\u0000b"', b'"\\n"', b'"..."', b'"%s"' % (b"a" * 300)],
)
def test_what_is_no_name(tmp_path, payload):
    async def main():
        with pytest.raises(HostCallError):
            await Rig(tmp_path).call("net/v1/dns_lookup_host", payload)

    run(main)


# --- certificates


def certificate(content: bytes, encoding: str = "Pem") -> dict:
    return {"encoding": encoding, "data": list(content)}


def test_certificates_are_checked_by_one_process(tmp_path):
    async def main():
        rig = Rig(tmp_path)
        path = "crypto/v1/is_certificate_trusted"
        good = {"cert": certificate(LEAF.pem), "cert_chain": [certificate(ROOT.der, "Der")], "not_after": AT}
        late = good | {"not_after": (NOW + 11 * DAY).isoformat()}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.host.run)
            await trio.testing.wait_all_tasks_blocked()
            assert await rig.call(path, good) == {"trusted": True, "reason": ""}
            first = rig.host._trust._child.process
            answer = await rig.call(path, late)
            assert answer == {"trusted": False, "reason": "Certificate is being used after its expiration date"}
            alone = {"cert": certificate(LEAF.pem), "cert_chain": None, "not_after": AT}
            assert (await rig.call(path, alone))["trusted"] is False
            now = await rig.call(path, {key: value for key, value in good.items() if key != "not_after"})
            assert now["trusted"] is (LEAF.certificate.not_valid_after_utc.timestamp() > time.time())
            with pytest.raises(HostCallError, match="not a certificate"):
                await rig.call(path, good | {"cert": certificate(b"\x30\x03abc", "Der")})
            assert rig.host._trust._child.process is first
            nursery.cancel_scope.cancel()
        assert first is not None and first.returncode is not None

    run(main)


def test_a_process_that_is_gone_is_replaced(tmp_path):
    async def main():
        rig = Rig(tmp_path)
        path = "crypto/v1/is_certificate_trusted"
        good = {"cert": certificate(LEAF.pem), "cert_chain": [certificate(ROOT.pem)], "not_after": AT}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.host.run)
            await trio.testing.wait_all_tasks_blocked()
            await rig.call(path, good)
            process = rig.host._trust._child.process
            process.kill()
            await process.wait()
            assert (await rig.call(path, good))["trusted"]
            nursery.cancel_scope.cancel()

    run(main)


def test_without_the_task_each_question_has_a_process_of_its_own(tmp_path):
    async def main():
        rig = Rig(tmp_path)
        good = {"cert": certificate(LEAF.pem), "cert_chain": [certificate(ROOT.pem)], "not_after": AT}
        assert (await rig.call("crypto/v1/is_certificate_trusted", good))["trusted"]
        assert rig.host._trust._child.process is None

    run(main)


def test_whoever_gives_up_leaves_the_process_alone(tmp_path):
    """Starting it may take longer than an evaluation has: the next one finds it started."""

    async def main():
        rig = Rig(tmp_path)
        good = {"cert": certificate(LEAF.pem), "cert_chain": [certificate(ROOT.pem)], "not_after": AT}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.host.run)
            await trio.testing.wait_all_tasks_blocked()
            with trio.CancelScope() as scope:
                nursery.start_soon(_cancel_when_started, rig, scope)
                await rig.call("crypto/v1/is_certificate_trusted", good)
            assert scope.cancelled_caught
            started = rig.host._trust._child.process
            assert (await rig.call("crypto/v1/is_certificate_trusted", good))["trusted"]
            assert rig.host._trust._child.process is started
            nursery.cancel_scope.cancel()

    run(main)


async def _cancel_when_started(rig, scope) -> None:
    while rig.host._trust._child.process is None:
        await trio.lowlevel.checkpoint()
    scope.cancel()


def test_a_process_that_ends_in_the_middle(tmp_path, monkeypatch):
    """Whoever asked gets an error; the next one a new process."""

    async def main():
        rig = Rig(tmp_path)
        path = "crypto/v1/is_certificate_trusted"
        good = {"cert": certificate(LEAF.pem), "cert_chain": [certificate(ROOT.pem)], "not_after": AT}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.host.run)
            await trio.testing.wait_all_tasks_blocked()
            with monkeypatch.context() as patch:
                patch.setattr(children.sys, "executable", "/bin/true")
                with pytest.raises(HostCallError, match="cannot be checked"):
                    await rig.call(path, good)
            assert (await rig.call(path, good))["trusted"]
            nursery.cancel_scope.cancel()

    run(main)


def test_an_idle_process_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(certificate_trust, "IDLE_S", 0.0)

    async def main():
        rig = Rig(tmp_path)
        good = {"cert": certificate(LEAF.pem), "cert_chain": [certificate(ROOT.pem)], "not_after": AT}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.host.run)
            await trio.testing.wait_all_tasks_blocked()
            assert (await rig.call("crypto/v1/is_certificate_trusted", good))["trusted"]
            with trio.fail_after(20):
                while rig.host._trust._child.process is not None:
                    await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()

    run(main)


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"[]", "not a JSON object"),
        ({}, "cert is not"),
        ({"cert": {"encoding": "pem", "data": []}}, "cert is not"),
        ({"cert": {"encoding": "Der", "data": [256]}}, "cert.data is not a list of bytes"),
        ({"cert": {"encoding": "Der", "data": ["a"]}}, "cert.data is not a list of bytes"),
        ({"cert": certificate(LEAF.der, "Pem")}, "cert is not Pem"),
        ({"cert": certificate(LEAF.pem, "Der")}, "cert is not Der"),
        ({"cert": certificate(LEAF.pem), "cert_chain": {}}, "cert_chain is not a list"),
        ({"cert": certificate(LEAF.pem), "cert_chain": [{}]}, r"cert_chain\[0\] is not"),
        ({"cert": certificate(LEAF.pem), "cert_chain": [certificate(b"")] * 65}, "at most 64"),
        ({"cert": certificate(LEAF.pem), "not_after": "tomorrow"}, "not an RFC 3339 time"),
        ({"cert": certificate(LEAF.pem), "not_after": "2026-01-01T00:00:00"}, "not an RFC 3339 time"),
        ({"cert": certificate(LEAF.pem), "not_after": "2026-13-01T00:00:00Z"}, "month"),
        ({"cert": certificate(LEAF.pem), "not_after": 5}, "not_after is missing or not a string"),
    ],
)
def test_questions_about_certificates_that_make_no_sense(tmp_path, payload, problem):
    async def main():
        with pytest.raises(HostCallError, match=problem):
            await Rig(tmp_path).call("crypto/v1/is_certificate_trusted", payload)

    run(main)


# --- images


def sources(folder, *insecure) -> str:
    path = folder / "sources.yaml"
    path.write_bytes(orjson.dumps({"insecure_sources": list(insecure)}))
    return str(path)


def test_answers_about_images_are_remembered_and_shared(tmp_path):
    async def main():
        with fake() as registry:
            digest = registry.publish("team/image", "v1", b"\0asm")
            rig = Rig(tmp_path, sources=sources(tmp_path, registry.host))
            image, got = f"{registry.host}/team/image:v1", []

            async def ask():
                got.append(await rig.call("oci/v1/manifest_digest", image))

            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(ask)
            await ask()
            assert got == [{"digest": digest}] * 6
            assert len([path for _, path, _ in registry.asked if "manifests" in path]) == 1

    run(main)


def test_what_one_may_ask_is_not_remembered_for_another(tmp_path):
    async def main():
        with fake() as registry:
            registry.publish("team/image", "v1", b"\0asm")
            config = sources(tmp_path, registry.host)
            rig = Rig(tmp_path, sources=config)
            image = f"{registry.host}/team/image:v1"
            await rig.call("oci/v1/manifest_digest", image)
            log = GuestLines(Logger(write=lambda line: None))
            closed = Restrictions(credentials=False, inward=False)
            other = HostServices("q", "u", Grants(("*",)), None, log, rig.host, closed)
            with pytest.raises(HostCallError, match="loopback and link-local addresses are refused"):
                await other.dispatch("kubewarden", "oci", "v1/manifest_digest", orjson.dumps(image))

    run(main)


def test_offline_nobody_is_asked(tmp_path):
    async def main():
        with pytest.raises(HostCallError, match="offline"):
            await Rig(tmp_path, offline=True).call("oci/v1/manifest_digest", "nginx")

    run(main)


@pytest.mark.parametrize("image", ["UPPER/case", "a b", "nginx:", "nginx@sha256:12", "host.example/"])
def test_what_is_no_image(tmp_path, image):
    async def main():
        with pytest.raises(HostCallError, match="Callback evaluation failure"):
            await Rig(tmp_path).call("oci/v1/manifest_digest", image)

    run(main)
