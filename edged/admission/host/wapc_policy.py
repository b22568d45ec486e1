"""How a waPC policy's instance is brought to where it can be asked, and asked.

Called by admission/host/evaluation.py for each review, and by admission/host/image_trials.py before the first one.
"""

from __future__ import annotations

from edged.abi.wapc import WapcCall
from edged.wasm.images import Image
from edged.wasm.instance import Instance

STARTS = ("_start", "wapc_init")
"""What initialises an instance, where it is there."""


async def begin(instance: Instance, image: Image | None) -> None:
    """Let a fresh instance go on from an image, or initialise it. Raises GuestError."""
    if image is not None:
        image.put(instance)
        return
    for export in STARTS:
        await instance.start(export)


async def ask(instance: Instance, call: WapcCall, operation: bytes, payload: bytes) -> bytes:
    """The reply to one operation; `call` is the instance's state. Raises GuestError."""
    call.begin(operation, payload)
    returned = await instance.call("__guest_call", len(operation), len(payload))
    return call.result(returned or 0)
