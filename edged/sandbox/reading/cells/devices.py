"""The cells of dynamic resource allocation. Pure."""

from __future__ import annotations

from edged.sandbox.reading.cells.values import AGE, NAME, Cell, Object, dig, text


def _state(claim: Object, _now: float) -> str:
    states = ["deleted"] if dig(claim, "metadata.deletionTimestamp") else []
    if dig(claim, "status.allocation") is None:
        states += [] if states else ["pending"]
    else:
        states += ["allocated", "reserved"] if dig(claim, "status.reservedFor") else ["allocated"]
    return ",".join(states)


CELLS: dict[str, tuple[Cell, ...]] = {
    "DeviceClass.resource.k8s.io": (NAME, AGE),
    "ResourceClaim.resource.k8s.io": (NAME, _state, AGE),
    "ResourceClaimTemplate.resource.k8s.io": (NAME, AGE),
    "ResourceSlice.resource.k8s.io": (
        NAME, text("spec.nodeName"), text("spec.driver"), text("spec.pool.name"), AGE,
    ),
}  # fmt: skip
