"""Go's fmt verbs over Rego values, as `sprintf` has them. Pure.

Verbs, flags, widths and precisions mean what they mean in Go, also for arguments that a verb does not fit. Lists, sets
and objects print as Kubewarden's engine prints them, in Go's way: `[a b]`, `map[k:v]`. OPA itself prints them as Rego:
`["a", "b"]`, `{"k": "v"}`. A boolean is one for `%t`; OPA makes a text of it first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edged.abi.rego.values import BuiltinError
from edged.json_text import dumps

MAX_WIDTH = 4096
MAX_LENGTH = 1 << 20

_INT64 = range(-(1 << 63), 1 << 63)
"""What Go's int64 holds. Integers beyond it are big.Int there, which has fewer verbs."""
_BASES = {"d": "d", "v": "d", "s": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
_PREFIXES = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}
_LAST_RUNE = 0x10FFFF
_LONE = re.compile("[\ud800-\udfff]")  # half a character, which Go reads as U+FFFD
_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}
_VERB = re.compile(r"%([-+# 0]*)(\[\d+\])?(\*|\d+)?(?:\.(\*|\d+)?)?(\[\d+\])?(.)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Spec:
    """What stands between `%` and the verb. `precision` None: not given."""

    flags: str = ""
    width: int = 0
    precision: int | None = None

    @property
    def zeros(self) -> bool:
        return "0" in self.flags and "-" not in self.flags

    def padded(self, text: str, *, zeros: bool = True) -> str:
        """Filled up to the width: on the right with `-`, on the left with zeros or spaces."""
        if "-" in self.flags:
            return text.ljust(self.width)
        return text.rjust(self.width, "0" if zeros and self.zeros else " ")


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
        if precision is not None and precision < 0:
            return "%!(BADPREC)" + format_value(verb, Spec(flags, width or 0), value)
        return format_value(verb, Spec(flags, width or 0, precision), value)

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
        return "int64" if value in _INT64 else "*big.Int"
    if isinstance(value, float):
        return "float64"
    return "string"


def format_value(verb: str, spec: Spec, value: object) -> str:
    """One value by one verb."""
    if verb == "T":
        return _text("s", spec, _type(value)) or ""
    if isinstance(value, list | dict) and verb in "vs":
        return spec.padded(dumps(value).decode() if "#" in spec.flags else plain(value))
    if isinstance(value, bool) and verb == "t":
        return spec.padded(plain(value))
    if verb == "v" and _type(value) != "*big.Int":  # `+` and `#` mean something else for %v: of texts, to quote them
        bare = replace(spec, flags=spec.flags.replace("+", "").replace("#", ""))
        quote = "#" in spec.flags and _type(value) == "string"
        return (_text("q", bare, plain(value)) if quote else _formatted(verb, bare, value)) or ""
    found = _formatted(verb, spec, value)
    if found is not None:
        return found
    if _type(value) == "*big.Int":
        return f"%!{verb}(big.Int={value})"
    return f"%!{verb}({_type(value)}={_formatted('v', spec, value)})"


def _formatted(verb: str, spec: Spec, value: object) -> str | None:
    """None: the verb is none for such a value."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _integer(verb, spec, value)
    if isinstance(value, float):
        return _float(verb, spec, value)
    return _text(verb, spec, plain(value))


# --- integers


def _integer(verb: str, spec: Spec, value: int) -> str | None:
    small = value in _INT64
    if verb in "cqU" and small:
        return _rune(verb, spec, value % (1 << 64))
    base = _BASES.get(verb)
    if base is None or (verb == "s" and small):
        return None
    digits, sign = format(abs(value), base), _sign(spec.flags, value < 0)
    if spec.precision == 0 and value == 0:
        return " " * spec.width
    prefix = _PREFIXES.get(base, "") if "#" in spec.flags else ""
    before = len(sign) if small else len(sign) + len(prefix)  # what Go counts when it fills up with zeros
    wanted = spec.precision if spec.precision is not None else spec.width - before if spec.zeros else 0
    digits = digits.rjust(wanted, "0")
    if prefix == "0" and digits.startswith("0"):
        prefix = ""
    if verb == "O":
        prefix = "0o" + prefix if small else "0o"
    return spec.padded(sign + prefix + digits, zeros=False)


def _sign(flags: str, negative: bool) -> str:
    return "-" if negative else "+" if "+" in flags else " " if " " in flags else ""


def _rune(verb: str, spec: Spec, code: int) -> str:
    """A code point; one that there is not is U+FFFD."""
    valid = code <= _LAST_RUNE and not 0xD800 <= code <= 0xDFFF
    rune = chr(code) if valid else "\ufffd"
    if verb == "c":
        return spec.padded(rune)
    if verb == "q":
        return spec.padded(quoted(rune, "'", ascii_only="+" in spec.flags))
    shown = f" '{rune}'" if "#" in spec.flags and valid and rune.isprintable() else ""
    return spec.padded(f"U+{code:0{max(4, spec.precision or 0)}X}{shown}", zeros=False)


# --- floats


def _float(verb: str, spec: Spec, value: float) -> str | None:
    kind = {"v": "g", "F": "f"}.get(verb, verb)
    if kind == "b":
        mantissa, power = _scaled(abs(value))
        text = f"{mantissa}p{power:+d}"
    elif kind in "xX":
        text = _hexadecimal_float(kind, spec, abs(value))
    elif kind in "eEfgG":
        text = _decimal(kind, spec, abs(value))
    else:
        return None
    sign = _sign(spec.flags, value < 0)
    if sign and spec.zeros:
        return sign + text.rjust(spec.width - 1, "0")
    return spec.padded(sign + text)


def _decimal(kind: str, spec: Spec, value: float) -> str:
    if kind in "gG" and spec.precision is None:
        text = float_text(value)
        text = text.upper() if kind == "G" else text
        return text if "#" not in spec.flags else _with_point(text, 6)
    precision = 6 if spec.precision is None else spec.precision
    text = format(value, f".{precision}{kind}")
    if "#" not in spec.flags:
        return text
    return _with_point(text, precision if kind in "gG" else 0)


def _with_point(text: str, digits: int) -> str:
    """With a decimal point, and zeros up to so many significant digits."""
    mantissa, exponent = re.fullmatch(r"([0-9.]+)(.*)", text).groups()  # type: ignore[union-attr]
    if "." not in mantissa:
        mantissa += "."
    significant = len(mantissa.replace(".", "").lstrip("0")) or 1
    return mantissa + "0" * (digits - significant) + exponent


def _hexadecimal_float(kind: str, spec: Spec, value: float) -> str:
    mantissa, power = _scaled(value)
    if value:
        shift = 53 - mantissa.bit_length()
        mantissa, power = _rounded(mantissa << shift, power - shift + 52, spec.precision)
    else:
        power = 0
    digits = f"{mantissa & ((1 << 52) - 1):013x}"
    digits = digits.rstrip("0") if spec.precision is None else digits[: spec.precision].ljust(spec.precision, "0")
    if "#" in spec.flags and kind == "x":
        digits = digits.ljust((6 if spec.precision is None else spec.precision) - 2, "0")  # Go counts `x` and the 1
    point = "." if digits or "#" in spec.flags else ""
    text = f"0x{mantissa >> 52}{point}{digits}p{'-' if power < 0 else '+'}{abs(power):02d}"
    return text.upper() if kind == "X" else text


def _rounded(mantissa: int, power: int, precision: int | None) -> tuple[int, int]:
    """To so many hexadecimal digits behind the first bit, halves to even."""
    if precision is None or precision >= 13:
        return mantissa, power
    cut = 4 * (13 - precision)
    half, low = 1 << (cut - 1), mantissa & ((1 << cut) - 1)
    mantissa = ((mantissa >> cut) + (low > half or (low == half and mantissa >> cut & 1))) << cut
    return (mantissa >> 1, power + 1) if mantissa >> 53 else (mantissa, power)


def _scaled(value: float) -> tuple[int, int]:
    """A mantissa of 53 bits, or of what a denormal one has, and the power of two that it is multiplied by."""
    if not value:
        return 0, -1074
    power = max(math.frexp(value)[1] - 53, -1074)
    return int(math.ldexp(value, -power)), power


# --- texts


def _text(verb: str, spec: Spec, text: str) -> str | None:
    if verb in "xX":
        return _hexadecimal(verb, spec, _LONE.sub("\ufffd", text).encode())
    if verb not in "sqv":
        return None
    text = text if spec.precision is None else text[: spec.precision]
    if verb == "q":
        raw = "#" in spec.flags and _can_be_raw(text)
        text = f"`{text}`" if raw else quoted(text, '"', ascii_only="+" in spec.flags)
    return spec.padded(text)


def _hexadecimal(verb: str, spec: Spec, data: bytes) -> str:
    data = data if spec.precision is None else data[: spec.precision]
    pairs = [f"{byte:02{verb}}" for byte in data]
    prefix = f"0{verb}" if "#" in spec.flags and data else ""
    text = f" {prefix}".join(pairs) if " " in spec.flags else "".join(pairs)
    return spec.padded(prefix + text)


def _can_be_raw(text: str) -> bool:
    return not any(mark in "`\x7f\ufeff" or (mark < " " and mark != "\t") for mark in text)


def quoted(text: str, quote: str, *, ascii_only: bool) -> str:
    """As strconv.Quote writes it."""
    return quote + "".join(_escaped(mark, quote, ascii_only) for mark in text) + quote


def _escaped(mark: str, quote: str, ascii_only: bool) -> str:
    if mark == quote:
        return "\\" + mark
    if mark in _ESCAPES:
        return _ESCAPES[mark]
    if mark.isprintable() and (mark.isascii() or not ascii_only):
        return mark
    code = ord(mark)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


# --- any value


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
