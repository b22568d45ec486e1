"""What a built-in admission plugin is: a name, what it looks at, and what it does before and after validation. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.cluster import Cluster, Object

Step = Callable[[Cluster, Attributes, Object, Object], None]
"""(cluster, attributes, object, old object). The object is {} for a deletion, the old one is {} for a creation. Raises
ApiStatus for a refusal."""

CREATE, UPDATE, DELETE = "CREATE", "UPDATE", "DELETE"


@dataclass(frozen=True, slots=True)
class Plugin:
    """`buckets`: of which resources; none means all. `admit` may change the object in place and comes before mutating
    webhooks, `validate` comes before validating ones."""

    name: str
    buckets: tuple[str, ...] = ()
    operations: tuple[str, ...] = (CREATE,)
    subresources: tuple[str, ...] = ("",)
    admit: Step | None = None
    validate: Step | None = None

    def handles(self, attributes: Attributes) -> bool:
        return (
            attributes.operation in self.operations
            and attributes.subresource in self.subresources
            and (not self.buckets or attributes.resource.bucket in self.buckets)
        )
