"""The registry protocol, as far as modules and host capabilities need it: manifests, blobs, tokens, and pushing.

Content that was requested by digest is checked against it. Source: OCI distribution and image specifications, and
docker's token authentication. Kubewarden's media types of modules are `WASM_LAYER` and `WASM_CONFIG`.
"""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from edged.errors import PeerError
from edged.json_text import JsonError, dumps, loads
from edged.registry.credentials import Login
from edged.registry.download import Download
from edged.registry.foreign_text import bearer_token, joined, shortened, shown, web_address
from edged.registry.http import Answer, Http, Progress
from edged.registry.reference import Reference

WASM_LAYER = "application/vnd.wasm.content.layer.v1+wasm"
WASM_CONFIG = "application/vnd.wasm.config.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPT = ", ".join((DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX))
MAX_MANIFEST = 4 << 20
MAX_CONFIG = 8 << 20
MAX_TOKEN = 1 << 20
MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class Rejected(PeerError):
    """The registry's answer is an error. `status`: HTTP's."""

    def __init__(self, what: str, answer: Answer) -> None:
        super().__init__(f"{what}: {_complaint(answer)}")
        self.status = answer.status


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or an index: the document, and the digest of its bytes."""

    document: dict[str, Any]
    digest: str

    @property
    def is_index(self) -> bool:
        return "manifests" in self.document


@dataclass(slots=True)
class Registry:
    """One registry, with one user's credentials. `hosts`: where to ask for a reference's host (mirrors first)."""

    http: Http
    login: Login | None = None
    _tokens: dict[tuple[str, str], str] = field(default_factory=dict)  # (host, scope) -> Authorization

    # --- reading

    async def manifest(self, reference: Reference, host: str = "") -> Manifest:
        """What the reference names. Raises PeerError."""
        path = f"manifests/{reference.version}"
        answer = await self._get(reference, path, MAX_MANIFEST, {"Accept": ACCEPT}, host=host)
        digest = _digest(answer.body)
        if reference.digest and reference.digest != digest:
            raise PeerError(f"{reference}: the registry sent a manifest with digest {digest}")
        document = _object(answer.body, f"{reference}: the manifest")
        return Manifest(document, digest)

    async def image(self, reference: Reference, host: str = "") -> Manifest:
        """As `manifest`, and of an index the image for this machine. Raises PeerError."""
        manifest = await self.manifest(reference, host)
        if not manifest.is_index:
            return manifest
        chosen = _for_this_machine(_entries(manifest.document, "manifests", f"{reference}: the index"))
        if chosen is None:
            raise PeerError(f"{reference}: the index has nothing for linux/{architecture()}")
        return await self.manifest(reference.at(_text(chosen, "digest", f"{reference}: the index")), host)

    async def blob(self, reference: Reference, digest: str, limit: int, host: str = "") -> bytes:
        """Raises PeerError, also if the bytes do not have that digest."""
        answer = await self._get(reference, f"blobs/{digest}", limit, {}, host=host)
        if _digest(answer.body) != digest:
            raise PeerError(f"{reference}: blob {digest} arrived with digest {_digest(answer.body)}")
        return answer.body

    async def module(
        self, reference: Reference, into: Download, limit: int, progress: Progress | None = None, host: str = ""
    ) -> Manifest:
        """The Wasm module that a reference names: every layer must be one, the first counts. Raises PeerError."""
        manifest = await self.image(reference, host)
        layers = _entries(manifest.document, "layers", f"{reference}: the manifest")
        if not layers:
            raise PeerError(f"{reference}: the manifest has no layers")
        for layer in layers:
            if layer.get("mediaType") != WASM_LAYER:
                kind = shown(layer.get("mediaType"))
                raise PeerError(f"{reference}: a layer is {kind}, not {WASM_LAYER}: no Wasm module")
        digest = _text(layers[0], "digest", f"{reference}: a layer")
        await self._get(reference, f"blobs/{digest}", limit, {}, progress, host, into)
        if into.digest != digest:
            raise PeerError(f"{reference}: blob {digest} arrived with digest {into.digest}")
        if not into.is_module:
            raise PeerError(f"{reference}: the layer is not a Wasm module")
        return manifest

    async def configuration(self, reference: Reference, host: str = "") -> tuple[Manifest, Any]:
        """The image for this machine, and the document that it names as its configuration. Raises PeerError."""
        image = await self.image(reference, host)
        config = image.document.get("config")
        if not isinstance(config, dict):
            raise PeerError(f"{reference}: the manifest names no configuration")
        content = await self.blob(reference, _text(config, "digest", f"{reference}: the config"), MAX_CONFIG, host=host)
        try:
            return image, loads(content)
        except JsonError as error:
            raise PeerError(f"{reference}: the configuration is not JSON: {error}") from error

    # --- writing

    async def push(self, reference: Reference, binary: bytes, annotations: Mapping[str, str]) -> str:
        """Publish a module; the digest of its manifest. Raises PeerError."""
        config, layer = b"{}", binary
        for content in (config, layer):
            await self._upload(reference, content)
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": _descriptor(WASM_CONFIG, config),
            "layers": [_descriptor(WASM_LAYER, layer)],
        }
        if annotations:
            manifest["annotations"] = dict(annotations)
        body = dumps(manifest)
        headers = {"Content-Type": OCI_MANIFEST}
        tag = reference.tag if not reference.digest else reference.digest
        await self._checked(reference, "PUT", f"manifests/{tag}", headers, body, scope="pull,push")
        return _digest(body)

    async def _upload(self, reference: Reference, content: bytes) -> None:
        digest = _digest(content)
        begun = await self._checked(reference, "POST", "blobs/uploads/", {}, b"", scope="pull,push")
        location = self._upload_url(reference, begun)
        separator = "&" if urlsplit(location).query else "?"
        url = f"{location}{separator}{urlencode({'digest': digest})}"
        headers = {"Content-Type": "application/octet-stream"}
        answer = await self._ask(reference, "PUT", url, headers, content, "pull,push")
        if answer.status not in (201, 202):
            raise Rejected(f"{reference}: uploading {digest}", answer)

    def _upload_url(self, reference: Reference, begun: Answer) -> str:
        """The URL to which the registry wants the bytes sent."""
        location = web_address(joined(begun.url, begun.headers.get("location", "")))
        asked = urlsplit(begun.url)
        if location.netloc == asked.netloc:
            # A registry behind a proxy does not know how it is reached.
            return location._replace(scheme=asked.scheme).geturl()
        if location.scheme != "https" and location.netloc not in self.http.sources.insecure:
            where = shown(location.geturl())
            raise PeerError(f"{reference}: the registry sends the upload to {where}: another host, by plain HTTP")
        return location.geturl()

    # --- requests

    async def _get(
        self,
        reference: Reference,
        path: str,
        limit: int,
        headers: Mapping[str, str],
        progress: Progress | None = None,
        host: str = "",
        into: Download | None = None,
    ) -> Answer:
        answer = await self._ask(reference, "GET", path, headers, None, "pull", limit, progress, host, into)
        if answer.status != 200:
            raise Rejected(str(reference), answer)
        return answer

    async def _checked(
        self, reference: Reference, method: str, path: str, headers: Mapping[str, str], content: bytes, *, scope: str
    ) -> Answer:
        answer = await self._ask(reference, method, path, headers, content, scope)
        if answer.status not in (200, 201, 202):
            raise Rejected(f"{reference}: {method}", answer)
        return answer

    async def _ask(
        self,
        reference: Reference,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None,
        actions: str,
        limit: int = MAX_MANIFEST,
        progress: Progress | None = None,
        host: str = "",
        into: Download | None = None,
    ) -> Answer:
        """One request. If the registry asks for credentials, it is sent again with them. Another host, which stores the
        blobs, gets no credentials."""
        host = host or reference.api_host
        url = path if "://" in path else f"https://{host}/v2/{reference.repository}/{path}"
        scope = f"repository:{reference.repository}:{actions}"
        sent = dict(headers)
        remembered = self._tokens.get((host, scope)) if urlsplit(url).netloc == host else None
        if remembered:
            sent["Authorization"] = remembered

        async def request() -> Answer:
            return await self.http.request(
                method, url, headers=sent, content=content, limit=limit, progress=progress, into=into
            )

        answer = await request()
        challenge = answer.headers.get("www-authenticate", "")
        if answer.status != 401 or not challenge or urlsplit(answer.url).netloc != host:
            return answer
        authorization = await self._authorize(reference, challenge, scope)
        if authorization is None or authorization == remembered:
            return answer
        self._tokens[host, scope] = authorization
        sent["Authorization"] = authorization
        return await request()

    async def _authorize(self, reference: Reference, challenge: str, scope: str) -> str | None:
        """The Authorization header for a challenge; None if there is none."""
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic":
            return self.login.header() if self.login else None
        if kind.lower() != "bearer":
            return None
        parameters = dict(_PARAMETER.findall(rest))
        realm = parameters.get("realm", "")
        try:
            server = web_address(realm)
        except PeerError as error:
            raise PeerError(f"{reference}: the registry names {shown(realm)} as its token server") from error
        if server.scheme == "http" and server.netloc not in self.http.sources.insecure:
            raise PeerError(f"{reference}: the registry's token server uses plain HTTP ({shortened(realm)})")
        query = {"scope": parameters.get("scope") or scope}
        if "service" in parameters:
            query["service"] = parameters["service"]
        separator = "&" if server.query else "?"
        headers = {"Authorization": self.login.header()} if self.login else {}
        answer = await self.http.request(
            "GET", f"{realm}{separator}{urlencode(query)}", headers=headers, limit=MAX_TOKEN
        )
        if answer.status != 200:
            raise Rejected(f"{reference}: no token from {shortened(server.netloc)}", answer)
        document = _object(answer.body, f"{reference}: the token")
        try:
            return f"Bearer {bearer_token(document.get('token') or document.get('access_token'))}"
        except PeerError as error:
            raise PeerError(f"{reference}: {shortened(server.netloc)} {error}") from error


def architecture() -> str:
    """This machine's architecture, as registries call it."""
    machine = platform.machine()
    return MACHINES.get(machine, machine)


def _for_this_machine(entries: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    for entry in entries:
        platform = entry.get("platform")
        if not isinstance(platform, dict):
            continue
        if platform.get("os") == "linux" and platform.get("architecture") == architecture():
            return entry
    return None


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _object(body: bytes, what: str) -> dict[str, Any]:
    try:
        document = loads(body)
    except JsonError as error:
        raise PeerError(f"{what} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise PeerError(f"{what} is not an object")
    return document


def _entries(document: Mapping[str, object], key: str, what: str) -> list[dict[str, Any]]:
    entries = document.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise PeerError(f"{what} has no list `{key}`")
    return entries


def _text(entry: Mapping[str, object], key: str, what: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not re.fullmatch(r"sha256:[0-9a-f]{64}", value):
        raise PeerError(f"{what}: {key} is {shown(value)}, not sha256: and 64 hexadecimal digits")
    return value


def _complaint(answer: Answer) -> str:
    """The registry's error, in one line."""
    try:
        errors = loads(answer.body)["errors"]
        said = "; ".join(" ".join(filter(None, map(_word, (e.get("code"), e.get("message"))))) for e in errors[:5])
    except (JsonError, KeyError, TypeError, AttributeError):
        said = ""
    words = {401: "not authorised", 403: "forbidden", 404: "not found", 429: "too many requests"}
    return f"HTTP {answer.status}: {said.strip('; ') or words.get(answer.status, 'refused')}"[:500]


def _word(value: object) -> str:
    return shortened(value) if isinstance(value, str) else ""
