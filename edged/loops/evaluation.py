"""How a policy of each execution mode is called: one operation, one fresh instance, bytes in and bytes out.

Called by loops/policies.py (`validate_settings`) and loops/admission.py (`validate`). What the bytes mean is
admission/verdict.py; how guests are spoken to is edged/abi.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edged.abi import wapc, wasi_policy
from edged.abi.wasi_policy import WasiFailure
from edged.errors import GuestError
from edged.loops.context import HostServices
from edged.wasm import wasi
from edged.wasm.errors import BadModule, GuestBudget, GuestExit, GuestTimeout, GuestTrap
from edged.wasm.hostcalls import HostFunction
from edged.wasm.instance import Instance
from edged.wasm.output import Output

if TYPE_CHECKING:
    from edged.loops.policies import Policy

HOSTS: Mapping[str, Mapping[tuple[str, str], HostFunction]] = {
    "kubewarden-wapc": wasi.hosts() | wapc.hosts(),
    "wasi": wasi.hosts() | wasi_policy.hosts(),
}
"""Execution mode -> what its modules may import. Made once: linkers are found by the table's identity."""

MAX_STDERR = 8 << 10  # of a WASI policy: it becomes the message of a rejection


class TimedOut(GuestError):
    """The guest used up its time, CPU or wall."""


async def call_guest(
    policy: Policy, services: HostServices, operation: bytes, payload: bytes, deadline: float
) -> bytes:
    """One operation on a fresh instance: no state survives between calls. `deadline` is on trio's clock.

    Raises GuestError, TimedOut.
    """
    run = _run_command if policy.metadata.execution_mode == "wasi" else _run_wapc
    try:
        return await run(policy, services, operation, payload, deadline)
    except (GuestBudget, GuestTimeout) as error:
        raise TimedOut(str(error)) from error


async def _run_wapc(
    policy: Policy, services: HostServices, operation: bytes, payload: bytes, deadline: float
) -> bytes:
    assert policy.template is not None
    call = wapc.WapcCall(services.dispatch, services.log)
    instance: Instance | None = None
    try:
        instance = await policy.template.instantiate(call, policy.budget, deadline=deadline)
        await instance.start("_start")
        await instance.start("wapc_init")
        call.begin(operation, payload)
        returned = await instance.call("__guest_call", len(operation), len(payload))
        return call.result(returned or 0)
    finally:
        if instance is not None:
            output = instance.output.take()
            instance.close()
            if output:
                services.log(output.decode(errors="replace"))


async def _run_command(
    policy: Policy, services: HostServices, operation: bytes, payload: bytes, deadline: float
) -> bytes:
    assert policy.template is not None
    stdout, stderr = Output(wasi_policy.MAX_REPLY), Output(MAX_STDERR)
    system = wasi.Wasi(wasi_policy.arguments(operation), stdin=payload, output=stdout, errors=stderr)
    call = wasi_policy.WasiCall(services.dispatch)
    instance: Instance | None = None
    try:
        instance = await policy.template.instantiate(call, policy.budget, system, deadline)
        if not instance.has("_start"):
            raise BadModule("the module does not export the function _start: it is no WASI command")
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
