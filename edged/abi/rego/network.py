"""Builtins about addresses: net.cidr_* (those that OPA's own module lacks) and uri.*. Pure: nothing is looked up."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from edged.abi.rego.environment import Environment
from edged.abi.rego.signature import Builtin
from edged.abi.rego.values import BuiltinError, RegoSet, Value

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MOST_ADDRESSES = 1 << 16
MOST_PAIRS = 100_000
_CIDR = re.compile(r"[0-9A-Fa-f:.]+/0*[0-9]{1,3}")
_URI = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_USER = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_PORT = re.compile(r":[0-9]*")
_BAD_HOST = re.compile(r"%(?!25)[0-7][0-9A-Fa-f]|[\x00-\x20#/?@\\^`{|}\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _network(text: object) -> Network:
    if isinstance(text, str) and len(text) < 100 and _CIDR.fullmatch(text):
        try:
            return ipaddress.ip_network(text, strict=False)
        except ValueError:
            pass
    raise BuiltinError(f"invalid CIDR address: {text}")


def _is_valid(_environment: Environment, text: object) -> bool:
    try:
        _network(text)
    except BuiltinError:
        return False
    return True


def _expand(_environment: Environment, text: str) -> RegoSet:
    network = _network(text)
    if network.num_addresses > MOST_ADDRESSES:
        raise BuiltinError(f"{text} has more than {MOST_ADDRESSES} addresses")
    return RegoSet(str(address) for address in network)


def _merge(_environment: Environment, texts: Sequence[object]) -> RegoSet:
    """A plain IPv4 address counts as its class's network, as in OPA."""
    networks = [_merged_network(text) for text in texts]
    narrow = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    wide = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    merged = RegoSet(str(network) for network in ipaddress.collapse_addresses(narrow))
    merged.extend(str(network) for network in ipaddress.collapse_addresses(wide))
    return merged


def _merged_network(text: object) -> Network:
    if not isinstance(text, str):
        raise BuiltinError("element must be string")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return _network(text)
    if address.version == 6:
        raise BuiltinError("IPv6 invalid: needs prefix length")
    first = address.packed[0]
    prefix = 8 if first < 128 else 16 if first < 192 else 24 if first < 224 else 32
    return ipaddress.ip_network(f"{address}/{prefix}", strict=False)


def _contains(whole: object, part: Any) -> bool:
    network = _network(whole)
    try:
        address = ipaddress.ip_address(part)
    except ValueError:
        return _is_subnet(_network(part), network)
    return address.version == network.version and address in network


def _is_subnet(part: Network, whole: Network) -> bool:
    if isinstance(part, ipaddress.IPv4Network):
        return isinstance(whole, ipaddress.IPv4Network) and part.subnet_of(whole)
    return isinstance(whole, ipaddress.IPv6Network) and part.subnet_of(whole)


def _entries(value: Value, number: int) -> Iterator[tuple[Value, Value]]:
    """(CIDR, how the result names it) of a string, array, set or object of strings or arrays."""
    if isinstance(value, str):
        yield value, value
        return
    pairs: list[tuple[Value, Value]]
    if isinstance(value, dict):
        pairs = [(item, key) for key, item in value.items()]
    elif isinstance(value, RegoSet):
        pairs = [(item, item) for item in value]
    elif isinstance(value, list):
        pairs = [(item, index) for index, item in enumerate(value)]
    else:
        raise BuiltinError(f"argument {number} is not a string, array, set or object")
    for item, name in pairs:
        if isinstance(item, list) and item and not isinstance(item, RegoSet):
            yield item[0], name
        elif isinstance(item, str):
            yield item, name
        else:
            raise BuiltinError(f"operand {number}: element must be string or non-empty array")


def _contains_matches(_environment: Environment, wholes: Value, parts: Value) -> RegoSet:
    first, second = list(_entries(wholes, 1)), list(_entries(parts, 2))
    if len(first) * len(second) > MOST_PAIRS:
        raise BuiltinError(f"more than {MOST_PAIRS} pairs to compare")
    return RegoSet([name, other_name] for whole, name in first for part, other_name in second if _contains(whole, part))


def _split_uri(text: str) -> dict[str, str]:
    """The parts of a URI that it has. Raises BuiltinError for what Go's net/url refuses."""
    if any(ord(character) < 0x20 or character == "\x7f" for character in text):
        raise BuiltinError("invalid control character in URL")
    match = _URI.fullmatch(text)
    if match is None or text.startswith(":"):
        raise BuiltinError("missing protocol scheme")
    scheme, authority, path, query, fragment = (part or "" for part in match.groups())
    if not scheme and match[2] is None and ":" in path.split("/")[0]:
        raise BuiltinError("first path segment in URL cannot contain colon")
    parts = {"scheme": scheme.lower()} if scheme else {}
    if authority:
        parts |= _authority(scheme, authority)
    if path and not (scheme and match[2] is None and not path.startswith("/")):  # else it is opaque, as of mailto:
        parts["path"] = _unescaped(path)
        is_plain = path == quote(parts["path"], safe="$&+,/:;=@")
        parts["raw_path"] = (
            parts["path"] if is_plain else path
        )  # as Go's net/url: raw only where it is not the usual way
    if query:
        parts["raw_query"] = query
    if fragment:
        parts["fragment"] = _unescaped(fragment)
    return parts


def _unescaped(text: str) -> str:
    if bad := _BAD_ESCAPE.search(text):
        raise BuiltinError(f"invalid URL escape {text[bad.start() : bad.start() + 3]!r}")
    return unquote_to_bytes(text).decode(errors="replace")


def _authority(scheme: str, text: str) -> dict[str, str]:
    user, at, host = text.rpartition("@")
    if at and not _USER.fullmatch(user):
        raise BuiltinError("invalid userinfo")
    _unescaped(user)
    whole = _host(scheme.lower(), host)
    name, colon, port = whole.rpartition(":")
    if not colon or not _PORT.fullmatch(colon + port):
        name, port = whole, ""
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    return ({"hostname": name} if name else {}) | ({"port": port} if port else {})


def _host(scheme: str, text: str) -> str:
    """A host with its port, without escapes. Raises BuiltinError."""
    opening, closing = text.rfind("["), text.rfind("]")
    if opening > 0 or (opening == 0 and closing < 0):
        raise BuiltinError(f"invalid IP-literal in {text!r}")
    if opening == 0:
        address, zone, rest = text[1:closing], "", text[closing + 1 :]
        if "%25" in address:
            address, _, zone = address.partition("%25")
            zone = "%" + _unescaped(zone)
        name = f"[{_address(_unescaped_host(address) + zone)}]"
    else:
        at = text.find(":") if scheme in ("http", "https") else text.rfind(":")
        name, rest = ("", text[at:]) if at >= 0 else ("", "")
    if rest and not _PORT.fullmatch(rest):
        raise BuiltinError(f"invalid port {rest!r} after host")
    return name + rest if name else _unescaped_host(text)


def _address(text: str) -> str:
    try:
        ipaddress.IPv6Address(text)
    except ValueError as error:
        raise BuiltinError(f"invalid host: {error}") from error
    return text


def _unescaped_host(text: str) -> str:
    """Only bytes that are not ASCII may be escaped in a host, and the percent sign."""
    if bad := _BAD_HOST.search(text):
        raise BuiltinError(f"invalid host: {text[bad.start() : bad.start() + 3]!r}")
    return _unescaped(text)


def _uri_parse(_environment: Environment, text: str) -> dict[str, str]:
    return _split_uri(text)


def _uri_is_valid(_environment: Environment, text: object) -> bool:
    try:
        return isinstance(text, str) and bool(text) and _split_uri(text) is not None
    except BuiltinError:
        return False


BUILTINS = (
    Builtin("net.cidr_is_valid", "x", _is_valid),
    Builtin("net.cidr_expand", "s", _expand, 0),
    Builtin("net.cidr_merge", "a", _merge, 2 << 10),
    Builtin("net.cidr_contains_matches", "xx", _contains_matches, 1 << 10),
    Builtin("uri.parse", "s", _uri_parse),
    Builtin("uri.is_valid", "x", _uri_is_valid),
)
