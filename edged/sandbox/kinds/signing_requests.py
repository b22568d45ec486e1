"""CertificateSigningRequests: who asked, and which part each subresource may change. Pure.

Facts from kubernetes' pkg/registry/certificates/certificates/strategy.go.
"""

from __future__ import annotations

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.request import User

BUCKET = "certificatesigningrequests.certificates.k8s.io"
_DECISIONS = ("Approved", "Denied")


def prepare_create(obj: Object, user: User) -> None:
    """Puts who asks into spec, whatever is there, and takes the status out."""
    spec = obj.setdefault("spec", {})
    for field in ("username", "uid", "groups", "extra"):
        spec.pop(field, None)
    spec["username"] = user.username
    if user.groups:
        spec["groups"] = list(user.groups)
    obj["status"] = {}


def kept_parts(subresource: str, old: Object, new: Object, now: str) -> Object:
    """spec and status of a changed request: `approval` changes the conditions, `status` all else of the status but
    what was decided, the request itself neither. `now` is the time of conditions that have none."""
    before, after = old.get("status") or {}, new.get("status") or {}
    conditions = _timed(after.get("conditions") or [], before.get("conditions") or [], now)
    kept = {"spec": old.get("spec") or {}, "status": before}
    if subresource == "approval":
        kept["status"] = {key: value for key, value in before.items() if key != "conditions"}
        if conditions:
            kept["status"]["conditions"] = conditions
    elif subresource == "status":
        kept["status"] = {key: value for key, value in after.items() if key != "conditions"}
        if conditions:
            kept["status"]["conditions"] = _decided(conditions, before.get("conditions") or [])
    return kept


def _decided(conditions: list[Object], before: list[Object]) -> list[Object]:
    """With the stored decisions in the place of those of the same type, where there are as many."""
    for kind in _DECISIONS:
        earlier = [each for each in before if each.get("type") == kind]
        places = [index for index, each in enumerate(conditions) if each.get("type") == kind]
        if len(earlier) == len(places):
            for index, each in zip(places, earlier, strict=True):
                conditions[index] = each
    return conditions


def _timed(conditions: list[Object], before: list[Object], now: str) -> list[Object]:
    timed = []
    for condition in conditions:
        same = (each["lastTransitionTime"] for each in before if each.get("lastTransitionTime")
                and all(each.get(key) == condition.get(key) for key in ("type", "status")))  # fmt: skip
        timed.append({
            **condition, "lastUpdateTime": condition.get("lastUpdateTime") or now,
            "lastTransitionTime": condition.get("lastTransitionTime") or next(same, now),
        })  # fmt: skip
    return timed
