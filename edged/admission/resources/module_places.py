"""Where custom resources may take modules from: module_dirs and module_sources of the configuration. Pure.

The authors of these objects have no account on this host. What is decided here looks at the URL only; symbolic links
and what a name resolves to are looked at when the module is read or fetched.
"""

from __future__ import annotations

import ipaddress
import posixpath
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit


def source_problem(url: str, module_dirs: Sequence[str], module_sources: Sequence[str]) -> str:
    """Why a custom resource may not name this module; "" when it may. `module_sources`: registry hosts (with a
    port where it is not the default), or beginnings of registry:// and https:// URLs."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return f"module {url!r} is not a URL"
    if "\\" in url or any(character.isspace() or not character.isprintable() for character in url):
        return f"module {url!r} holds characters that a URL cannot hold"
    if parts.scheme == "file":
        return _file_problem(url, module_dirs)
    if parts.scheme not in ("registry", "https") or not host or parts.username is not None:
        return f"module {url!r} must be a registry://, https:// or file:// URL without a user"
    if _is_inward(host):
        return f"module {url!r}: loopback and link-local addresses are refused"
    if any(_covers(source, parts.scheme, parts.netloc.lower(), unquote(parts.path)) for source in module_sources):
        return ""
    return f"module {url!r}: {parts.netloc} is not in [admission] module_sources"


def _file_problem(url: str, module_dirs: Sequence[str]) -> str:
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or parts.query or "\0" in path:
        return f"module {url!r} must name an absolute path"
    plain = posixpath.normpath(path)
    if any(plain.startswith(posixpath.normpath(folder).rstrip("/") + "/") for folder in module_dirs):
        return ""
    return f"module {url!r} is in none of [admission] module_dirs"


def _is_inward(host: str) -> bool:
    """Addresses that lead to this host or to what only this host can reach (cloud metadata services)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.replace(".", "").isdigit() or host.startswith("0x")  # 127.1, 2130706433: other spellings
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    return address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast


def _covers(source: str, scheme: str, authority: str, path: str) -> bool:
    """Whether a source allows it: `ghcr.io`, `registry://ghcr.io/kubewarden`, `https://example.com/policies/`. The end
    of a prefix is the end of a path's part: `ghcr.io/kube` is not a beginning of `ghcr.io/kubewarden`."""
    wanted_scheme, separator, rest = source.rpartition("://")
    if separator and wanted_scheme != scheme:
        return False
    host, _, prefix = rest.partition("/")
    if host.lower() != authority:
        return False
    prefix = f"/{prefix}".rstrip("/")
    plain = posixpath.normpath(path)
    return plain == prefix or plain.startswith(f"{prefix}/")
