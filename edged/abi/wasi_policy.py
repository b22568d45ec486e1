"""WASI command policies (`executionMode: wasi`): argv, stdin, stdout, and their one import for host calls. Pure.

The guest is a program: arguments say what to do, the question is on stdin, the answer on stdout. A host call's reply,
or its error text, is appended to stdin, and the call returns 0 for success and 1 for an error: the opposite of waPC.
Running one, and what its end means, is edged/admission/host/evaluation.py. Source: Kubewarden's Go and JavaScript SDKs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from edged.abi import wapc
from edged.abi.wapc import Dispatch, HostCallError
from edged.errors import GuestError
from edged.wasm.hostcalls import HostFunction

MAX_REPLY = wapc.MAX_REPLY
MAX_UNREAD = 2 * MAX_REPLY  # of stdin: a guest that calls and never reads must not fill the host
PROGRAM = "policy.wasm"
SUBCOMMANDS = {b"validate": "validate", b"validate_settings": "validate-settings"}


class WasiFailure(GuestError):
    """The policy ended with a failure; the text is what it wrote to stderr, else how it ended."""


class Guest(Protocol):
    """The part of a guest instance that the ABI needs."""

    state: WasiCall
    wasi: Any  # its `stdin` has feed(bytes), and len() is what was not read yet

    def read(self, pointer: int, length: int) -> bytes: ...


class WasiCall:
    """What one run of a policy keeps on the host's side: who serves its host calls."""

    __slots__ = ("dispatch",)

    def __init__(self, dispatch: Dispatch) -> None:
        self.dispatch = dispatch


def arguments(operation: bytes) -> tuple[str, str]:
    """argv for an operation under its waPC name."""
    return (PROGRAM, SUBCOMMANDS[operation])


def failure_text(stderr: bytes, reason: str) -> str:
    """What to say of a run that failed: the guest's own words, or `reason` where it had none."""
    return stderr.decode(errors="replace").strip() or reason


def _answer(guest: Guest, reply: bytes, returned: int) -> int:
    if len(guest.wasi.stdin) + len(reply) > MAX_UNREAD:
        raise WasiFailure(f"replies of more than {MAX_UNREAD} bytes wait in stdin and are not read")
    guest.wasi.stdin.feed(reply)
    return returned


def _call(guest: Guest, *places: int) -> Callable[[], Awaitable[int]] | int:
    """One host call; what it is called with is as in waPC's `__host_call`."""
    asked = wapc.read_host_call(guest, *places)
    try:
        reply = guest.state.dispatch(*asked)
    except HostCallError as error:
        return _answer(guest, str(error).encode(), 1)
    if isinstance(reply, bytes):
        return _answer(guest, reply, 0)

    async def work() -> int:
        try:
            return _answer(guest, await reply, 0)
        except HostCallError as error:
            return _answer(guest, str(error).encode(), 1)

    return work


HOSTS: dict[tuple[str, str], HostFunction] = {
    (module, "call"): HostFunction("iiiiiiii", "i", _call, True) for module in ("host", "kubewarden:javy/host")
}


def hosts() -> dict[tuple[str, str], HostFunction]:
    """The table to link."""
    return dict(HOSTS)
