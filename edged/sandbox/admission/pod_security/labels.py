"""The labels of a namespace that say which level Pods are held to. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause

LATEST: Final = 10**6
"""The minor version of `latest`."""
LEVELS: Final = ("privileged", "baseline", "restricted")
PREFIX: Final = "pod-security.kubernetes.io/"
_VERSION: Final = re.compile(r"v1\.([0-9]|[1-9][0-9]*)", re.ASCII)
_MOST_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class LevelVersion:
    """A level in a version; `minor` is that of Kubernetes 1.x."""

    level: str = "privileged"
    minor: int = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.minor == LATEST else f'v1.{self.minor}'}"

    @property
    def strictness(self) -> int:
        return LEVELS.index(self.level)


@dataclass(frozen=True, slots=True)
class Policy:
    """What is refused, what is only written to the audit log, and what the client is warned of."""

    enforce: LevelVersion = LevelVersion()
    audit: LevelVersion = LevelVersion()
    warn: LevelVersion = LevelVersion()


def policy_of(labels: Object) -> tuple[Policy, list[Cause]]:
    """The policy, and what is wrong with the labels. What cannot be read is restricted or latest where it enforces."""
    wrong: list[Cause] = []
    enforce = _mode(labels, "enforce", "restricted", wrong)
    audit = _mode(labels, "audit", "privileged", wrong)
    warn = _mode(labels, "warn", "privileged", wrong)
    given = labels.get(PREFIX + "enforce") in LEVELS
    if PREFIX + "warn" not in labels and given and enforce.strictness > warn.strictness:
        minor = warn.minor if PREFIX + "warn-version" in labels else enforce.minor
        warn = LevelVersion(enforce.level, minor)
    return Policy(enforce, audit, warn), wrong


def _mode(labels: Object, mode: str, wrong_level: str, wrong: list[Cause]) -> LevelVersion:
    found, label = LevelVersion(), PREFIX + mode
    if label in labels:
        level = labels[label]
        if level not in LEVELS:
            wrong.append(_cause(label, level, f"must be one of {', '.join(LEVELS)}"))
        found = replace(found, level=level if level in LEVELS else wrong_level)
    label += "-version"
    if label in labels:
        minor = _minor(labels[label])
        if minor is None:
            wrong.append(_cause(label, labels[label], 'must be "latest" or "v1.x"'))
        found = replace(found, minor=LATEST if minor is None else minor)
    return found


def _minor(version: str) -> int | None:
    if version == "latest":
        return LATEST
    match = _VERSION.fullmatch(version)
    return int(match[1]) if match is not None and len(match[1]) <= _MOST_DIGITS else None


def _cause(label: str, value: str, why: str) -> Cause:
    return Cause(f"metadata.labels[{label}]", f'Invalid value: "{value}": {why}')
