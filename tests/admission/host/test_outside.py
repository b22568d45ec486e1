"""Host capabilities that lead out of the cluster: names, images; through the table that guests call."""

import orjson
import pytest
import trio
import trio.testing

from edged.abi.wapc import HostCallError
from edged.admission.host.context import HostServices
from edged.admission.rules.capabilities import Grants
from edged.registry.origin import Restrictions
from edged.telemetry.logs import GuestLines, Logger
from tests.admission.host.services import Rig
from tests.registry.fake import fake


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
