"""Builtins about JSON Web Tokens: io.jwt.decode, io.jwt.verify_*, io.jwt.decode_verify. Pure but for the library.

Keys come as PEM (certificate or public key) or as a JWK or JWK set. `cryptography` is imported at the first use; HMAC
does without it. A token that cannot be read is an error, a signature that does not fit is `false`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypedDict, cast

from edged.abi.rego.environment import Environment
from edged.abi.rego.signature import Builtin
from edged.abi.rego.values import BuiltinError, Key, Value
from edged.json_text import JsonError, loads

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

MAX_TOKEN = 64 << 10
MOST_KEYS = 32
_CURVES = {"P-256": ("SECP256R1", 32), "P-384": ("SECP384R1", 48), "P-521": ("SECP521R1", 66)}
_EC_OF = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_PEM_END = re.compile(rb"^-----END [^\n]*-----[ \t\r]*(?:\n|\Z)", re.MULTILINE)
ALGORITHMS = (*(f"{kind}{bits}" for kind in ("RS", "PS", "ES", "HS") for bits in (256, 384, 512)), "EdDSA")


def _bytes(text: str, what: str) -> bytes:
    """Of base64url, with or without padding."""
    try:
        body = text.rstrip("=").encode("ascii")
        return base64.b64decode(body + b"=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BuiltinError(f"JWT {what} had invalid encoding") from error


def _object(data: bytes, what: str) -> dict[Key, Value]:
    try:
        found = loads(data)
    except JsonError as error:
        raise BuiltinError(f"JWT {what} is not JSON") from error
    if not isinstance(found, dict):
        raise BuiltinError(f"JWT {what} is not a JSON object")
    return found


class _Token:
    """The three parts of a token, its header read."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_TOKEN:
            raise BuiltinError(f"a token of {len(text)} characters is too long (at most {MAX_TOKEN})")
        parts = text.split(".")
        if len(parts) != 3:
            raise BuiltinError("encoded JWT must have 3 sections")
        self.header = _object(_bytes(parts[0], "header"), "header")
        if "enc" in self.header:
            raise BuiltinError("JWT is a JWE object, which is not supported")
        self.payload = _bytes(parts[1], "payload")
        self.signature = _bytes(parts[2], "signature")
        self.signed = f"{parts[0]}.{parts[1]}".encode()

    @property
    def is_nested(self) -> bool:
        return str(self.header.get("cty", "")).upper() == "JWT"


def _innermost(text: str) -> _Token:
    for _ in range(4):
        token = _Token(text)
        if not token.is_nested:
            return token
        text = token.payload.decode(errors="replace").strip("\"'")
    raise BuiltinError("JWTs nested too deeply")


def _decode(_environment: Environment, text: str) -> list[Value]:
    token = _innermost(text)
    return [token.header, _object(token.payload, "payload"), token.signature.hex()]


# --- keys


def _number(jwk: Mapping[Key, Value], name: str) -> int:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise BuiltinError(f"a JWK lacks {name}")
    return int.from_bytes(_bytes(value, "key"), "big")


def _public_key(jwk: Mapping[Key, Value]) -> PublicKeyTypes:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    try:
        if jwk.get("kty") == "RSA":
            return rsa.RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n")).public_key()
        curve_name = jwk.get("crv")
        if jwk.get("kty") == "EC" and isinstance(curve_name, str) and curve_name in _CURVES:
            curve = getattr(ec, _CURVES[curve_name][0])()
            return ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), curve).public_key()
        if jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(_bytes(str(jwk.get("x")), "key"))
    except ValueError as error:
        raise BuiltinError(f"a JWK is not a key: {error}") from error
    raise BuiltinError("a JWK is of a kind that is not supported")


def _keys(text: str) -> list[tuple[PublicKeyTypes, str, str]]:
    """(key, its algorithm or "", its id or "") of a PEM text or of JWKs."""
    if "-----BEGIN" in text:
        return [(_pem_key(text.encode()), "", "")]
    document = _object(text.encode(), "key")
    entries = document.get("keys", [document])
    entries = entries if isinstance(entries, list) else [None]
    jwks = [entry for entry in entries if isinstance(entry, dict)]
    if len(jwks) != len(entries):
        raise BuiltinError("the JWK set has no list of keys")
    if len(jwks) > MOST_KEYS:
        raise BuiltinError(f"the JWK set has more than {MOST_KEYS} keys")
    return [(_public_key(jwk), str(jwk.get("alg", "")), str(jwk.get("kid", ""))) for jwk in jwks]


def _pem_key(pem: bytes) -> PublicKeyTypes:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    block = _PEM_END.search(pem)
    if block and block.end() < len(pem):
        raise BuiltinError("extra data after a PEM certificate block")
    try:
        if b"BEGIN CERTIFICATE" in pem:
            return x509.load_pem_x509_certificate(pem).public_key()
        return serialization.load_pem_public_key(pem)
    except ValueError as error:
        raise BuiltinError("failed to parse a PEM key or certificate") from error


def _fits(algorithm: str, key: PublicKeyTypes, token: _Token) -> bool:
    """Whether the signature is that key's. A key of another kind than the algorithm's does not fit."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

    signature, signed = token.signature, token.signed
    try:
        if algorithm == "EdDSA":
            if not isinstance(key, ed25519.Ed25519PublicKey):
                return False
            key.verify(signature, signed)
            return True
        digest: hashes.HashAlgorithm = getattr(hashes, f"SHA{algorithm[2:]}")()
        if algorithm[:2] == "ES":
            _, size = _CURVES[_EC_OF[algorithm]]
            if not isinstance(key, ec.EllipticCurvePublicKey) or len(signature) != 2 * size:
                return False
            r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
            key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(digest))
            return True
        if not isinstance(key, rsa.RSAPublicKey):
            return False
        scheme = padding.PKCS1v15() if algorithm[:2] == "RS" else padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
        key.verify(signature, signed, scheme, digest)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _hmac_fits(algorithm: str, secret: str, token: _Token) -> bool:
    name = f"sha{algorithm[2:]}"
    return hmac.compare_digest(hmac.new(secret.encode(), token.signed, name).digest(), token.signature)


def _verifier(algorithm: str) -> Callable[[Environment, str, str], bool]:
    def verify(_environment: Environment, text: str, key_or_secret: str) -> bool:
        token = _Token(text)
        if token.header.get("alg") != algorithm:
            return False
        if algorithm[:2] == "HS":
            return _hmac_fits(algorithm, key_or_secret, token)
        return _any_fits(algorithm, _keys(key_or_secret), token)

    return verify


def _any_fits(algorithm: str, keys: list[tuple[PublicKeyTypes, str, str]], token: _Token) -> bool:
    wanted = token.header.get("kid")
    named = [key for key, _, kid in keys if wanted and kid == wanted]
    if named:
        return _fits(algorithm, named[0], token)
    return any(own in ("", algorithm) and _fits(algorithm, key, token) for key, own, _ in keys)


# --- decode_verify

_CONSTRAINTS: dict[str, type | tuple[type, ...]] = {
    "cert": str,
    "secret": str,
    "alg": str,
    "iss": str,
    "aud": str,
    "time": (int, float),
}


class _Constraints(TypedDict, total=False):
    """What `_CONSTRAINTS` has checked."""

    cert: str
    secret: str
    alg: str
    iss: str
    aud: str
    time: float


def _decode_verify(environment: Environment, text: str, constraints: dict[str, Value]) -> list[Value]:
    """[valid, header, payload]; nothing is shown of a token that is not valid."""
    for name, value in constraints.items():
        if name not in _CONSTRAINTS:
            raise BuiltinError(f"unknown token validation constraint: {name}")
        if not isinstance(value, _CONSTRAINTS[name]) or isinstance(value, bool):
            raise BuiltinError(f"token validation constraint {name} has the wrong type")
    if bool(constraints.get("cert")) == bool(constraints.get("secret")):
        raise BuiltinError("exactly one of cert and secret must be given")
    checked = cast("_Constraints", constraints)  # just now, by _CONSTRAINTS
    for _ in range(4):
        token = _Token(text)
        if not _is_signed(token, checked):
            return [False, {}, {}]
        if not token.is_nested:
            break
        text = token.payload.decode(errors="replace")
    else:
        raise BuiltinError("JWTs nested too deeply")
    payload = _object(token.payload, "payload")
    now = checked.get("time", environment.now_ns) / 1_000_000_000
    return [True, token.header, payload] if _claims_hold(payload, checked, now) else [False, {}, {}]


def _is_signed(token: _Token, constraints: _Constraints) -> bool:
    algorithm = token.header.get("alg")
    if algorithm not in ALGORITHMS or constraints.get("alg", algorithm) != algorithm or token.header.get("crit"):
        return False
    if constraints.get("secret"):
        return algorithm[:2] == "HS" and _hmac_fits(algorithm, constraints["secret"], token)
    return algorithm[:2] != "HS" and _any_fits(algorithm, _keys(constraints["cert"]), token)


def _claims_hold(payload: Mapping[Key, Value], constraints: _Constraints, now: float) -> bool:
    if constraints.get("iss") and payload.get("iss") != constraints["iss"]:
        return False
    audience, wanted = payload.get("aud"), constraints.get("aud", "")
    if "aud" in payload:
        if not (audience == wanted if isinstance(audience, str) else isinstance(audience, list) and wanted in audience):
            return False
    elif wanted:
        return False
    expires, begins = _time_claim(payload, "exp"), _time_claim(payload, "nbf")
    return not (expires is not None and now >= expires) and not (begins is not None and now < begins)


def _time_claim(payload: Mapping[Key, Value], name: str) -> float | None:
    if name not in payload:
        return None
    value = payload[name]
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BuiltinError(f"{name} value must be a number")
    return value


BUILTINS = (
    Builtin("io.jwt.decode", "s", _decode, 16 << 10),
    Builtin("io.jwt.decode_verify", "so", _decode_verify, 0),
    *(
        Builtin(f"io.jwt.verify_{name.lower()}", "ss", _verifier(name), 16 << 10 if name[:2] == "HS" else 0)
        for name in ALGORITHMS
    ),
)
