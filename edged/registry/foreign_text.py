"""What a registry or a web server wrote into its answer, before anything is done with it. Pure.

Addresses and tokens are checked here once; what fails is the answer's fault (PeerError). What is shown to a person is
short and printable: an answer may hold megabytes, or commands for a terminal.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urljoin, urlsplit

from edged.errors import PeerError

SHOWN_CHARACTERS = 200
MOST_TOKEN = 64 << 10
_TOKEN = re.compile(r"[\x21-\x7e]+")


def shown(value: object) -> str:
    """For a message: the beginning of a text in quotes, or what kind of JSON value it is."""
    if isinstance(value, str):
        return repr(shortened(value))
    kinds = {dict: "an object", list: "a list", bool: "a truth value", int: "a number", float: "a number"}
    return kinds.get(type(value), "nothing")


def shortened(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """The beginning of a text, with a space in place of what cannot be printed."""
    beginning = "".join(character if character.isprintable() else " " for character in text[:most])
    return f"{beginning}..." if len(text) > most else beginning


def web_address(text: str) -> SplitResult:
    """The parts of a http:// or https:// URL whose host a resolver can be asked for. Raises PeerError."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        in_range = parts.port != 0
        if "[" in parts.netloc:
            ipaddress.IPv6Address(host.replace("%25", "%"))
        else:
            host.encode("idna")  # as the resolver's library does: a label may be empty or too long
    except ValueError as error:
        raise PeerError(f"{shown(text)} is not a web address ({shortened(str(error), 80)})") from error
    if parts.scheme not in ("http", "https") or not host or not in_range:
        raise PeerError(f"{shown(text)} is not a web address")
    return parts


def joined(base: str, target: str) -> str:
    """The URL that `target` names for who is at `base`. Raises PeerError."""
    try:
        return urljoin(base, target)
    except ValueError as error:
        raise PeerError(f"{shown(target)} is not a web address") from error


def bearer_token(value: object) -> str:
    """A token that can be sent in a header. Raises PeerError."""
    if not isinstance(value, str) or not value:
        raise PeerError("gave no token")
    if len(value) > MOST_TOKEN or not _TOKEN.fullmatch(value):
        raise PeerError(f"gave a token that is no token: of visible ASCII characters, at most {MOST_TOKEN}")
    return value
