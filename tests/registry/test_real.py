"""A real registry behind TLS, by every way of logging in: pushing, pulling, and what policies ask about images."""

import json
import os

import orjson
import pytest
import trio

from edged.abi.wapc import HostCallError
from edged.admission.host.outside import HostCapabilities
from edged.errors import PeerError
from edged.registry.config import RegistryConfig
from edged.registry.modules import Modules, ModuleUnavailable
from edged.registry.oci import OCI_MANIFEST, architecture
from edged.registry.origin import Restrictions
from edged.registry.reference import parse_url
from edged.telemetry.logs import Logger
from edged.wasm import bindings
from tests.kube.support import quiet
from tests.registry.fake import digest
from tests.registry.real import RealRegistry

MODULE = bindings.wat2wasm("(module)")
OTHER = bindings.wat2wasm('(module (func (export "other")))')


class Client:
    """Modules of a daemon that knows the registry; its log is `said`."""

    def __init__(self, registry: RealRegistry, folder, **config) -> None:
        self.said: list[str] = []
        known = {"sources": registry.sources(), "docker_config": registry.docker_config()} | config
        log = Logger(write=lambda line: self.said.append(line.decode()))
        self.modules = Modules(RegistryConfig(**known), folder, log)
        self.host = registry.host

    def url(self, name: str) -> str:
        return f"registry://{self.host}/{name}"

    async def push(self, name: str, binary: bytes, annotations: dict[str, str] | None = None) -> str:
        reference = parse_url(self.url(name))
        notes = annotations or {}
        return await self.modules.ask(reference, lambda registry, host: registry.push(reference, binary, notes))

    async def pull(self, name: str, **restrictions) -> bytes:
        return (await self.modules.path(self.url(name), Restrictions(**restrictions))).read_bytes()


@pytest.fixture
def client(real_registry, tmp_path):
    return Client(real_registry, tmp_path)


def test_push_and_pull(client):
    async def main():
        pushed = await client.push("team/policy:v1", MODULE, {"io.kubewarden.policy.title": "test"})
        assert await client.pull("team/policy:v1") == MODULE
        assert await client.pull(f"team/policy@{pushed}") == MODULE
        assert await client.push("team/policy:v1", MODULE, {"io.kubewarden.policy.title": "test"}) == pushed  # again

    trio.run(main)


def test_a_tag_that_moves(client):
    """`latest` is fetched again, other tags are not."""

    async def main():
        for tag in ("latest", "v1"):
            await client.push(f"team/moving:{tag}", MODULE)
            assert await client.pull(f"team/moving:{tag}") == MODULE
            await client.push(f"team/moving:{tag}", OTHER)
        assert await client.pull("team/moving") == OTHER
        assert await client.pull("team/moving:v1") == MODULE

    trio.run(main)


def test_large_modules(client):
    async def main():
        large = MODULE + b"\0\xff\xff\xff\x7f" + os.urandom(3 << 20)
        await client.push("team/large:v1", large)
        assert await client.pull("team/large:v1") == large

    trio.run(main)


def test_what_is_not_there(client):
    async def main():
        await client.push("team/there:v1", MODULE)
        with pytest.raises(ModuleUnavailable, match=r"404|MANIFEST_UNKNOWN|not found"):
            await client.pull("team/there:v2")

    trio.run(main)


def test_a_digest_that_is_not_the_modules(client):
    async def main():
        await client.push("team/there:v1", MODULE)
        with pytest.raises(ModuleUnavailable):
            await client.pull(f"team/there@sha256:{'0' * 64}")

    trio.run(main)


def test_without_the_registry_what_was_fetched_is_used(registry_program, tmp_path):
    async def main(registry):
        client = Client(registry, tmp_path / "state")
        await client.push("team/moving:latest", MODULE)
        assert await client.pull("team/moving") == MODULE
        registry.__exit__(None, None, None)
        assert await client.pull("team/moving") == MODULE
        assert "the one fetched before is used" in "".join(client.said)
        with pytest.raises(ModuleUnavailable):
            await client.pull("team/other")

    with RealRegistry(tmp_path / "registry") as registry:
        trio.run(main, registry)


def test_plain_http_of_an_insecure_host(registry_program, tmp_path):
    async def main(registry):
        client = Client(registry, tmp_path / "state")
        await client.push("team/policy:v1", MODULE)
        assert await client.pull("team/policy:v1") == MODULE
        unknown = Client(registry, tmp_path / "unknown", sources="")
        with pytest.raises(ModuleUnavailable):
            await unknown.pull("team/policy:v1")

    with RealRegistry(tmp_path / "registry", tls=False) as registry:
        trio.run(main, registry)


def test_a_certificate_that_nobody_vouches_for(real_registry, tmp_path):
    async def main():
        client = Client(real_registry, tmp_path, sources="")
        with pytest.raises(ModuleUnavailable, match=r"(?i)certificate"):
            await client.pull("team/policy:v1")

    trio.run(main)


def test_without_credentials(real_registry, tmp_path, client):
    """Anonymous, where credentials are not for everybody."""

    async def main():
        for name in ("team/closed:v1", "public/policy:v1"):
            await client.push(name, MODULE)
        if real_registry.login:
            with pytest.raises(ModuleUnavailable, match=r"(?i)unauthori|denied|not authori"):
                await Client(real_registry, tmp_path / "a").pull("team/closed:v1", credentials=False)
        if real_registry.login == "token":  # such registries let anybody in who does not say who they are
            assert await Client(real_registry, tmp_path / "b").pull("public/policy:v1", credentials=False) == MODULE
        if not real_registry.login:
            assert await Client(real_registry, tmp_path / "c").pull("team/closed:v1", credentials=False) == MODULE

    trio.run(main)


def test_a_wrong_password(real_registry, tmp_path):
    async def main():
        folder = tmp_path / "docker"
        folder.mkdir()
        auths = {"auths": {real_registry.host: {"username": "edge", "password": "wrong"}}}
        (folder / "config.json").write_text(json.dumps(auths))
        client = Client(real_registry, tmp_path, docker_config=str(folder))
        if real_registry.login:
            with pytest.raises(PeerError, match=r"(?i)unauthori|who are you"):
                await client.push("team/policy:v1", MODULE)
        else:
            await client.push("team/policy:v1", MODULE)

    trio.run(main)


def test_this_host_is_refused_to_those_who_may_not(client):
    async def main():
        await client.push("team/inward:v1", MODULE)
        with pytest.raises(ModuleUnavailable, match="loopback and link-local addresses are refused"):
            await client.pull("team/inward:v1", inward=False)

    trio.run(main)


def test_a_mirror_is_asked_first(client, real_registry, tmp_path):
    async def main():
        await client.push("team/mirrored:v1", MODULE)
        mirrors = {"registry.example": ("127.0.0.1:1", real_registry.host)}
        user = Client(real_registry, tmp_path / "mirror", mirrors=mirrors)
        path = await user.modules.path("registry://registry.example/team/mirrored:v1")
        assert path.read_bytes() == MODULE

    trio.run(main)


def test_what_policies_ask_about_images(client):
    """Digest, manifest and configuration; of an index the image for this machine."""

    async def main():
        host = HostCapabilities(lambda: client.modules, quiet())
        image_digest, index = await _publish_image(client)
        image, many = f"{client.host}/team/image:v1", f"{client.host}/team/image:many"
        assert orjson.loads(await host.call("oci/v1/manifest_digest", orjson.dumps(image))) == {"digest": image_digest}
        assert orjson.loads(await host.call("oci/v1/manifest_digest", orjson.dumps(many))) == {"digest": index}
        manifest = orjson.loads(await host.call("oci/v1/oci_manifest", orjson.dumps(image)))
        assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
        assert len(orjson.loads(await host.call("oci/v1/oci_manifest", orjson.dumps(many)))["manifests"]) == 2
        for name in (image, many):
            found = orjson.loads(await host.call("oci/v1/oci_manifest_config", orjson.dumps(name)))
            assert found == {"manifest": manifest, "digest": image_digest, "config": {"config": {"User": "65532"}}}
        with pytest.raises(HostCallError, match="Callback evaluation failure"):
            await host.call("oci/v1/manifest_digest", orjson.dumps(f"{client.host}/team/image:missing"))

    trio.run(main)


async def _publish_image(client) -> tuple[str, str]:
    """(digest of an image, digest of an index that has it for this machine)."""
    reference = parse_url(client.url("team/image:v1"))
    config = orjson.dumps({"config": {"User": "65532"}})

    async def publish(registry, host):
        await registry._upload(reference, config)
        described = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(config)}
        described["digest"] = digest(config)
        manifest = orjson.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": []})
        await _put(registry, reference, "v1", OCI_MANIFEST, manifest)
        entry = {"mediaType": OCI_MANIFEST, "digest": digest(manifest), "size": len(manifest)}
        index_type = "application/vnd.oci.image.index.v1+json"
        other = orjson.dumps(orjson.loads(manifest) | {"annotations": {"for": "another machine"}})
        await _put(registry, reference, "other", OCI_MANIFEST, other)
        foreign = {"mediaType": OCI_MANIFEST, "digest": digest(other), "size": len(other)}
        index = orjson.dumps(
            {
                "schemaVersion": 2,
                "mediaType": index_type,
                "manifests": [
                    foreign | {"platform": {"os": "linux", "architecture": "s390x"}},
                    entry | {"platform": {"os": "linux", "architecture": architecture()}},
                ],
            }
        )
        await _put(registry, reference, "many", index_type, index)
        return digest(manifest), digest(index)

    return await client.modules.ask(reference, publish)


async def _put(registry, reference, tag, media_type, body):
    headers = {"Content-Type": media_type}
    await registry._checked(reference, "PUT", f"manifests/{tag}", headers, body, scope="pull,push")
