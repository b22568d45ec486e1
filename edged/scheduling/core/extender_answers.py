"""What extenders answer, as the extender API (v1) of kube-scheduler has it in its Go types. Pure.

Its fields have no names of their own for JSON. So people write them in any capitals, and kube-scheduler finds them.
Of Nodes only what says which they are is looked at.
"""

from __future__ import annotations

from typing import Any, Final

from edged.kube.values.go_json import AN_OBJECT, TEXT, WHOLE, ListOf, MapOf, Pointer, Struct, read

_METADATA: Final = Struct(
    {
        "name": TEXT, "generateName": TEXT, "namespace": TEXT, "selfLink": TEXT, "uid": TEXT, "resourceVersion": TEXT,
        "generation": WHOLE, "labels": MapOf(TEXT), "annotations": MapOf(TEXT), "finalizers": ListOf(TEXT),
    }
)  # fmt: skip
_NODE: Final = Struct({"kind": TEXT, "apiVersion": TEXT, "metadata": _METADATA, "spec": AN_OBJECT, "status": AN_OBJECT})
_LIST: Final = Struct(
    {"selfLink": TEXT, "resourceVersion": TEXT, "continue": TEXT, "remainingItemCount": Pointer(WHOLE)}
)
_NODES: Final = Struct({"kind": TEXT, "apiVersion": TEXT, "metadata": _LIST, "items": ListOf(_NODE)})
_FILTERED: Final = Struct(
    {
        "Nodes": Pointer(_NODES),
        "NodeNames": Pointer(ListOf(TEXT)),
        "FailedNodes": MapOf(TEXT),
        "FailedAndUnresolvableNodes": MapOf(TEXT),
        "Error": TEXT,
    }
)
_SCORES: Final = ListOf(Struct({"Host": TEXT, "Score": WHOLE}))
_VICTIMS: Final = Struct({"Pods": ListOf(Pointer(Struct({"UID": TEXT}))), "NumPDBViolations": WHOLE})
_PREEMPTION: Final = Struct({"NodeNameToMetaVictims": MapOf(Pointer(_VICTIMS))})
_BOUND: Final = Struct({"Error": TEXT})


def filtered(text: bytes) -> dict[str, Any]:
    """NodeNames: None where the answer has none. Raises EdgedError, as all of these."""
    found: dict[str, Any] = read(_FILTERED, text)
    return found


def scores(text: bytes) -> dict[str, int]:
    """Node -> score. Of a node that is there twice the scores are added up, in 64 bits."""
    found: dict[str, int] = {}
    for entry in read(_SCORES, text):
        total = found.get(entry["Host"], 0) + entry["Score"]
        found[entry["Host"]] = (total + (1 << 63)) % (1 << 64) - (1 << 63)
    return found


def victims(text: bytes) -> dict[str, dict[str, Any] | None]:
    """Node -> its Pods, of which each or all may be null, and NumPDBViolations."""
    found: dict[str, dict[str, Any] | None] = read(_PREEMPTION, text)["NodeNameToMetaVictims"]
    return found


def bind_error(text: bytes) -> str:
    """What the extender says is wrong; "" where it has bound the Pod."""
    found: str = read(_BOUND, text)["Error"]
    return found
