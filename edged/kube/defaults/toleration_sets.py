"""Tolerations that other tolerations make superfluous, as the API server joins those of a Pod and its RuntimeClass."""

from __future__ import annotations

from collections.abc import Sequence

from edged.kube.defaults.pod_spec import Object


def merged(tolerations: Sequence[Object]) -> list[Object]:
    """Without those that another one covers. Of equal ones the first stays."""
    kept: list[Object] = []
    for number, each in enumerate(tolerations):
        later = tolerations[number + 1 :]
        if any(covers(other, each) for other in kept):
            continue
        if any(other != each and covers(other, each) for other in later):
            continue
        kept.append(each)
    return kept


def covers(wide: Object, narrow: Object) -> bool:
    """Whether `wide` tolerates everything that `narrow` does."""
    if wide == narrow:
        return True
    operator = wide.get("operator") or ""
    if (narrow.get("key") or "") != (wide.get("key") or "") and (wide.get("key") or operator != "Exists"):
        return False
    if wide.get("effect") and (narrow.get("effect") or "") != wide["effect"]:
        return False
    if not _lasts_as_long(wide, narrow):
        return False
    if operator in ("", "Equal"):
        return narrow.get("operator") == "Equal" and (narrow.get("value") or "") == (wide.get("value") or "")
    return bool(operator == "Exists")


def _lasts_as_long(wide: Object, narrow: Object) -> bool:
    seconds, wanted = wide.get("tolerationSeconds"), narrow.get("tolerationSeconds")
    if wide.get("effect") != "NoExecute" or seconds is None:
        return True
    return wanted is not None and bool(wanted <= seconds)
