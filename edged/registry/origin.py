"""The custom resource that a policy was made of, if it does not come from the configuration file, and what its author
may therefore fetch.

A value that travels on PolicyConfig and GroupConfig. Read by registration (namespace, timeout), by audits (severity,
category, uid) and by `edged status`.
"""

from __future__ import annotations

from dataclasses import field

from edged.records import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """`namespace` is "" for cluster-scoped kinds. Fields that can change without changing the policy are not
    compared."""

    kind: str
    namespace: str
    name: str
    uid: str = ""
    webhook_timeout_s: int = 10
    """`spec.timeoutSeconds`: how long the API server waits."""
    severity: str = ""
    category: str = ""
    generation: int = field(default=0, compare=False)
    resource_version: str = field(default="", compare=False)

    @property
    def namespaced(self) -> bool:
        """Whether its author is trusted with one namespace only."""
        return bool(self.namespace)

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {place}"


@dataclass(frozen=True, slots=True)
class Restrictions:
    """What is allowed for a URL whose author is not the administrator of this host. (module_places.py in
    edged/admission/resources decides which hosts and folders it may name at all.) `inward`: connect to this host and to
    link-local addresses."""

    credentials: bool = True
    inward: bool = True


TRUSTED = Restrictions()


def restrictions_of(origin: Origin | None) -> Restrictions:
    """Those of a policy. A policy of the configuration file (None) has none."""
    return TRUSTED if origin is None else Restrictions(credentials=not origin.namespaced, inward=False)
