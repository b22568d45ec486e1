"""CertificateSigningRequests: what is refused, who decides, and what each subresource changes."""

from __future__ import annotations

import base64
from typing import Any

from tests.cluster.beside.bodies import changed, tried
from tests.cluster.beside.steps import MERGE, Object, Story, http, kubectl

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
V1, KIND = "certificates.k8s.io/v1", "CertificateSigningRequest"
# Of a key that nobody has: subject CN=tester, O=people.
PEM = """-----BEGIN CERTIFICATE REQUEST-----
MIHcMIGEAgEAMCIxDzANBgNVBAMMBnRlc3RlcjEPMA0GA1UECgwGcGVvcGxlMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEOowbnpb0MBWue38pv5Uj9RxxyfHVv3/a
zx4+EtWufCQVul+vWw36qUakWXKT9xKVKogtHjKB/4HXJV7kn/I2yKAAMAoGCCqG
SM49BAMCA0cAMEQCIGbcx1nmsThP4LXPtpm4zQyQj/VOdOX9AsJuhthzW1sbAiBF
B9uW9vux9C3Mao7C8u1pvt4ejH6XX0caFHHHpQSl+w==
-----END CERTIFICATE REQUEST-----
"""


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


GOOD: Object = {"request": b64(PEM), "signerName": "example.com/signer", "usages": ["client auth"]}
BAD: tuple[Any, ...] = (
    {}, {"spec": {}}, {"spec": {**GOOD, "request": b64("x")}}, {"spec": {**GOOD, "request": "?"}},
    {"spec": {**GOOD, "request": b64(PEM.replace("CERTIFICATE REQUEST", "CERTIFICATE"))}}, {"spec": {**GOOD,
    "usages": []}},
    {"spec": {**GOOD, "usages": ["x"]}}, {"spec": {**GOOD, "usages": ["client auth", "client auth"]}},
    {"spec": {**GOOD, "signerName": ""}}, {"spec": {**GOOD, "signerName": "x"}}, {"spec": {**GOOD,
    "signerName": "a/b"}},
    {"spec": {**GOOD, "signerName": "A_.b/c"}}, {"spec": {**GOOD, "signerName": "a.b/C_"}},
    {"spec": {**GOOD, "signerName": "kubernetes.io/legacy-unknown"}}, {"spec": {**GOOD, "expirationSeconds": 5}},
)


def decided(kind: str, **more: object) -> Object:
    return {"status": {"conditions": [{"type": kind, "status": "True", "reason": "r", "message": "m", **more}]}}


STORIES = (
    Story("kinds-certificates", (
        *tried(CSRS, V1, KIND, *BAD, name="{ns}-c"),
        http("POST", CSRS, {"apiVersion": V1, "kind": KIND, "metadata": {"name": "{ns}-c"}, "spec": GOOD}),
        *changed(CSRS + "/{ns}-c", {"spec": {"signerName": "a.b/c"}}, decided("Approved")),
        *(http("PATCH", CSRS + "/{ns}-c/approval?dryRun=All", each, MERGE) for each in (
            decided("Approved", status="False"), decided("Approved", status=""), decided(""), decided("Odd",
            status="X"),
            {"status": {"conditions": [{"type": kind, "status": "True"} for kind in ("Approved", "Denied")]}},
            {"status": {"certificate": "eA=="}}, {"spec": {"signerName": "a.b/c"}})),
        *(http("PATCH", CSRS + "/{ns}-c/status?dryRun=All", each, MERGE) for each in (
            decided("Approved"), decided("Failed"), {"status": {"certificate": "eA=="}})),
        kubectl("certificate", "approve", "{ns}-c"),
        http("GET", CSRS + "/{ns}-c"),
        http("PATCH", CSRS + "/{ns}-c/approval?dryRun=All", {"status": {"conditions": []}}, MERGE),
        http("PATCH", CSRS + "/{ns}-c/approval?dryRun=All", decided("Denied"), MERGE),
        kubectl("certificate", "deny", "{ns}-c"),
        http("DELETE", CSRS + "/{ns}-c"),
        kubectl("certificate", "approve", "{ns}-nothing"),
    )),
)  # fmt: skip
