"""Rego policies: which companion a module is merged with, its template, and its evaluation.

Called by admission/host/policy_loader.py at load and by admission/host/evaluation.py for each review. The imports and
the exchange are abi/opa.py, the documents admission/rules/rego.py, the builtins edged/abi/rego.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

import trio

from edged.abi import opa, opa_companion
from edged.abi.opa import OpaCall
from edged.abi.rego import table
from edged.abi.rego.environment import Environment
from edged.abi.rego.signature import Builtin
from edged.abi.rego.values import BuiltinError
from edged.errors import GuestError
from edged.http.budget import MemoryBudget
from edged.wasm import bindings, images
from edged.wasm.account import Budget
from edged.wasm.companion import Companion, check_imports
from edged.wasm.errors import BadModule, GuestTrap
from edged.wasm.images import Image
from edged.wasm.instance import Instance, Template
from edged.wasm.module import Module
from edged.wasm.module_file import Description

HOSTS = opa.HOSTS
WORTH_PARSING = 4 << 10
"""Bytes of data from which on beginning with them parsed takes less time than parsing them: an image takes 30 us and 3
for each KiB, the parser 12 for each."""
WORKERS = 2  # threads for builtins with long arguments, so that they do not hold up the event loop
DECODED = 64 << 20  # bytes of memory that their arguments may take together

_workers: trio.lowlevel.RunVar[_Workers] = trio.lowlevel.RunVar("rego workers")


@dataclass(frozen=True, slots=True)
class _Workers:
    limiter: trio.CapacityLimiter
    memory: MemoryBudget


class RegoTemplate(Template):
    """A Rego policy whose builtins are all available: what all its evaluations share."""

    builtins: Mapping[int, Builtin] = MappingProxyType({})
    values = False


def companion(found: Description, memory_mib: int) -> Companion:
    """What a Rego policy is merged with. Raises BadModule where it is none."""
    imports, exports = found.interface.imports, found.interface.exports
    made = Companion(
        bindings.wat2wasm(opa.companion(imports, exports, memory_mib)), opa.IMPORTS_FROM, opa_companion.GUEST
    )
    check_imports(imports, made)
    return made


async def load(module: Module, budget: Budget) -> RegoTemplate:
    """Link a module that was merged with its companion, and ask which builtins it needs. Raises BadModule with the
    names of all missing builtins."""
    if module.merged is None:
        raise BadModule("the module was not loaded as a Rego policy")
    template = RegoTemplate(module.engine, module, HOSTS)
    builtins, entrypoints = await _describe(template, budget)
    missing = sorted(name for name in builtins if name not in table.TABLE)
    if missing:
        raise BadModule(table.explain_missing(missing))
    if 0 not in entrypoints.values():
        raise BadModule("the policy has no entrypoint with number 0 (opa build -e names it)")
    template.builtins = {number: table.TABLE[name] for name, number in builtins.items()}
    template.values = opa.takes_values(module.merged.exports)
    return template


async def _describe(template: RegoTemplate, budget: Budget) -> tuple[dict[str, int], dict[str, int]]:
    call = _call(template, Environment(), _ignore)
    deadline = trio.current_time() + 10.0
    instance = await template.instantiate(call, budget, deadline=deadline)
    try:
        await instance.call("describe", 0)
        builtins = opa.numbers(call.result, "builtins")
        await instance.call("describe", 1)
        return builtins, opa.numbers(call.result, "entrypoints")
    finally:
        instance.close()


@dataclass(frozen=True, slots=True)
class ParsedData:
    """A data document that was parsed once: evaluations of it begin from there."""

    image: Image
    place: int
    """Of the parsed document, in the guest's memory."""


async def parse_data(template: RegoTemplate, data: bytes, budget: Budget, deadline: float) -> ParsedData | None:
    """The document, if it is long enough and the module lets images be taken of it. No builtin is called meanwhile, so
    that nothing depends on the moment; a guest that fails gets the document in each evaluation, and fails there."""
    why, names = template.module.image_support
    if len(data) < WORTH_PARSING or why:
        return None
    call = OpaCall({}, values=False, environment=Environment(), log=_ignore, beside=beside, data=data)
    made: list[Instance] = []
    try:
        for _ in range(2):
            made.append(await template.instantiate(call, budget, deadline=deadline))
        parsed, fresh = made
        place = await parsed.call("parse_data", len(data))
        return ParsedData(await images.take(parsed, fresh, names), place) if place else None
    except GuestError:
        return None
    finally:
        for instance in made:
            instance.close()


async def evaluate(
    template: RegoTemplate,
    data: bytes | ParsedData,
    document: bytes,
    budget: Budget,
    deadline: float,
    log: Callable[[str], None],
    seconds: float = math.inf,
) -> bytes:
    """The result of the policy's entrypoint, as JSON, by a fresh instance. Raises GuestError."""
    call = _call(template, Environment(now_ns=time.time_ns, log=log), log)
    call.input = document
    instance = None
    try:
        instance = await template.instantiate(call, budget, deadline=deadline, seconds=seconds)
        if isinstance(data, ParsedData):
            data.image.put(instance)
            returned = await instance.call("evaluate_with", data.place, len(document))
        else:
            call.data = data
            returned = await instance.call("evaluate", len(data), len(document))
        return opa.evaluated(call, returned or 0)
    except GuestTrap as error:
        if call.aborted is not None:
            raise opa.gave_up(call.aborted, budget.memory_mib) from error
        raise
    finally:
        if instance is not None:
            instance.close()


def _call(template: RegoTemplate, environment: Environment, log: Callable[[str], None]) -> OpaCall:
    return OpaCall(template.builtins, values=template.values, environment=environment, log=log, beside=beside)


async def beside(work: Callable[[], bytes], size: int) -> bytes:
    """Run a builtin whose arguments take so much memory in a thread. If the review ends first, the thread goes on
    alone, and gives its memory back when it ends. Raises BuiltinError."""
    try:
        workers = _workers.get()
    except LookupError:
        workers = _Workers(trio.CapacityLimiter(WORKERS), MemoryBudget(DECODED))
        _workers.set(workers)
    if size > DECODED:
        raise BuiltinError(f"its arguments would take {-(-size >> 20)} MiB of memory (at most {DECODED >> 20})")
    reserved = await workers.memory.reserve(size)
    token, begun = trio.lowlevel.current_trio_token(), False

    def run() -> bytes:
        nonlocal begun
        begun = True
        try:
            return work()
        finally:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(reserved.release)

    try:
        return await trio.to_thread.run_sync(run, abandon_on_cancel=True, limiter=workers.limiter)
    finally:
        if not begun:
            reserved.release()


def _ignore(_text: str) -> None:
    """Ignores what a module prints while it is loaded."""
