"""Builtins about text: strings.*, sprintf, encodings, URL queries. Pure."""

from __future__ import annotations

import base64
from typing import Any

from edged.rego import formatting
from edged.rego.environment import Environment
from edged.rego.signature import Builtin
from edged.rego.values import BuiltinError


def _sprintf(_environment: Environment, pattern: str, arguments: list[Any]) -> str:
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


BUILTINS = (
    Builtin("sprintf", "sa", _sprintf),
    Builtin("base64url.encode_no_pad", "s", _encode_no_pad),
    Builtin("hex.encode", "s", _hex_encode),
    Builtin("hex.decode", "s", _hex_decode),
)
