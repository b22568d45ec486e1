"""Names of things in registries: `host[:port]/repository[:tag][@digest]`. Pure.

Two spellings: module URLs (`registry://ghcr.io/team/policy:v1`), which always name a host, and image references as
people write them (`nginx`, `team/app:1`), which Docker's conventions complete.
"""

from __future__ import annotations

import re

from edged.errors import ConfigError
from edged.records import dataclass

DEFAULT_HOST = "docker.io"
HUB = "registry-1.docker.io"  # host of docker.io's API
HUB_CREDENTIALS = "https://index.docker.io/v1/"
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MOST_CHARACTERS = 255
"""Of host and repository together, as the OCI distribution specification advises and registries do."""
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::\d{{1,5}})?")


@dataclass(frozen=True, slots=True)
class Reference:
    """`host` includes a port that is not the default. `digest` is "" if none is given; then `tag` counts."""

    host: str
    repository: str
    tag: str = "latest"
    digest: str = ""

    @property
    def version(self) -> str:
        """What the registry is asked for: the digest, or else the tag."""
        return self.digest or self.tag

    @property
    def api_host(self) -> str:
        """The host of the registry's API."""
        return HUB if self.host == DEFAULT_HOST else self.host

    @property
    def is_pinned(self) -> bool:
        """Whether it always names the same bytes."""
        return bool(self.digest)

    def at(self, digest: str) -> Reference:
        """The same by that digest."""
        return Reference(self.host, self.repository, self.tag, digest)

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}" + (f"@{self.digest}" if self.digest else f":{self.tag}")


def parse_url(url: str) -> Reference:
    """The reference of a registry:// URL. Raises ConfigError."""
    rest = url.removeprefix("registry://")
    host, slash, _ = rest.partition("/")
    if not slash or not host:
        raise ConfigError(f"module {url}: needs a host and a path: registry://HOST/REPOSITORY[:TAG][@DIGEST], such as "
                          "registry://ghcr.io/team/policy:v1")
    return _parse(rest, url, host)


def parse_image(image: str) -> Reference:
    """An image reference as in a container's `image`: without a host it is on Docker Hub. Raises ConfigError."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host, rest = first, image
    else:
        host, rest = DEFAULT_HOST, f"{DEFAULT_HOST}/{image}" if slash else f"{DEFAULT_HOST}/library/{image}"
    if host in ("index.docker.io", HUB):
        rest, host = DEFAULT_HOST + rest.removeprefix(host), DEFAULT_HOST
    return _parse(rest, image, host)


def _parse(rest: str, shown: str, host: str) -> Reference:
    name, at, digest = rest.removeprefix(f"{host}/").partition("@")
    tag = ""
    if ":" in name:
        name, _, tag = name.rpartition(":")
    if len(host) + 1 + len(name) > MOST_CHARACTERS:
        raise ConfigError(f"{shown[:80]}...: host and repository are longer than {MOST_CHARACTERS} characters")
    if not _HOST.fullmatch(host):
        raise ConfigError(f"{shown}: {host!r} is not a host, such as ghcr.io or registry.lan:5000")
    if not _REPOSITORY.fullmatch(name):
        raise ConfigError(f"{shown}: {name!r} is not a repository name (lower case, parts joined by /)")
    if ":" in rest.removeprefix(f"{host}/").partition("@")[0] and not _TAG.fullmatch(tag):
        raise ConfigError(f"{shown}: {tag!r} is not a tag (letters, digits and . _ -, at most 128)")
    if at and not _DIGEST.fullmatch(digest):
        raise ConfigError(f"{shown}: {digest!r} is not a digest (sha256: and 64 hexadecimal digits)")
    return Reference(host, name, tag or "latest", digest)
