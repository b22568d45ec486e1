"""What goes into `status` of the custom resources: phases and conditions under Kubewarden's names. Pure.

Conditions of other writers stay; a condition's time moves only when its status does, so that writing the same facts
again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edged.records import dataclass

Object = Mapping[str, Any]
MAX_MESSAGE = 2048
ACTIVE = "PolicyActive"
UP_TO_DATE = "PolicyServerConfigurationUpToDate"
REACHABLE = "PolicyUniquelyReachable"
CLEANED_UP = "PolicyWebhooksCleanedUp"
SERVER_CONDITIONS = (
    "CertSecretReconciled",
    "CARootSecretReconciled",
    "ConfigMapReconciled",
    "DeploymentReconciled",
    "ServiceReconciled",
)
"""What kubewarden-controller makes for a PolicyServer. edged needs none of it; dashboards wait for the conditions."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one policy. `phase` is policyStatus; `loaded`: the spec as it is now is what answers; `why`:
    what is wrong, or what else there is to say; `error`: of that, why the spec as it is now cannot answer."""

    phase: str
    mode: str = ""
    loaded: bool = False
    registered: bool = False
    why: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition as it should be, without its time."""

    type: str
    status: bool | None
    reason: str
    message: str


def policy_status(obj: Object, facts: Facts, now: str) -> dict[str, Any]:
    """The whole `status` of a policy. `now`: RFC 3339."""
    own = [_active(facts), _up_to_date(facts), _reachable(facts)]
    return {
        "policyStatus": facts.phase,
        "mode": facts.mode or "unknown",
        "conditions": conditions(obj, own, now),
    }


def _active(facts: Facts) -> Condition:
    texts = {
        "unscheduled": "the policy names no PolicyServer",
        "scheduled": "the PolicyServer does not exist, or is being deleted",
        "pending": "the API server does not ask the policy yet",
        "active": "the API server asks the policy",
    }
    active = facts.phase == "active"
    return Condition(ACTIVE, active, ACTIVE, _joined(texts[facts.phase], facts.why))


def _up_to_date(facts: Facts) -> Condition:
    if facts.loaded:
        return Condition(UP_TO_DATE, True, "ConfigurationVersionMatch", "edged answers with this version of the policy")
    if facts.phase in ("unscheduled", "scheduled") and not facts.why:
        return Condition(UP_TO_DATE, None, "UnknownConfigurationVersion", "no PolicyServer serves the policy")
    message = _joined("edged does not answer with this version of the policy", facts.why)
    return Condition(UP_TO_DATE, False, "ConfigurationVersionMismatch", message)


def _reachable(facts: Facts) -> Condition:
    if facts.registered:
        message = "one edged process serves the webhook, which was registered after it answered"
        return Condition(REACHABLE, True, "LatestReplicaSetIsUniquelyReachable", message)
    return Condition(REACHABLE, False, "LatestReplicaSetIsNotUniquelyReachable", "the webhook is not registered")


def _joined(text: str, why: str) -> str:
    whole = f"{text}: {why}" if why else text
    return whole if len(whole) <= MAX_MESSAGE else whole[: MAX_MESSAGE - 3] + "..."


def server_status(obj: Object, now: str, *, deleting: bool, cleaned_up: bool) -> dict[str, Any]:
    """The whole `status` of a PolicyServer."""
    message = "served by edged, which needs no such object"
    own = [Condition(name, True, "ReconciliationSucceeded", message) for name in SERVER_CONDITIONS]
    if deleting:
        text = "no webhook of its policies is left" if cleaned_up else "webhooks of its policies are being removed"
        reason = "ReconciliationSucceeded" if cleaned_up else "ReconciliationFailed"
        own.append(Condition(CLEANED_UP, cleaned_up, reason, text))
    return {"conditions": conditions(obj, own, now)}


def conditions(obj: Object, own: Sequence[Condition], now: str) -> list[dict[str, Any]]:
    """The object's conditions with these among them: in their place where they are there, else at the end."""
    status = obj.get("status")
    present = (status.get("conditions") if isinstance(status, Mapping) else None) or []
    generation = obj["metadata"].get("generation")
    mine = {each.type: each for each in own}
    updated = []
    for old in present:
        condition = mine.pop(str(old.get("type")), None)
        updated.append(dict(old) if condition is None else _rendered(condition, old, generation, now))
    return updated + [_rendered(each, {}, generation, now) for each in mine.values()]


def _rendered(condition: Condition, old: Object, generation: object, now: str) -> dict[str, Any]:
    status = {True: "True", False: "False", None: "Unknown"}[condition.status]
    same = old.get("status") == status and old.get("lastTransitionTime")
    rendered = {
        "type": condition.type,
        "status": status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": old["lastTransitionTime"] if same else now,
    }
    return {**rendered, "observedGeneration": generation} if isinstance(generation, int) else rendered
