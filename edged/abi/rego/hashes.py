"""Builtins that hash: crypto.md5, sha1, sha256, crypto.hmac.*. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from edged.abi.rego.environment import Environment
from edged.abi.rego.signature import Builtin


def _digest(name: str) -> Callable[[Environment, str], str]:
    def digest(_environment: Environment, text: str) -> str:
        return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

    return digest


def _hmac(name: str) -> Callable[[Environment, str, str], str]:
    def sign(_environment: Environment, text: str, key: str) -> str:
        return hmac.new(key.encode(), text.encode(), name).hexdigest()

    return sign


def _equal(_environment: Environment, one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


BUILTINS = (
    *(Builtin(f"crypto.{name}", "s", _digest(name)) for name in ("md5", "sha1", "sha256")),
    *(Builtin(f"crypto.hmac.{name}", "ss", _hmac(name)) for name in ("md5", "sha1", "sha256", "sha512")),
    Builtin("crypto.hmac.equal", "ss", _equal),
)
