"""From one edition of a module to the next, when a configuration is read again.

The earlier one's watches close, then the next one's open. What is deleted or changes its owner in between is told by
neither: the next one only hears of what is there. So what the earlier one showed is compared with what the next one
shows, once it shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from edged.controllers.core import messages
from edged.controllers.core.codes import Refused
from edged.controllers.core.mapping import keys_left
from edged.controllers.core.view import Left
from edged.kube.values.names import NamespacedName
from edged.process.boundary import boundary

if TYPE_CHECKING:
    from edged.controllers.run.parts import Parts

SLICE: Final = 100
"""Objects that are compared before others have their turn."""


def take_over(parts: Parts, former: Parts) -> None:
    """Keys, timers, changes that wait for the guest's mapping, and watches that it opened itself. To be called when the
    earlier edition's calls have ended, and right before its watches are closed."""
    parts.work.inherit(former.work.pending(), trio.current_time())
    for change in former.mappings:
        parts.ask_mapping(*change)
    present = former.watches.dynamic
    # Those that it closed since were told to the module's set-up as open: it closes them itself.
    parts.dynamic = [*present, *(text for text in parts.dynamic if text not in present)]
    for watch in former.watches:
        informer = watch.informer
        raws = [(key, informer.raw(key)) for key in tuple(informer.keys())]
        parts.left.append(Left(former.view, watch.view, [(key, raw) for key, raw in raws if raw is not None]))


async def tell_left(parts: Parts, left: Left) -> None:
    """Queue the keys of what is gone or another one by now, as soon as all watches of the kind are synced. A kind that
    is not watched any more means nothing."""
    resource = left.watch.served.resource
    watches = [watch for watch in parts.watches if watch.view.served.resource == resource]
    for watch in watches:
        await watch.wait_synced()
    with boundary(parts.log, "watch", f"{parts.config.name} {left.watch.id}"):
        for number, (key, raw) in enumerate(left.objects if watches else (), 1):
            now = parts.view.raw(resource, key)
            if now != raw:
                _tell(parts, left, key, raw, now)
            if number % SLICE == 0:
                await trio.lowlevel.checkpoint()


def _tell(parts: Parts, left: Left, key: NamespacedName, raw: bytes, now: bytes | None) -> None:
    try:
        for each in keys_left(left.watch, [(key, raw)], left.view):
            parts.add(each)
    except Refused as full:
        parts.overflowed(full)
    watch = parts.view.find(left.watch.id)
    if watch is not None and watch.declaration.asks_guest():
        told = ("deleted", None, raw) if now is None else ("modified", raw, now)
        parts.ask_mapping(watch.id, messages.map_input(watch.id, *told))
