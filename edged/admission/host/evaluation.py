"""How a policy of each execution mode is called: one operation, one fresh instance, bytes in and bytes out.

Called by admission/host/policy_loader.py (`validate_settings`) and admission/host/admission.py (`validate`).
admission/rules/verdict.py interprets the bytes, edged/abi has the calling conventions.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import trio

from edged.abi import metadata as policy_metadata
from edged.abi import wapc, wasi_policy
from edged.abi.wasi_policy import WasiFailure
from edged.admission.host import wapc_policy
from edged.admission.host.context import HostServices
from edged.admission.host.policy import Policy
from edged.admission.host.rego_context import ContextFailure
from edged.admission.host.working_memory import LARGE, WorkingMemory
from edged.admission.rules import rego as rego_results
from edged.admission.rules import verdict
from edged.admission.rules.mutations import BadMutation, BadReply, MutationOfNothing
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.errors import GuestError
from edged.records import dataclass
from edged.wasm import wasi
from edged.wasm.account import Budget
from edged.wasm.companion import Companion
from edged.wasm.compile import CompanionFor
from edged.wasm.errors import BadModule, GuestBudget, GuestExit, GuestMemory, GuestTimeout, GuestTrap, NoSlot
from edged.wasm.hostcalls import HostFunction
from edged.wasm.instance import Instance, Template
from edged.wasm.module import Module
from edged.wasm.module_file import Description
from edged.wasm.output import Output

T = TypeVar("T")
Payload = tuple[bytes, ...]
"""In pieces, of which some are large and shared with other evaluations: joined when the guest is there."""

HOSTS: Mapping[str, Mapping[tuple[str, str], HostFunction]] = {
    "kubewarden-wapc": wasi.hosts() | wapc.hosts(),
    "wasi": wasi.hosts() | wasi_policy.hosts(),
}
"""Execution mode -> what its modules may import. Made once: linkers are found by the table's identity. rego_policy.py
has that of Rego's modes. Only those import it here, because its builtins take long to import."""

REGO_MODES = ("opa", "gatekeeper")
MAX_STDERR = 8 << 10  # of a WASI policy: it becomes the message of a rejection


class TimedOut(GuestError):
    """The guest used up its time, CPU or wall."""


class NotAsked(TimedOut):
    """Its time was over before the guest had said anything, because of others: there were too many requests."""


UNKNOWN = (NotAsked, ContextFailure, GuestMemory, rego_results.NotJudged, BadMutation)
"""Failures that say nothing about the request: the guest was not asked, or not with what it needs to know, or it allows
an object that cannot be made."""


def companion_for(memory_mib: int, mode: str = "") -> CompanionFor:
    """What Compiler.load merges a policy with. `mode`: its execution mode, "" for what its metadata says."""

    def find(found: Description) -> Companion | None:
        if (mode or policy_metadata.parse(found.metadata).execution_mode) not in REGO_MODES:
            return None
        from edged.admission.host import rego_policy

        return rego_policy.companion(found, memory_mib)

    return find


async def load_template(module: Module, mode: str, budget: Budget) -> Template:
    """The module, linked for its execution mode. Raises BadModule, GuestError."""
    if mode in REGO_MODES:
        from edged.admission.host import rego_policy

        return await rego_policy.load(module, budget)
    return Template(module.engine, module, HOSTS[mode])


def question(policy: Policy, request: AdmissionRequest) -> Payload:
    """The payload of `validate`. Raises BadReply if the mode does not support such a request."""
    mode = policy.metadata.execution_mode
    if mode in REGO_MODES:
        return rego_results.input_document(mode, request, policy.settings)
    return b'{"request":', request.encode(), b',"settings":', policy.settings, b"}"


def answer(policy: Policy, request: AdmissionRequest, reply: bytes) -> AdmissionResponse:
    """The answer in the guest's reply. Raises BadReply, BadMutation."""
    mode = policy.metadata.execution_mode
    if mode in REGO_MODES:
        return rego_results.from_result(mode, request, reply)
    return verdict.from_reply(request, reply)


def failed(policy: Policy, uid: str, error: GuestError) -> tuple[AdmissionResponse, str]:
    """(the rejection for a policy's failure, the short reason)."""
    is_rego = policy.metadata.execution_mode in REGO_MODES
    if isinstance(error, TimedOut):
        if is_rego:
            return verdict.internal_rejection(uid, rego_results.INTERRUPTED), verdict.TIMED_OUT
        return verdict.plain_rejection(uid, 500, verdict.TIMED_OUT), verdict.TIMED_OUT
    if isinstance(error, MutationOfNothing) and not is_rego:  # policy-server's answer, which has no code
        return AdmissionResponse(uid, False, status={"message": str(error)}), str(error)
    if isinstance(error, BadMutation):
        return verdict.rejected_by(uid, policy.name, str(error)), str(error)
    if isinstance(error, BadReply):
        return verdict.internal_rejection(uid, str(error)), str(error)
    reason = f"guest call failure: {error}"
    if isinstance(error, WasiFailure | ContextFailure):  # its own words, as they are
        return verdict.plain_rejection(uid, 500, str(error)), reason
    # "Guest call failure" is policy-server's own word for it.
    return verdict.internal_rejection(uid, str(error) if is_rego else f"Guest call failure: {error}"), reason


async def call_guest(
    policy: Policy,
    services: HostServices,
    operation: bytes,
    payload: Payload,
    deadline: float,
    memory: WorkingMemory | None = None,
    seconds: float = math.inf,
) -> bytes:
    """One operation on a fresh instance: no state survives between calls. `deadline` is on trio's clock; `seconds` is
    what the guest may take from the moment on at which there is room for it. `memory`: what large payloads wait for.

    Raises GuestError, TimedOut.
    """
    asked = _Call(policy, services, operation, payload, deadline, memory, seconds)
    try:
        reply = await _RUN[policy.metadata.execution_mode](asked)
        if services.too_old:
            raise ContextFailure(services.too_old)
        return reply
    except (GuestBudget, GuestTimeout) as error:
        is_late = isinstance(error, NoSlot) or (isinstance(error, GuestTimeout) and trio.current_time() >= deadline)
        raise (NotAsked if is_late else TimedOut)(str(error)) from error
    except GuestError as error:
        if services.too_old:  # whatever the guest made of it
            raise ContextFailure(services.too_old) from error
        raise
    finally:
        services.settle()


@dataclass(slots=True)
class _Call:
    """What is asked of a guest, and within which bounds."""

    policy: Policy
    services: HostServices
    operation: bytes
    payload: Payload
    deadline: float
    memory: WorkingMemory | None
    seconds: float

    async def room(self, more: int = 0) -> AbstractContextManager[object]:
        """Memory for the guest, which gets the payload and so many bytes beside it. Raises NotAsked."""
        size = sum(map(len, self.payload)) + more
        if self.memory is None or size <= LARGE:
            return _NOTHING
        with trio.move_on_at(self.deadline):
            return await self.memory.for_guest(size, self.policy.budget.memory_mib)
        raise NotAsked(verdict.TIMED_OUT)


_NOTHING: AbstractContextManager[object] = nullcontext()


async def _run_wapc(asked: _Call) -> bytes:
    assert asked.policy.template is not None
    with await asked.room():
        call = wapc.WapcCall(asked.services.dispatch, asked.services.log)
        instance: Instance | None = None
        try:
            instance = await asked.policy.template.instantiate(
                call, asked.policy.budget, None, asked.deadline, asked.seconds
            )
            await wapc_policy.begin(instance, asked.policy.beginning.image)
            return await wapc_policy.ask(instance, call, asked.operation, b"".join(asked.payload))
        finally:
            if instance is not None:
                output = instance.output.take()
                instance.close()
                if output:
                    asked.services.log(output.decode(errors="replace"))


async def _run_command(asked: _Call) -> bytes:
    with await asked.room():
        return await _run_program(asked)


async def _run_program(asked: _Call) -> bytes:
    policy, services = asked.policy, asked.services
    assert policy.template is not None
    stdout, stderr = Output(wasi_policy.MAX_REPLY), Output(MAX_STDERR)
    stdin = b"".join(asked.payload)
    system = wasi.Wasi(wasi_policy.arguments(asked.operation), stdin=stdin, output=stdout, errors=stderr)
    call = wasi_policy.WasiCall(services.dispatch)
    instance: Instance | None = None
    try:
        instance = await policy.template.instantiate(call, policy.budget, system, asked.deadline, asked.seconds)
        if not instance.has("_start"):
            raise BadModule("the module does not export the function _start, so it is not a WASI command")
        await instance.start("_start")
    except (GuestTrap, GuestExit) as error:
        raise WasiFailure(wasi_policy.failure_text(stderr.take(), str(error))) from error
    finally:
        if instance is not None:
            instance.close()
    if stdout.dropped:
        raise WasiFailure(f"the policy wrote more than {stdout.limit} bytes to stdout")
    if text := stderr.take().decode(errors="replace").strip():
        services.log(text, level="warning")
    return stdout.take()


async def _run_rego(asked: _Call) -> bytes:
    """Settings are data to a Rego policy, and any are valid."""
    from edged.admission.host import rego_policy

    policy, services = asked.policy, asked.services
    assert isinstance(policy.template, rego_policy.RegoTemplate)
    mode = policy.metadata.execution_mode
    if asked.operation == b"validate_settings":
        if mode == "opa" and policy.grants.kinds and "kubernetes" in policy.config.settings:
            services.log("the setting `kubernetes` is hidden by what the policy reads of the cluster", level="warning")
        for kind in policy.metadata.context_aware:
            if isinstance(kind, dict) and (kind.get("apiVersion"), kind.get("kind")) not in policy.grants.kinds:
                text = f"the policy wants to read {kind}, which context_aware does not grant: it will see none"
                services.log(text, level="warning")
        if not policy.grants.kinds and policy.config.preinitialize != "never":
            settings = b"".join(rego_results.data_document(mode, policy.settings, None))
            policy.parsed = await rego_policy.parse_data(policy.template, settings, policy.budget, asked.deadline)
        return b'{"valid":true}'
    size = await _in_time(asked, services.rego_size(mode)) if policy.grants.kinds else 0
    with await asked.room(size):
        data = rego_results.data_document(mode, policy.settings, None)
        if policy.grants.kinds:
            data = await _in_time(asked, services.rego_data(mode, policy.settings))
        return await rego_policy.evaluate(
            policy.template,
            policy.parsed or b"".join(data),
            b"".join(asked.payload),
            policy.budget,
            asked.deadline,
            services.log,
            asked.seconds,
        )


async def _in_time(asked: _Call, reading: Awaitable[T]) -> T:
    with trio.move_on_at(min(asked.deadline, trio.current_time() + asked.seconds)):
        return await reading
    raise ContextFailure("what the policy reads of the cluster was not there in time")


_RUN = {"kubewarden-wapc": _run_wapc, "wasi": _run_command, "opa": _run_rego, "gatekeeper": _run_rego}
