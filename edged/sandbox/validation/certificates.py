"""CertificateSigningRequests. Pure.

Facts from kubernetes' pkg/apis/certificates/validation/validation.go and pkg/apis/core/validation/names.go.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import (
    duplicate,
    forbidden,
    invalid,
    not_supported,
    part,
    quoted,
    required,
)
from edged.sandbox.validation.signer_names import signer_name

USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip
SHORTEST_S = 600
_DECIDED = ("Approved", "Denied")
_TRUE_ONLY = (*_DECIDED, "Failed")
_TAGS = (
    "asn1: structure error: tags don't match (16 vs {{class:{} tag:{} length:{} isCompound:{}}}) {{optional:false "
    "explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 set:false "
    "omitEmpty:false}} certificateRequest @2"
)
_BLOCK = re.compile(rb"-----BEGIN ([^\n-]*)-----\s*?\n(.*?)-----END \1-----", re.DOTALL)


def signing_request(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    if problem := _request_problem(spec.get("request") or ""):
        yield invalid("spec.request", _bytes_shown(spec.get("request")), problem)
    usages = spec.get("usages") or []
    if not usages:
        yield required("spec.usages")
    for index, usage in enumerate(usages):
        if usage not in USAGES:
            yield not_supported(f"spec.usages[{index}]", usage, USAGES)
    for index, usage in enumerate(usages):
        if usage in usages[:index]:
            yield duplicate(f"spec.usages[{index}]", usage)
    signer = spec.get("signerName") or ""
    if signer == "kubernetes.io/legacy-unknown":
        yield invalid("spec.signerName", signer, "the legacy signerName is not allowed via this API version")
    else:
        yield from signer_name(signer, "spec.signerName")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < SHORTEST_S:
        why = "may not specify a duration less than 600 seconds (10 minutes)"
        yield invalid("spec.expirationSeconds", seconds, why)
    yield from _conditions(part(obj, "status").get("conditions") or [], old)


def signing_request_status(obj: Object, old: Object | None) -> Iterator[Cause]:
    """The subresource status: a certificate comes once, decisions stay as they are."""
    yield from signing_request(obj, old)
    before, after = part(old or {}, "status"), part(obj, "status")
    if after.get("certificate") != before.get("certificate") and (
        problem := _certificate_problem(after.get("certificate") or "")
    ):
        yield invalid("status.certificate", "<certificate data>", problem)
    yield from _kept(before, after, _TRUE_ONLY)
    for kind in _DECIDED:
        earlier, later = _of(before, kind), _of(after, kind)
        if len(later) > len(earlier):
            yield forbidden("status.conditions", f'updates may not add a condition of type "{kind}"')
    if after.get("certificate") != before.get("certificate") and before.get("certificate"):
        yield forbidden("status.certificate", "updates may not modify existing certificate content")


def signing_request_approval(obj: Object, old: Object | None) -> Iterator[Cause]:
    """The subresource approval: decisions come, and stay."""
    yield from signing_request(obj, old)
    yield from _kept(part(old or {}, "status"), part(obj, "status"), _TRUE_ONLY)


def _of(status: Object, kind: str) -> list[Object]:
    return [each for each in status.get("conditions") or () if each.get("type") == kind]


def _kept(before: Object, after: Object, kinds: tuple[str, ...]) -> Iterator[Cause]:
    for kind in kinds:
        if len(_of(after, kind)) < len(_of(before, kind)):
            yield forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')


def _conditions(given: list[Object], old: Object | None) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, condition in enumerate(given):
        field = f"status.conditions[{index}]"
        kind, status = condition.get("type") or "", condition.get("status") or ""
        if not kind:
            yield required(f"{field}.type")
        allowed = ("True",) if kind in _TRUE_ONLY else ("False", "True", "Unknown")
        if not status:
            yield required(f"{field}.status")
        elif status not in allowed:
            yield not_supported(f"{field}.status", status, allowed)
        if kind in seen:
            yield duplicate(f"{field}.type", kind)
        seen.add(kind)
    if seen >= set(_DECIDED):
        one, other = (f'conditions[{{"type": "{kind}"}}]' for kind in _DECIDED)
        why = f"must specify at most one of: `{one}`, `{other}`"
        yield invalid("status.conditions", f"{{{one}, {other}}}", why)


def _request_problem(encoded: str) -> str:
    """What is wrong with a certificate request; its signature is not looked at."""
    block = _blocks(encoded)
    if not block or block[0][0] != "CERTIFICATE REQUEST":
        return "PEM block type must be CERTIFICATE REQUEST"
    return _der_problem(block[0][1])


def _certificate_problem(encoded: str) -> str:
    if not encoded:
        return ""
    blocks = _blocks(encoded)
    for kind, _content in blocks:
        if kind != "CERTIFICATE":
            return f"only CERTIFICATE PEM blocks are allowed, found {quoted(kind)}"
    if not blocks:
        return "must contain at least one CERTIFICATE PEM block"
    return next(filter(None, (_der_problem(content) for _kind, content in blocks)), "")


def _blocks(encoded: str) -> list[tuple[str, bytes]]:
    """The PEM blocks of a text of base64: type and content."""
    try:
        text = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return []
    found = []
    for match in _BLOCK.finditer(text):
        try:
            content = base64.b64decode(b"".join(match[2].split()), validate=True)
        except (binascii.Error, ValueError):
            continue
        found.append((match[1].decode("ascii", "replace"), content))
    return found


def _der_problem(content: bytes) -> str:
    """Go's words for what is no ASN.1 sequence of the length it says."""
    if len(content) < 2:
        return "asn1: syntax error: data truncated" if content else "asn1: syntax error: sequence truncated"
    if content[0] != 0x30:
        return _TAGS.format(content[0] >> 6, content[0] & 31, content[1], "true" if content[0] & 32 else "false")
    length, start = content[1], 2
    if length & 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(content[2:start], "big")
    return "asn1: syntax error: data truncated" if len(content) < start + length else ""


def _bytes_shown(encoded: str | None) -> object:
    """Bytes print as base64."""
    return encoded
