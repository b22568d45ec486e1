"""waPC: how host and guest of a `kubewarden-wapc` policy talk. Pure: the state of one call and its host functions.

The guest exports `__guest_call(operation length, payload length) -> i32`, fetches both with `__guest_request`, and
answers with `__guest_response` or `__guest_error`. Meanwhile it may `__host_call` any number of times; a host call
returns 1 for success and 0 for an error, the text of which the guest then fetches.
Source: the waPC protocol as the Kubewarden SDKs speak it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from edged.errors import GuestError
from edged.wasm.hostcalls import HostFunction

MAX_REPLY = 16 << 20
MAX_LOG = 4 << 10

Dispatch = Callable[[str, str, str, bytes], "Awaitable[bytes] | bytes"]
"""(binding, namespace, operation, payload) -> the reply, or something to await where it is not at hand. Both raise
HostCallError."""


class HostCallError(Exception):
    """A host call failed: the text goes to the guest, which decides what to make of it."""


class WapcFailure(GuestError):
    """The guest reported an error, or none of what the protocol asks for; the text is the guest's own."""


class Memory(Protocol):
    """Where the arguments of a host call are."""

    def read(self, pointer: int, length: int) -> bytes: ...


class Guest(Protocol):
    """The part of a guest instance that the ABI needs."""

    state: WapcCall

    def read(self, pointer: int, length: int) -> bytes: ...
    def write(self, pointer: int, data: bytes) -> None: ...


class WapcCall:
    """The slots of one guest call. `dispatch(binding, namespace, operation, payload)` serves its host calls."""

    __slots__ = (
        "dispatch",
        "error",
        "host_error",
        "host_response",
        "log",
        "operation",
        "payload",
        "response",
    )

    def __init__(self, dispatch: Dispatch, log: Callable[[str], None]) -> None:
        self.dispatch = dispatch
        self.log = log
        self.begin(b"", b"")

    def begin(self, operation: bytes, payload: bytes) -> None:
        """Clear the slots for a new call."""
        self.operation = operation
        self.payload = payload
        self.response: bytes | None = None
        self.error: str | None = None
        self.host_response = b""
        self.host_error = b""

    def result(self, returned: int) -> bytes:
        """The reply of a call that returned. Raises WapcFailure with the guest's words."""
        if returned == 0:
            raise WapcFailure(self.error if self.error is not None else "the guest failed without a message")
        if self.response is not None:
            return self.response
        raise WapcFailure(self.error if self.error is not None else "the guest gave no response")


def _text(guest: Memory, pointer: int, length: int, what: str, limit: int) -> str:
    if length > limit:
        raise WapcFailure(f"{what} of {length} bytes is too long (at most {limit})")
    try:
        return guest.read(pointer, length).decode()
    except UnicodeDecodeError as error:
        raise WapcFailure(f"{what} is not valid UTF-8") from error


def _guest_request(guest: Guest, operation: int, payload: int) -> None:
    guest.write(operation, guest.state.operation)
    guest.write(payload, guest.state.payload)


def _guest_response(guest: Guest, pointer: int, length: int) -> None:
    if length > MAX_REPLY:
        raise WapcFailure(f"the guest's response of {length} bytes is too long (at most {MAX_REPLY})")
    guest.state.response = guest.read(pointer, length)


def _guest_error(guest: Guest, pointer: int, length: int) -> None:
    guest.state.error = _text(guest, pointer, length, "the guest's error", 1 << 20)


def _host_response_len(guest: Guest) -> int:
    return len(guest.state.host_response)


def _host_response(guest: Guest, pointer: int) -> None:
    guest.write(pointer, guest.state.host_response)


def _host_error_len(guest: Guest) -> int:
    return len(guest.state.host_error)


def _host_error(guest: Guest, pointer: int) -> None:
    guest.write(pointer, guest.state.host_error)


def _console_log(guest: Guest, pointer: int, length: int) -> None:
    shown = guest.read(pointer, min(length, MAX_LOG + 4))
    try:
        text = shown.decode() if length <= MAX_LOG else shown[:MAX_LOG].decode(errors="ignore")
    except UnicodeDecodeError as error:
        raise WapcFailure("a console log line is not valid UTF-8") from error
    guest.read(pointer, length)  # the whole range must be inside memory, shown or not
    guest.state.log(text)


def read_host_call(
    guest: Memory,
    binding_at: int,
    binding_len: int,
    namespace_at: int,
    namespace_len: int,
    operation_at: int,
    operation_len: int,
    payload_at: int,
    payload_len: int,
) -> tuple[str, str, str, bytes]:
    """(binding, namespace, operation, payload) of a host call from its eight arguments. Raises WapcFailure."""
    binding = _text(guest, binding_at, binding_len, "a host call's binding", 1024)
    namespace = _text(guest, namespace_at, namespace_len, "a host call's namespace", 1024)
    operation = _text(guest, operation_at, operation_len, "a host call's operation", 1024)
    if payload_len > MAX_REPLY:
        raise WapcFailure(f"a host call's payload of {payload_len} bytes is too long (at most {MAX_REPLY})")
    return binding, namespace, operation, guest.read(payload_at, payload_len)


def _host_call(guest: Guest, *places: int) -> Callable[[], Awaitable[int]] | int:
    call = guest.state
    asked = read_host_call(guest, *places)
    call.host_response = call.host_error = b""

    try:
        reply = call.dispatch(*asked)
    except HostCallError as error:
        call.host_error = str(error).encode()
        return 0
    if isinstance(reply, bytes):
        call.host_response = reply
        return 1

    async def work() -> int:
        try:
            call.host_response = await reply
        except HostCallError as error:
            call.host_error = str(error).encode()
            return 0
        return 1

    return work


HOSTS: dict[tuple[str, str], HostFunction] = {
    ("wapc", name): HostFunction(params, results, function, waits)
    for name, params, results, function, waits in (
        ("__guest_request", "ii", "", _guest_request, False),
        ("__guest_response", "ii", "", _guest_response, False),
        ("__guest_error", "ii", "", _guest_error, False),
        ("__host_call", "iiiiiiii", "i", _host_call, True),
        ("__host_response_len", "", "i", _host_response_len, False),
        ("__host_response", "i", "", _host_response, False),
        ("__host_error_len", "", "i", _host_error_len, False),
        ("__host_error", "i", "", _host_error, False),
        ("__console_log", "ii", "", _console_log, False),
    )
}


def hosts() -> dict[tuple[str, str], HostFunction]:
    """The table to link."""
    return dict(HOSTS)
