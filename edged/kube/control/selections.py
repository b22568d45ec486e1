"""What an informer watches, and whether one informer has everything that another one would read. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from edged.kube.values import field_selectors, label_selector_text
from edged.kube.values.names import GroupVersionResource, NamespacedName
from edged.kube.values.selectable_fields import FieldFilter, SelectableFields, of_builtin, of_unknown
from edged.kube.values.selectors import BadSelector, LabelSelector

Prune = Callable[[dict[str, Any]], None]
"""Takes out of an object, in place, what nobody needs. Informers are shared where theirs are equal."""
_OF_METADATA = ("metadata.name", "metadata.namespace")


class Selection(NamedTuple):
    """What an informer watches. `namespace` None: all of them, or a cluster-scoped resource. `prune` None: objects
    are kept whole, as far as `Informers` keeps any. `metadata`: the server sends the metadata of objects alone, as
    PartialObjectMetadata."""

    resource: GroupVersionResource
    namespace: str | None
    label_selector: str
    field_selector: str
    prune: Prune | None = None
    metadata: bool = False


class Match(NamedTuple):
    """Whether an object of a wider selection belongs to a narrower one."""

    namespace: str | None
    labels: LabelSelector
    fields: FieldFilter

    def of_key(self, key: NamespacedName) -> bool:
        """False: whatever the object holds, it does not belong."""
        return self.namespace is None or key.namespace == self.namespace

    def of_object(self, obj: Mapping[str, Any]) -> bool:
        return self.labels.matches(obj["metadata"].get("labels") or {}) and self.fields.matches(obj)


def match_within(wider: Selection, narrower: Selection, selectable: SelectableFields | None) -> Match | None:
    """How to find the objects of `narrower` among those of `wider`; None where those are too few, hold too little, or
    what the API server would select is not known. `selectable`: by which fields it selects objects of this resource."""
    if wider.resource != narrower.resource or wider.namespace not in (None, narrower.namespace):
        return None
    if wider.label_selector not in ("", narrower.label_selector):
        return None
    if wider.field_selector not in ("", narrower.field_selector) or wider.metadata != narrower.metadata:
        return None
    same_selectors = wider[2:4] == narrower[2:4]
    if wider.prune is not None and not (wider.prune == narrower.prune and same_selectors):
        return None
    return _match(narrower, same_selectors, selectable)


def _match(narrower: Selection, same_selectors: bool, selectable: SelectableFields | None) -> Match | None:
    if same_selectors:
        return Match(narrower.namespace, LabelSelector(()), FieldFilter(()))
    known = selectable or _known(narrower.resource)
    try:
        labels = label_selector_text.parse(narrower.label_selector)
        fields = field_selectors.parse(narrower.field_selector)
        if narrower.metadata and any(term.field not in _OF_METADATA for term in fields.terms):
            return None
        return Match(narrower.namespace, labels, known.filter(fields))
    except BadSelector:  # the API server says so to whoever asks
        return None


def _known(resource: GroupVersionResource) -> SelectableFields:
    return of_builtin(resource) if resource.group in _BUILTIN else of_unknown()


_BUILTIN = frozenset(("", "apps", "batch", "events.k8s.io"))
"""Groups of Kubernetes itself whose fields are compared with the real API server (tests/cluster/test_selectors.py)."""
