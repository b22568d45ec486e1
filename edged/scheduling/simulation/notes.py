"""What a simulation has to say beside its outcome: what it left out, did not do, or knows nothing of. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NOT_DONE: Final[Mapping[str, str]] = {
    "ResourceQuota": "not enforced: ResourceQuotas",
    "MutatingWebhookConfiguration": "not called: mutating webhooks, which may change Pods that are added",
    "ValidatingWebhookConfiguration": "not called: validating webhooks, which may refuse Pods that are added",
    "MutatingAdmissionPolicyBinding": "not applied: mutating admission policies, which may change Pods that are added",
    "ValidatingAdmissionPolicyBinding": "not applied: validating admission policies, which may refuse Pods that are "
                                        "added",
}  # fmt: skip
"""Kind -> what the API server would have done."""
_SHOWN = 3


class Notes:
    """Texts, each with what it is about. A text that is told of many objects becomes one line."""

    def __init__(self) -> None:
        self._about: dict[str, dict[str, None]] = {}

    def add(self, text: str, about: str = "") -> None:
        names = self._about.setdefault(text, {})
        if about:
            names[about] = None

    def copy(self) -> Notes:
        other = Notes()
        other._about = {text: dict(names) for text, names in self._about.items()}
        return other

    def lines(self) -> list[str]:
        """`a, b, c and 4 more: text`, in the order in which the texts came."""
        return [f"{_named(list(names))}: {text}" if names else text for text, names in self._about.items()]


def _named(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
