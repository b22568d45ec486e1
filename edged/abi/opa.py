"""OPA's WebAssembly ABI: what a Rego policy needs of its host, one evaluation's state, builtins in bytes. Pure.

The policy is merged with a module of ours (opa_companion.py), which hands the host plain bytes: the documents are
fetched, the result is taken, a builtin gets the texts of its arguments and leaves the text of its result. Which
builtins there are is edged/abi/rego; when to instantiate and what the documents are is
edged/admission/host/rego_policy.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from edged.abi import opa_companion
from edged.abi.opa_companion import DATA, DOCUMENTS, INPUT
from edged.abi.rego.environment import Environment
from edged.abi.rego.signature import Builtin
from edged.abi.rego.values import BuiltinError
from edged.errors import GuestError
from edged.json_parts import decoded_size
from edged.json_text import JsonError, loads
from edged.wasm.binary import Export, Import
from edged.wasm.errors import BadModule
from edged.wasm.hostcalls import Computation, HostFunction

IMPORTS_FROM = "env"
LEAST_PAGES = 5
PAGE = 64 << 10
MAX_RESULT = 16 << 20
MAX_LIST = 1 << 20  # of builtins or entrypoints, bytes
MAX_ARGUMENTS = 4 << 20  # of one builtin call, all together, bytes
MAX_MESSAGE = 4 << 10
NO_MEMORY = "opa_malloc"
"""How what a policy says begins when it gets no more memory."""


class OpaFailure(GuestError):
    """The policy gave up: it aborted, or a builtin it called could not answer."""


class Guest(Protocol):
    """The part of a guest instance that the ABI needs."""

    state: OpaCall

    def read(self, pointer: int, length: int) -> bytes: ...
    def write(self, pointer: int, data: bytes) -> None: ...


Beside = Callable[[Callable[[], bytes], int], Awaitable[bytes]]
"""Runs a function where it does not hold up the event loop. The number: bytes of memory that its arguments take. Raises
BuiltinError where that is too much."""


class OpaCall:
    """One evaluation: its documents, its result, and what its builtins share."""

    __slots__ = ("aborted", "beside", "builtins", "data", "environment", "input", "log", "result", "text", "values")

    def __init__(
        self,
        builtins: Mapping[int, Builtin],
        *,
        values: bool,
        environment: Environment,
        log: Callable[[str], None],
        beside: Beside,
        data: bytes = b"{}",
        input: bytes = b"{}",
    ) -> None:
        self.builtins = builtins
        self.values = values  # whether builtins' values are written as OPA writes them, else as JSON
        self.environment = environment
        self.log = log
        self.beside = beside
        self.data = data
        self.input = input
        self.text = b""  # of the last builtin's result
        self.result = b""
        self.aborted: str | None = None


def _message(guest: Guest, at: int, length: int) -> str:
    return guest.read(at, min(length, MAX_MESSAGE)).decode(errors="replace")


def _abort(guest: Guest, at: int, length: int) -> None:
    guest.state.aborted = _message(guest, at, length)


def _println(guest: Guest, at: int, length: int) -> None:
    guest.state.log(_message(guest, at, length))


def _fetch(guest: Guest, what: int, at: int, input_at: int) -> None:
    call = guest.state
    if what == DOCUMENTS:
        guest.write(at, call.data)
        guest.write(input_at, call.input)
    else:
        guest.write(at, {DATA: call.data, INPUT: call.input}.get(what, call.text))


def _take(guest: Guest, at: int, length: int) -> None:
    if length > MAX_RESULT:
        raise OpaFailure(f"the policy's result of {length} bytes is too long (at most {MAX_RESULT})")
    guest.state.result = guest.read(at, length)


def _builtin(guest: Guest, number: int, count: int, *places: int) -> Computation | Callable[[], Awaitable[int]]:
    """Copies the arguments; the work is done when the guest's fiber is suspended (rules 3 and 8)."""
    call = guest.state
    builtin = call.builtins.get(number)
    if builtin is None:
        raise OpaFailure(f"the policy called builtin number {number}, which it did not declare")
    size = sum(places[1 : 2 * count : 2])
    if size > MAX_ARGUMENTS:
        raise OpaFailure(f"builtin {builtin.name}: arguments of {size} bytes are too long (at most {MAX_ARGUMENTS})")
    texts = [guest.read(places[2 * index], places[2 * index + 1]) for index in range(count)]

    def work() -> bytes:
        try:
            return builtin.call(call.environment, texts, values=call.values)
        except BuiltinError as error:
            raise OpaFailure(f"builtin {builtin.name}: {error}") from error

    def keep(text: bytes) -> int:
        call.text = text
        return len(text)

    if size <= builtin.quick:
        return Computation(lambda: keep(work()))

    async def wait() -> int:
        try:
            return keep(await call.beside(work, sum(map(decoded_size, texts))))
        except BuiltinError as error:
            raise OpaFailure(f"builtin {builtin.name}: {error}") from error

    return wait


HOSTS: dict[tuple[str, str], HostFunction] = {
    ("edged", "abort"): HostFunction("ii", "", _abort),
    ("edged", "println"): HostFunction("ii", "", _println),
    ("edged", "fetch"): HostFunction("iii", "", _fetch),
    ("edged", "take"): HostFunction("ii", "", _take),
    ("edged", "builtin"): HostFunction("i" * 10, "i", _builtin, True),
}
"""What the companion imports."""


def takes_values(exports: Mapping[str, Export]) -> bool:
    """Whether the module can write and read OPA's own text of values, which knows sets."""
    return "opa_value_dump" in exports and "opa_value_parse" in exports


def companion(imports: tuple[Import, ...], exports: Mapping[str, Export], memory_mib: int) -> str:
    """The companion for a module, as WAT. Raises BadModule where the module is no OPA policy or asks for a memory that
    it cannot have."""
    for name, signature in opa_companion.SIGNATURES.items():
        export = exports.get(name)
        if export is None or export.kind != "func":
            if name in opa_companion.OPTIONAL:
                continue
            raise BadModule(
                f"the module does not export the function {name}: it was not made by opa build -t wasm"
            )
        if (export.params, export.results) != signature:
            raise BadModule(f"the module exports {name} with another signature than OPA's")
    minimum, maximum = _memory(imports, memory_mib)
    return opa_companion.text(minimum, maximum, values=takes_values(exports))


def _memory(imports: tuple[Import, ...], memory_mib: int) -> tuple[int, int | None]:
    """Pages of the memory to make."""
    memories = [entry for entry in imports if entry.kind == "memory" and entry.module == IMPORTS_FROM]
    if not memories or memories[0].limits is None or memories[0].name != "memory":
        raise BadModule("the module does not import env.memory: it was not made by opa build -t wasm")
    limits = memories[0].limits
    if not limits.plain:
        raise BadModule("import env.memory: shared memories, 64-bit ones and other page sizes are not offered")
    least = max(LEAST_PAGES, limits.minimum)
    most = memory_mib * (1 << 20) // PAGE
    if limits.maximum is not None and limits.maximum < limits.minimum:
        raise BadModule(f"import env.memory: a maximum of {limits.maximum} pages is below its minimum {limits.minimum}")
    if limits.minimum > most:
        raise BadModule(
            f"import env.memory: the module asks for {limits.minimum} pages of 64 KiB; "
            f"the limit of {memory_mib} MiB is {most}"
        )
    if limits.maximum is not None:  # the memory made must not have a larger one
        least = min(least, limits.maximum)
    return least, limits.maximum


def numbers(reply: bytes, what: str) -> dict[str, int]:
    """What `describe` gave: name -> id of builtins or entrypoints. Raises BadModule."""
    try:
        listed = loads(reply, most=MAX_LIST)
    except JsonError as error:
        raise BadModule(f"the module's list of {what} is not JSON: {error}") from error
    if not isinstance(listed, dict) or not all(isinstance(n, int) and n >= 0 for n in listed.values()):
        raise BadModule(f"the module's list of {what} is not an object of numbers")
    return listed


def gave_up(aborted: str, memory_mib: int) -> OpaFailure:
    """What an abort of the policy means, given what memory it may have."""
    full = aborted.startswith(NO_MEMORY)
    why = f" ({memory_mib} MiB of memory were not enough: [engine] memory_limit_mib; docs/rego.md)" if full else ""
    return OpaFailure(f"the policy aborted: {aborted}{why}")


def evaluated(call: OpaCall, returned: int) -> bytes:
    """The result of an evaluation that came to its end. Raises OpaFailure."""
    if returned:
        what = opa_companion.NOT_PARSED.get(returned, "document")
        raise OpaFailure(f"the policy could not read its {what}: not JSON to it, or more than its memory holds")
    return call.result
