"""Go's fmt verbs over Rego values, as `sprintf` has them. Pure.

Lists, sets and objects print as Kubewarden's engine prints them, in Go's way: `[a b]`, `map[k:v]`. OPA itself prints
them as Rego: `["a", "b"]`, `{"k": "v"}`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edged.abi.rego.values import BuiltinError
from edged.json_text import dumps

MAX_WIDTH = 4096
MAX_LENGTH = 1 << 20

_VERB = re.compile(r"%([-+# 0]*)(\[\d+\])?(\*|\d+)?(?:\.(\*|\d+)?)?(\[\d+\])?(.)?", re.DOTALL)


def sprintf(pattern: str, arguments: Sequence[object]) -> str:
    """The pattern with its verbs replaced. What Go marks as a mistake is marked as Go does: `%!d(string=x)`."""
    formatter = _Formatter(arguments)
    text = _VERB.sub(formatter.replace, pattern)
    if len(text) > MAX_LENGTH:
        raise BuiltinError(f"the text is longer than {MAX_LENGTH} characters")
    return text + formatter.extra()


class _Formatter:
    """Walks through the arguments; `%[2]d` picks one."""

    def __init__(self, arguments: Sequence[object]) -> None:
        self.arguments = arguments
        self.at = 0
        self.picked = False
        self.length = 0

    def replace(self, match: re.Match[str]) -> str:
        text = self._replace(match)
        self.length += len(text)
        if self.length > MAX_LENGTH:
            raise BuiltinError(f"the text is longer than {MAX_LENGTH} characters")
        return text

    def _replace(self, match: re.Match[str]) -> str:
        flags, first, width_text, precision_text, second, verb = match.groups()
        if verb is None:
            return "%!(NOVERB)"
        if verb == "%":
            return "%"
        if not self._pick(first):
            return f"%!{verb}(BADINDEX)"
        width = self._number(width_text)
        has_precision = "." in match[0][1:] and verb != "."
        precision = self._number(precision_text) if precision_text else 0 if has_precision else None
        if not self._pick(second):
            return f"%!{verb}(BADINDEX)"
        if self.at >= len(self.arguments):
            return f"%!{verb}(MISSING)"
        value = self.arguments[self.at]
        self.at += 1
        if width is not None and width < 0:
            flags, width = flags + "-", -width
        return _pad(format_value(verb, flags, precision, value), flags, width or 0, value, verb)

    def _pick(self, text: str | None) -> bool:
        if text is None:
            return True
        self.picked = True
        index = int(text[1:-1])
        if not 1 <= index <= len(self.arguments):
            return False
        self.at = index - 1
        return True

    def _number(self, text: str | None) -> int | None:
        if text is None:
            return None
        if text == "*":
            value = self.arguments[self.at] if self.at < len(self.arguments) else None
            self.at += 1
            if not isinstance(value, int) or isinstance(value, bool):
                raise BuiltinError("a width given by * is not an integer")
            number = value
        else:
            number = int(text)
        if abs(number) > MAX_WIDTH:
            raise BuiltinError(f"a width of {number} is too large (at most {MAX_WIDTH})")
        return number

    def extra(self) -> str:
        """What Go appends where arguments are left over."""
        left = self.arguments[self.at :]
        if self.picked or not left:
            return ""
        return f"%!(EXTRA {', '.join(f'{_type(value)}={plain(value)}' for value in left)})"


def _type(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64"
    if isinstance(value, float):
        return "float64"
    return "string"


def format_value(verb: str, flags: str, precision: int | None, value: object) -> str:
    """One value by one verb, before padding."""
    if verb in "vs" and isinstance(value, list | dict):
        return _composite(value, "#" in flags)
    if verb == "v":
        return _go_syntax(value) if "#" in flags else plain(value)
    if verb == "T":
        return _type(value)
    if verb == "t" and isinstance(value, bool):
        return plain(value)
    if isinstance(value, int) and not isinstance(value, bool):
        text_or_none = _integer(verb, flags, precision, value)
    elif isinstance(value, float):
        text_or_none = _float(verb, flags, precision, value)
    else:
        text_or_none = _text(verb, flags, precision, plain(value))
    return f"%!{verb}({_type(value)}={plain(value)})" if text_or_none is None else text_or_none


def _sign(flags: str, negative: bool) -> str:
    return "-" if negative else "+" if "+" in flags else " " if " " in flags else ""


def _integer(verb: str, flags: str, precision: int | None, value: int) -> str | None:
    if verb == "c":
        return chr(value) if 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF else "�"
    if verb == "q":
        return f"'{chr(value)}'" if 0 <= value <= 0x10FFFF else None
    if verb == "U":
        return f"U+{value:04X}"
    if verb not in "dboxXO":
        return None
    digits = format(abs(value), {"O": "o"}.get(verb, verb)).rjust(precision or 0, "0")
    prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in flags else ""
    return _sign(flags, value < 0) + ("0o" if verb == "O" else prefix) + digits


def _float(verb: str, flags: str, precision: int | None, value: float) -> str | None:
    if verb not in "eEfFgG":
        return None
    sign = _sign(flags, value < 0)
    kind = "f" if verb == "F" else verb
    if kind in "gG" and precision is None:
        text = plain(abs(value))
        return sign + (text.upper() if verb == "G" else text)
    return sign + format(abs(value), f".{6 if precision is None else precision}{kind}")


def _text(verb: str, flags: str, precision: int | None, text: str) -> str | None:
    if verb not in "sqxX":
        return None
    if precision is not None:
        text = text[:precision]
    if verb == "s":
        return text
    if verb == "q":
        return f"`{text}`" if "#" in flags and "`" not in text and text.isprintable() else _quoted(text)
    return text.encode().hex(" " if " " in flags else b"")[:] if " " in flags else _hex(text, verb)


def _hex(text: str, verb: str) -> str:
    digits = text.encode().hex()
    return digits.upper() if verb == "X" else digits


def _quoted(text: str) -> str:
    return dumps(text).decode()


def _go_syntax(value: object) -> str:
    return _quoted(value) if isinstance(value, str) else plain(value)


def _composite(value: object, syntax: bool) -> str:
    return dumps(value).decode() if syntax else plain(value)


def plain(value: object) -> str:
    """A value as `%v` shows it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + " ".join(plain(item) for item in value) + "]"
    if isinstance(value, dict):
        inside = " ".join(f"{plain(key)}:{plain(value[key])}" for key in sorted(value, key=str))
        return f"map[{inside}]"
    if isinstance(value, float):
        return float_text(value)
    return str(value)


def float_text(value: float) -> str:
    """The shortest text of a float, as Go's %v writes it: with an exponent below -4 and from 6 on."""
    digits = f"{value:.17e}"
    for places in range(17):
        digits = f"{value:.{places}e}"
        if float(digits) == value:
            break
    mantissa, _, exponent = digits.partition("e")
    power = int(exponent)
    if not -4 <= power < 6:
        return digits
    return f"{value:.{max(0, len(mantissa.lstrip('-')) - 2 - power if '.' in mantissa else -power)}f}"


def _pad(text: str, flags: str, width: int, value: object, verb: str) -> str:
    if len(text) >= width:
        return text
    if "-" in flags:
        return text.ljust(width)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if "0" in flags and (is_number or verb in "sqvxX"):
        sign = text[:1] if is_number and text[:1] in "+- " else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)
