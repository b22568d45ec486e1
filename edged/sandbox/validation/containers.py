"""The containers of a Pod. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import duplicate, each_invalid, invalid, not_supported, required
from edged.sandbox.validation.formats import dns_label


def container(given: Object, path: str, names: set[str]) -> Iterator[Cause]:
    name = given.get("name")
    if not name:
        yield required(f"{path}.name")
    elif wrong := dns_label(name):
        yield from each_invalid(f"{path}.name", name, wrong)
    elif name in names:
        yield duplicate(f"{path}.name", name)
    names.add(name or "")
    if not given.get("image"):
        yield required(f"{path}.image")
    policies = ("Always", "IfNotPresent", "Never")
    if given.get("imagePullPolicy") not in policies:
        yield not_supported(f"{path}.imagePullPolicy", given.get("imagePullPolicy"), policies)
    yield from _quantities(given.get("resources") or {}, f"{path}.resources")


QUANTITY = r"[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?"


def _quantities(resources: Object, path: str) -> Iterator[Cause]:
    for field in ("limits", "requests"):
        for name, amount in (resources.get(field) or {}).items():
            if not re.fullmatch(QUANTITY, str(amount)):
                why = f"quantities must match the regular expression '{QUANTITY}'"
                yield invalid(f"{path}.{field}[{name}]", amount, why)
