"""URLs, as Go's url.ParseRequestURI reads them."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.registry import declare
from edged.kube.cel.values import Opaque

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")
_UNQUOTED = "$&+,/:;=@!'()*~-_.[]"


class Url(Opaque):
    type_name = "kubernetes.URL"
    __slots__ = ("host", "path", "query", "scheme", "text")

    def __init__(self, text: str) -> None:
        match = _SCHEME.match(text)
        split = urlsplit(text)
        self.text = text
        self.scheme = match[1].lower() if match else ""
        self.host = split.netloc.rpartition("@")[2]
        self.path = split.path
        self.query = split.query

    def identity(self) -> object:
        return self.text


def problem(text: str) -> str:
    """Why it is none, in Go's words; "" if it is one."""
    start = f'parse "{text}": '
    if not text:
        return f"{start}empty url"
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        return f"{start}net/url: invalid control character in URL"
    match = _SCHEME.match(text)
    if match is None and not text.startswith("/") and text != "*":
        early = ":" in text.partition("/")[0]
        return f"{start}{'first path segment in URL cannot contain colon' if early else 'invalid URI for request'}"
    if text[0] == ":":
        return f"{start}missing protocol scheme"
    rest = text[match.end() :] if match else text
    if not rest.startswith("/"):
        return "" if rest == "*" or not match else f"{start}invalid URI for request"
    return _problem_inside(start, text, rest)


def _problem_inside(start: str, text: str, rest: str) -> str:
    host = rest[2:].partition("/")[0].partition("?")[0] if rest.startswith("//") else ""
    escape = _BAD_ESCAPE.search(rest.partition("?")[0])
    if escape is not None:
        return f'{start}invalid URL escape "{escape[0]}"'
    if any(character in host for character in ' "<>'):
        bad = next(character for character in host if character in ' "<>')
        return f'{start}invalid character "{bad}" in host name'
    port = host.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    if port and not (port.isascii() and port.isdigit()):
        return f'{start}invalid port ":{port}" after host'
    try:
        urlsplit(text)
    except ValueError:
        return f"{start}missing ']' in host"
    return ""


@declare("url", str)
def _url(text: str) -> Url:
    wrong = problem(text)
    if wrong:
        raise EvaluationError(f"URL parse error during conversion from string: {wrong}")
    return Url(text)


declare("isURL", str)(lambda text: not problem(text))
declare("getScheme", Url)(lambda value: value.scheme)
declare("getHost", Url)(lambda value: value.host)


@declare("getHostname", Url)
def _hostname(value: Url) -> str:
    if value.host.startswith("["):
        return value.host[1:].partition("]")[0]
    return value.host.partition(":")[0]


@declare("getPort", Url)
def _port(value: Url) -> str:
    return value.host.rpartition("]")[2].partition(":")[2]


@declare("getEscapedPath", Url)
def _escaped_path(value: Url) -> str:
    return value.path if "%" in value.path else quote(value.path, safe=_UNQUOTED)


@declare("getQuery", Url)
def _query(value: Url) -> dict[object, object]:
    found: dict[object, object] = {}
    found.update(parse_qs(value.query, keep_blank_values=True, max_num_fields=10_000))
    return found
