"""Texts: cel-go's extension in version 2, and jsonpatch.escapeKey."""

from __future__ import annotations

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.registry import declare

_SPACE = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
declare("startsWith", str, str)(lambda text, other: text.startswith(other))
declare("endsWith", str, str)(lambda text, other: text.endswith(other))
declare("contains", str, str)(lambda text, other: other in text)
declare("trim", str)(lambda text: text.strip(_SPACE))
declare("jsonpatch.escapeKey", str)(lambda text: text.replace("~", "~0").replace("/", "~1"))
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
declare("lowerAscii", str)(lambda text: text.translate(_LOWER))
declare("upperAscii", str)(lambda text: text.translate(_UPPER))


@declare("charAt", str, int)
def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise EvaluationError(f"index out of range: {index}")
    return text[index : index + 1]


@declare("indexOf", str, str)
def _index_of(text: str, other: str) -> int:
    return text.find(other)


@declare("indexOf", str, str, int)
def _index_from(text: str, other: str, start: int) -> int:
    if not other:
        return start
    if not 0 <= start < max(len(text), 1):
        raise EvaluationError(f"index out of range: {start}")
    return text.find(other, start)


@declare("lastIndexOf", str, str)
def _last_index_of(text: str, other: str) -> int:
    return text.rfind(other)


@declare("lastIndexOf", str, str, int)
def _last_index_to(text: str, other: str, last: int) -> int:
    if not other:
        return last
    if not 0 <= last < max(len(text), 1):
        raise EvaluationError(f"index out of range: {last}")
    return text.rfind(other, 0, last + len(other))


@declare("replace", str, str, str)
def _replace(text: str, old: str, new: str) -> str:
    return _replace_some(text, old, new, -1)


@declare("replace", str, str, str, int)
def _replace_some(text: str, old: str, new: str, most: int) -> str:
    times = text.count(old) if most < 0 else min(most, text.count(old))
    if len(text) + times * (len(new) - len(old)) > 10_000_000:
        raise EvaluationError("operation cancelled: actual cost limit exceeded")
    return text.replace(old, new, most if most >= 0 else -1)


@declare("split", str, str)
def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


@declare("split", str, str, int)
def _split_some(text: str, separator: str, most: int) -> list[str]:
    if most < 0:
        return _split(text, separator)
    if most == 0:
        return []
    if separator:
        return text.split(separator, most - 1)
    return [*text[: most - 1], text[most - 1 :]] if len(text) >= most else list(text)


@declare("substring", str, int)
def _substring(text: str, start: int) -> str:
    if not 0 <= start <= len(text):
        raise EvaluationError(f"index out of range: {start}")
    return text[start:]


@declare("substring", str, int, int)
def _part(text: str, start: int, end: int) -> str:
    if start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    for index in (start, end):
        if not 0 <= index <= len(text):
            raise EvaluationError(f"index out of range: {index}")
    return text[start:end]


@declare("join", list)
def _joined(parts: list[object]) -> str:
    return _joined_with(parts, "")


@declare("join", list, str)
def _joined_with(parts: list[object], separator: str) -> str:
    texts = [each for each in parts if isinstance(each, str)]
    if len(texts) != len(parts):
        raise EvaluationError("no such overload")
    return separator.join(texts)


_QUOTED = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\",
           '"': '\\"'}  # fmt: skip


@declare("strings.quote", str)
def _quote(text: str) -> str:
    return '"' + "".join(_QUOTED.get(character, character) for character in text) + '"'
