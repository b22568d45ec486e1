"""How to reach hosts that modules come from: the sources file (Kubewarden's `sources.yml`). Pure but for `load`.

    insecure_sources: [HOST[:PORT], ...]           TLS unchecked, then plain HTTP
    source_authorities: {HOST[:PORT]: [{type: Data, data: PEM}, {type: Path, path: FILE}]}
    proxies: {http_proxy: URL, https_proxy: URL, no_proxy: "a,.b"}

Proxies of the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY, in either case) come before those of the file, as in
policy-server.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from edged import yaml_text
from edged.errors import ConfigError
from edged.process.files import read_file
from edged.yaml_text import YamlError


@dataclass(frozen=True, slots=True)
class Sources:
    """`authorities`: host -> PEM texts of CAs trusted for it beside the system's."""

    insecure: frozenset[str] = frozenset()
    authorities: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: tuple[str, ...] = ()

    def proxy(self, scheme: str, host: str) -> str:
        """The proxy for that scheme and host (with or without port); "" for none."""
        name = host.rpartition(":")[0] or host
        for entry in self.no_proxy:
            bare = entry.removeprefix(".")
            if entry == "*" or host == entry or name == bare or name.endswith(f".{bare}"):
                return ""
        return self.https_proxy if scheme == "https" else self.http_proxy


def load(path: str, environment: Mapping[str, str]) -> Sources:
    """The file, "" for none, and the environment's proxies. Raises ConfigError."""
    document: Any = None
    if path:
        try:
            document = yaml_text.load(read_file(path), what=path)
        except OSError as error:
            raise ConfigError(f"[registry] sources: {path}: {error.strerror}") from error
        except YamlError as error:
            raise ConfigError(str(error)) from error
    try:
        return parse(document, environment)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse(document: object, environment: Mapping[str, str]) -> Sources:
    """Raises ConfigError that names the key."""
    data = _table(document if document is not None else {}, "the document")
    for key in data.keys() - {"insecure_sources", "source_authorities", "proxies"}:
        raise ConfigError(f"unknown key {key}")
    insecure = _texts(data.get("insecure_sources") or [], "insecure_sources")
    authorities = {
        str(host): tuple(_authority(entry, f"source_authorities.{host}[{n}]") for n, entry in enumerate(entries or []))
        for host, entries in _table(data.get("source_authorities") or {}, "source_authorities").items()
    }
    proxies = {**_proxies(data.get("proxies")), **_from_environment(environment)}
    without = tuple(part.strip() for part in proxies.get("no_proxy", "").split(",") if part.strip())
    return Sources(
        frozenset(insecure), authorities, proxies.get("http_proxy", ""), proxies.get("https_proxy", ""), without
    )


def _proxies(value: object) -> dict[str, str]:
    proxies = _table(value or {}, "proxies")
    for key, text in proxies.items():
        if key not in ("http_proxy", "https_proxy", "no_proxy"):
            raise ConfigError(f"proxies: unknown key {key}")
        if text is not None and not isinstance(text, str):
            raise ConfigError(f"proxies.{key}: not a string")
        if text and key != "no_proxy" and urlsplit(text).scheme not in ("http", "https"):
            raise ConfigError(f"proxies.{key}: {text!r} is not an http:// or https:// URL")
    return {key: text for key, text in proxies.items() if text}


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    proxies = {}
    for key in ("http_proxy", "https_proxy", "no_proxy"):
        value = environment.get(key.upper()) or environment.get(key)
        if value:
            proxies[key] = value
    return proxies


def _authority(entry: object, where: str) -> str:
    """PEM text of one entry; DER is recognised and converted."""
    data = _table(entry, where)
    kind = data.get("type")
    if kind == "Data" and isinstance(data.get("data"), str):
        return _pem(data["data"].encode(), where)
    if kind == "Path" and isinstance(data.get("path"), str):
        try:
            return _pem(read_file(data["path"]), where)
        except OSError as error:
            raise ConfigError(f"{where}: {data['path']}: {error.strerror}") from error
    raise ConfigError(f"{where}: expected {{type: Data, data: PEM}} or {{type: Path, path: FILE}}")


def _pem(content: bytes, where: str) -> str:
    text = content.decode("ascii") if b"-----BEGIN" in content and content.isascii() else ""
    try:
        text = text or ssl.DER_cert_to_PEM_cert(content)
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(f"{where}: neither PEM nor DER certificates") from error
    return text


def _table(value: object, where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: not a mapping")
    return value


def _texts(value: object, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(entry, str) and entry for entry in value):
        raise ConfigError(f"{where}: not a list of host[:port]")
    return value
