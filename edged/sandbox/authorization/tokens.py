"""Tokens of service accounts: JSON web tokens, signed with a key of the sandbox's own that lives as long as it does.

Imports cryptography when the first token is made or read. Source: kubernetes/pkg/serviceaccount (jwt.go, claims.go).
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Final

from edged.json_text import JsonError, dumps, loads

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

Object = dict[str, Any]
ISSUER: Final = "https://kubernetes.default.svc"
MAX_TOKEN = 16 * 1024
_SIZE = 32
"""Bytes of a coordinate, and of each number of a signature, of P-256."""


class Tokens:
    """Makes tokens and says whose they are."""

    def __init__(self) -> None:
        self._made: ec.EllipticCurvePrivateKey | None = None

    def signed(self, claims: Object) -> str:
        """The token with those claims."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        head = _encoded(dumps({"alg": "ES256", "kid": self.key_id}))
        signed = f"{head}.{_encoded(dumps(claims))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encoded(r.to_bytes(_SIZE, 'big') + s.to_bytes(_SIZE, 'big'))}"

    def claims(self, token: str) -> Object | None:
        """What a token says that this sandbox has signed; None for any other text."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        signed, _, signature = token.rpartition(".")
        if self._made is None or len(token) > MAX_TOKEN or signed.count(".") != 1:
            return None
        try:
            raw = _decoded(signature)
            numbers = (int.from_bytes(raw[:_SIZE], "big"), int.from_bytes(raw[_SIZE:], "big"))
            key = self._key.public_key()
            key.verify(encode_dss_signature(*numbers), signed.encode(), ec.ECDSA(hashes.SHA256()))
            claims = loads(_decoded(signed.partition(".")[2]))
        except (InvalidSignature, ValueError, JsonError):
            return None
        return claims if isinstance(claims, dict) else None

    @property
    def key_id(self) -> str:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return _encoded(hashlib.sha256(public).digest())

    def key_set(self) -> Object:
        """The public key as /openid/v1/jwks shows it."""
        numbers = self._key.public_key().public_numbers()
        x, y = (_encoded(number.to_bytes(_SIZE, "big")) for number in (numbers.x, numbers.y))
        key = {"use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256", "x": x, "y": y}
        return {"keys": [key]}

    @property
    def _key(self) -> ec.EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ec

        if self._made is None:
            self._made = ec.generate_private_key(ec.SECP256R1())
        return self._made


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
