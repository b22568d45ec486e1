"""Builtins about text: sprintf, strings.*, hexadecimal and base64, URL queries, globs. Pure."""

from __future__ import annotations

import base64
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote_to_bytes

from edged.abi.rego import formatting
from edged.abi.rego.environment import Environment
from edged.abi.rego.signature import Builtin
from edged.abi.rego.values import BuiltinError

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_GLOB_SPECIAL = re.compile(r"[*?\\\[\]{}]")
MOST_MATCHES = 100_000


def _sprintf(_environment: Environment, pattern: str, arguments: Sequence[object]) -> str:
    return formatting.sprintf(pattern, arguments)


def _encode_no_pad(_environment: Environment, text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _hex_encode(_environment: Environment, text: str) -> str:
    return text.encode().hex()


def _hex_decode(_environment: Environment, text: str) -> str:
    try:
        if any(character.isspace() for character in text):
            raise ValueError("white space")
        return bytes.fromhex(text).decode()
    except UnicodeDecodeError as error:
        raise BuiltinError("the decoded bytes are not UTF-8") from error
    except ValueError as error:
        raise BuiltinError(f"not hexadecimal: {error}") from error


def _query_encode(_environment: Environment, text: str) -> str:
    """A space becomes `%20`, as in Kubewarden's engine (OPA: `+`)."""
    return quote(text, safe="")


def _query_decode(_environment: Environment, text: str) -> str:
    if found := _BAD_ESCAPE.search(text):
        raise BuiltinError(f"invalid URL escape {text[found.start() : found.start() + 3]!r}")
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError as error:
        raise BuiltinError("the decoded bytes are not UTF-8") from error


def _query_encode_object(environment: Environment, values: Mapping[str, object]) -> str:
    pairs: list[str] = []
    for key in sorted(values, key=str):
        value = values[key]
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, str) or not isinstance(key, str):
                raise BuiltinError("values must be strings, or arrays or sets of strings")
            pairs.append(f"{_query_encode(environment, key)}={_query_encode(environment, item)}")
    return "&".join(pairs)


def _query_decode_object(environment: Environment, text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in text.split("&"):
        if ";" in pair:
            raise BuiltinError("invalid semicolon separator in query")
        if pair:
            key, _, value = pair.partition("=")
            found.setdefault(_query_decode(environment, key), []).append(_query_decode(environment, value))
    return found


def _quote_meta(_environment: Environment, pattern: str) -> str:
    return _GLOB_SPECIAL.sub(lambda match: "\\" + match[0], pattern)


def _indexof_n(_environment: Environment, text: str, needle: str) -> list[int]:
    if not needle:
        raise BuiltinError("empty search character")
    positions: list[int] = []
    at = text.find(needle)
    while at >= 0:
        positions.append(at)
        if len(positions) > MOST_MATCHES:
            raise BuiltinError(f"more than {MOST_MATCHES} matches")
        at = text.find(needle, at + 1)
    return positions


def _count(_environment: Environment, text: str, needle: str) -> int:
    return text.count(needle)


def _split_n(_environment: Environment, text: str, delimiter: str, count: int) -> list[str]:
    """The first `count` pieces, or the last where it is negative."""
    if len(text) > MOST_MATCHES and not delimiter:
        raise BuiltinError(f"more than {MOST_MATCHES} pieces")
    parts = text.split(delimiter) if delimiter else list(text)
    return parts[:count] if count >= 0 else parts[max(len(parts) + count, 0) :]


def _texts(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _any_prefix(_environment: Environment, search: str | list[str], prefixes: str | list[str]) -> bool:
    """Texts with a prefix stand in a row when sorted, and begin where the prefix itself would stand."""
    texts = sorted(_texts(search))
    for prefix in _texts(prefixes):
        at = bisect_left(texts, prefix)
        if at < len(texts) and texts[at].startswith(prefix):
            return True
    return False


def _any_suffix(environment: Environment, search: str | list[str], suffixes: str | list[str]) -> bool:
    return _any_prefix(environment, [text[::-1] for text in _texts(search)], [text[::-1] for text in _texts(suffixes)])


def _trace(environment: Environment, note: str) -> bool:
    environment.log(note)
    return True


def _print(environment: Environment, values: Sequence[object]) -> bool:
    """Each value comes as the set of what its expression may be, empty where it is undefined."""
    shown = [formatting.plain(value[0]) if isinstance(value, list) and value else "<undefined>" for value in values]
    environment.log(" ".join(shown))
    return True


BUILTINS = (
    Builtin("sprintf", "sa", _sprintf, 8 << 10),
    Builtin("base64url.encode_no_pad", "s", _encode_no_pad),
    Builtin("hex.encode", "s", _hex_encode),
    Builtin("hex.decode", "s", _hex_decode),
    Builtin("urlquery.encode", "s", _query_encode),
    Builtin("urlquery.decode", "s", _query_decode),
    Builtin("urlquery.encode_object", "o", _query_encode_object),
    Builtin("urlquery.decode_object", "s", _query_decode_object),
    Builtin("glob.quote_meta", "s", _quote_meta),
    Builtin("indexof_n", "ss", _indexof_n),
    Builtin("strings.count", "ss", _count),
    Builtin("strings.split_n", "ssi", _split_n),
    Builtin("strings.any_prefix_match", "tt", _any_prefix, 8 << 10),
    Builtin("strings.any_suffix_match", "tt", _any_suffix, 8 << 10),
    Builtin("trace", "s", _trace),
    Builtin("internal.print", "a", _print),
)
