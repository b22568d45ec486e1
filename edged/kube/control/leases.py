"""Who leads, by a Lease of coordination.k8s.io: client-go's rules without clocks or requests. Pure.

A holder renews; everybody else may take over once the Lease has not *changed* for as long as it is valid, by
the observer's own clock: times written by other machines are never compared. kube/leader_election.py sends
the requests and says what time it is (`now`: seconds, monotonic; `wall`: text for the object).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Required, TypedDict

from edged.kube.values.names import NamespacedName
from edged.kube.values.shape_checks import WrongShape, checked
from edged.kube.values.shapes import ObjectMeta

API_VERSION: Final = "coordination.k8s.io/v1"
_MOST_TRANSITIONS: Final = 2**31 - 1


class Spec(TypedDict, total=False):
    acquireTime: str
    holderIdentity: str
    leaseDurationSeconds: int
    leaseTransitions: int
    renewTime: str


class Lease(TypedDict, total=False):
    """As far as it is read."""

    metadata: Required[ObjectMeta]
    spec: Spec


def this_lease(answer: dict[str, Any], name: NamespacedName) -> dict[str, Any]:
    """The answer, if it is this Lease. Raises WrongShape: what would be written next is made of it."""
    metadata = checked(answer, Lease, f"Lease {name}")["metadata"]
    if (metadata.get("namespace") or name.namespace, metadata["name"]) != name:
        raise WrongShape(f"the answer about Lease {name} is another object")
    if not metadata.get("resourceVersion"):
        raise WrongShape(f"the answer about Lease {name} has no resourceVersion")
    return answer


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds. Others wait `lease_s` before they take over, a holder that has not managed to renew for
    `renew_s` gives up, and both try every `retry_s`."""

    lease_s: float = 15.0
    renew_s: float = 10.0
    retry_s: float = 2.0


class Election:
    """One candidate's view. Feed it every answer of the server; ask it what to write."""

    def __init__(self, identity: str, times: LeaseTimes) -> None:
        self.identity = identity
        self.times = times
        self.holder = ""
        self._spec: dict[str, Any] = {}
        self._seen_at = float("-inf")
        self._renewed_at = float("-inf")

    def observe(self, lease: Mapping[str, Any], now: float) -> None:
        """What the server has. Only a change restarts the time that others have to wait."""
        spec = dict(lease.get("spec") or {})
        if spec != self._spec:
            self._spec = spec
            self._seen_at = now
        self.holder = spec.get("holderIdentity") or ""

    def may_take(self, now: float) -> bool:
        """Nobody holds it, or the holder was silent for too long, or we are the holder."""
        if self.holder in ("", self.identity):
            return True
        return now >= self._seen_at + (self._spec.get("leaseDurationSeconds") or 0)

    def claim(self, wall: str) -> dict[str, Any]:
        """The Lease's spec with us as the holder."""
        leads = self.holder == self.identity
        transitions = self._spec.get("leaseTransitions") or 0
        return {
            **self._spec,
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self.times.lease_s)),
            "acquireTime": (self._spec.get("acquireTime") or wall) if leads else wall,
            "renewTime": wall,
            "leaseTransitions": min(max(0, transitions) + (0 if leads or not self._spec else 1), _MOST_TRANSITIONS),
        }

    def claimed(self, lease: Mapping[str, object], sent_at: float, now: float) -> None:
        """The server took our claim; it counts from when the request was sent."""
        self.observe(lease, now)
        self._renewed_at = sent_at

    def release(self, wall: str) -> dict[str, Any]:
        """The Lease's spec with nobody as the holder, so that the next one need not wait."""
        return {
            **self._spec, "holderIdentity": "", "leaseDurationSeconds": 1, "acquireTime": wall, "renewTime": wall,
        }  # fmt: skip

    @property
    def expires_at(self) -> float:
        """When a holder has to have renewed, or stops."""
        return self._renewed_at + self.times.renew_s

    def leads(self, now: float) -> bool:
        """Whether we may still act: others cannot have taken over yet."""
        return self.holder == self.identity and now < self.expires_at

    def lost(self) -> None:
        """Stop acting, whatever the server says; others have to be observed afresh."""
        self._renewed_at = float("-inf")


def lease(name: str, namespace: str, spec: Mapping[str, object]) -> dict[str, Any]:
    """The object to create."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": "Lease", "metadata": metadata, "spec": dict(spec)}
