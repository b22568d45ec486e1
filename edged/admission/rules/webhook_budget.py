"""How much room each namespace's policies have among the webhooks of one object. Pure.

API servers hold all webhooks in one object, read the whole of it again and again, and compile its conditions each time.
So nobody who may only write into a namespace decides how large it is: a policy has a limit, a namespace has one, and
where all of them together are too many, namespaces that ask for much get less, and those that ask for little get all.
Policies of the file and of the cluster are an administrator's: they come first and are not limited here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

ENTRY_BYTES = 64 << 10
"""One policy's webhook."""
NAMESPACE_BYTES = 128 << 10
"""All webhooks of a namespace's policies."""
OBJECT_BYTES = 1_200_000
"""A webhook configuration as a whole: etcd takes 1.5 MB, with what the API server adds."""
MANIFEST_BYTES = 4 << 20
"""A manifest as a whole."""


class Entry(NamedTuple):
    """A policy's webhook: `namespace` "" for an administrator's; `size` in bytes as JSON."""

    policy: str
    namespace: str
    size: int


def left_out(entries: Iterable[Entry], whole: int) -> dict[str, str]:
    """Policy -> why it has no room. `whole`: bytes of the object."""
    problems: dict[str, str] = {}
    namespaces: dict[str, list[Entry]] = {}
    for entry in entries:
        if not entry.namespace:
            whole -= entry.size
        elif entry.size > ENTRY_BYTES:
            problems[entry.policy] = f"its webhook has {entry.size} bytes, and at most {ENTRY_BYTES} are allowed: " \
                                     "make its conditions or its rules shorter"
        else:
            namespaces.setdefault(entry.namespace, []).append(entry)
    shares = _shares({name: sum(each.size for each in found) for name, found in namespaces.items()}, max(whole, 0))
    for name, found in namespaces.items():
        problems |= _beyond(found, shares[name], name)
    return problems


def _shares(wanted: Mapping[str, int], whole: int) -> dict[str, int]:
    """Namespace -> bytes: those that ask for least are served first, each with an equal part of what is left."""
    shares: dict[str, int] = {}
    waiting = sorted(wanted, key=lambda name: (wanted[name], name))
    for place, name in enumerate(waiting):
        shares[name] = min(wanted[name], NAMESPACE_BYTES, whole // (len(waiting) - place))
        whole -= shares[name]
    return shares


def _beyond(entries: Sequence[Entry], share: int, namespace: str) -> dict[str, str]:
    problems = {}
    for entry in entries:
        share -= entry.size
        if share < 0:
            share += entry.size
            problems[entry.policy] = f"there is no more room for policies of namespace {namespace}: " \
                                     "remove some of them, or make their conditions and rules shorter"
    return problems
