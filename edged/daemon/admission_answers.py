"""What the status socket answers of admission: policies, registration, certificate, custom resources, audits.

Only a daemon with [admission] loads this; operations.py asks it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edged.admission.host.policy import Group, Policy, costly_because, fresh_because, guests_of
from edged.admission.rules.module_conditions import own_names
from edged.daemon.admission_part import AdmissionPart
from edged.daemon.protection import Protection


def describe(part: AdmissionPart, protection: Protection) -> dict[str, Any]:
    """Keys of what `edged status` shows."""
    policies, auditor = part.policies, part.auditor
    return {
        "policies": _policies(part, protection),
        "rejections": list(part.admission.decisions.rejections),
        "certificate_error": policies.certificates.error if policies.certificates else "",
        "registration": _registration(part),
        "custom_resources": policies.resources.describe() if policies.resources is not None else {},
        "audit": auditor.describe() if auditor is not None else {},
    }


def _policies(part: AdmissionPart, protection: Protection) -> dict[str, Any]:
    decisions = part.admission.decisions
    judged = {policy.name: policy for policy in protection.policies}
    return {
        name: {
            "mode": policy.config.mode,
            "state": "loading" if policy.is_loading else "failed" if policy.error else "loaded",
            "enforcement": judged[name].state if name in judged else "unregistered",
            "error": policy.error or policy.successor_error,
            "digest": ", ".join(policy.digests),
            **_described_conditions(policy),
            "image_kib": sum(guest.beginning.held_kib for guest in guests_of(policy)),
            "fresh_because": _of_guests(fresh_because, policy),
            "costly_because": _of_guests(costly_because, policy),
            **{key: getattr(counters, key) for key in counters.__slots__},
        }
        for name, policy in part.policies.served().items()
        if (counters := decisions.counters[name])
    }


def _registration(part: AdmissionPart) -> dict[str, Any]:
    registration = part.policies.registration
    if registration is None:
        return {"mode": "off"}
    state = registration.state
    return {
        "mode": state.mode,
        "phase": state.phase,
        "message": state.message,
        "policies": list(state.policies),
        "webhooks": {name: list(called) for name, called in state.webhooks.items()},
        "problems": dict(state.problems),
        "waiting": dict(state.waiting),
    }


def _of_guests(reason: Callable[[Policy], str], policy: Policy | Group) -> str:
    return "; ".join(dict.fromkeys(filter(None, map(reason, guests_of(policy)))))


def _described_conditions(policy: Policy | Group) -> dict[str, Any]:
    """What its module keeps from it, and why it keeps nothing from it though it says so."""
    found = policy.found_conditions if isinstance(policy, Policy) and policy.config.module_conditions else None
    return {
        "module_conditions": own_names(policy.module_conditions or ()),
        "module_conditions_problem": found.problem if found is not None else "",
    }
