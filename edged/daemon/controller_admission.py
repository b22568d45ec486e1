"""What controllers admit, as policies: joins controllers and admission, which do not know each other.

Each entry of a controller's `admits` of which its module declares something is a policy with a webhook of its own,
asked at /validate/NAME. Only a daemon with [admission] and a [[controller]] loads this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from edged.admission.config import PolicyConfig
from edged.admission.host.evaluation import TimedOut
from edged.admission.host.policy import Policy, PolicySet
from edged.admission.rules import mutations, verdict
from edged.admission.rules.capabilities import Grants
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.controllers.config import ControllerConfig
from edged.controllers.core.admits import AdmissionVerdict
from edged.controllers.run.admitting import Admitted
from edged.wasm.account import Budget
from edged.wasm.errors import GuestTimeout

NOT_YET = "its module is being loaded, or does not know the cluster yet"


class Modules(Protocol):
    """The controllers of the process."""

    def admitted(self) -> list[Admitted]: ...
    async def admit(self, name: str, data: bytes, until: float, seconds: float) -> AdmissionVerdict: ...


class ControllerAdmission:
    """`serve` takes policies, in place of the ones before."""

    def __init__(self, serve: Callable[[PolicySet], None]) -> None:
        self._serve = serve
        self._present: dict[str, tuple[Admitted, Policy]] = {}

    def expect(self, configs: Iterable[ControllerConfig]) -> None:
        """Before there are modules: what is registered of them stays, and who asks waits."""
        found = [
            Admitted(controller=each.name, module=each.module, number=number, bound=bound, is_loading=True)
            for each in configs
            for number, bound in enumerate(each.admits)
        ]
        self._show(found, None)

    def update(self, modules: Modules) -> None:
        """Something about what they admit has changed."""
        self._show(modules.admitted(), modules)

    def _show(self, found: Iterable[Admitted], modules: Modules | None) -> None:
        """A policy that did not change stays the same, with what is counted of it."""
        wanted = {each.name: each for each in found if each.webhook is not None or each.is_loading or each.problem}
        present = self._present
        self._present = {
            name: present[name] if name in present and present[name][0] == each else (each, policy_of(each, modules))
            for name, each in wanted.items()
        }
        if self._present != present:
            self._serve({name: policy for name, (_, policy) in self._present.items()})


def policy_of(admitted: Admitted, modules: Modules | None) -> Policy:
    """What answers for an entry. `modules` None: nobody yet."""
    bound, webhook = admitted.bound, admitted.webhook
    config = PolicyConfig(
        name=admitted.name,
        module=admitted.module,
        mode=bound.mode,
        rules=webhook.rules if webhook is not None and not admitted.problem else None,
        failure_policy="Ignore" if bound.mode == "monitor" else (webhook or bound).failure_policy,
        namespace_selector=bound.namespace_selector,
        object_selector=bound.object_selector,
        allowed_to_mutate=bound.allowed_to_mutate,
        timeout_s=bound.timeout_s,
        webhook="own",
        background_audit=False,
        module_conditions=False,
        preinitialize="never",
    )
    policy = Policy(config, b"{}", Grants(), bound.timeout_s, Budget())
    policy.executor = _Executor(admitted, modules) if modules is not None else None
    policy.is_loading = admitted.is_loading
    policy.error = admitted.problem or (NOT_YET if admitted.is_loading else None)
    return policy


class _Executor:
    """Asks the module of a controller."""

    def __init__(self, admitted: Admitted, modules: Modules) -> None:
        self.digest = admitted.digest
        self._name = admitted.controller
        self._modules = modules

    async def answer(self, request: AdmissionRequest, deadline: float, seconds: float) -> AdmissionResponse:
        """Raises GuestError."""
        try:
            said = await self._modules.admit(self._name, request.encode(), deadline, seconds)
        except GuestTimeout as error:
            raise TimedOut(str(error)) from error
        return response_of(request, said)


def response_of(request: AdmissionRequest, said: AdmissionVerdict) -> AdmissionResponse:
    """What a module said, for the API server. Raises BadMutation for a patch that makes no such object."""
    patch = [dict(each) for each in said.patch or ()] if said.allowed else []
    if patch:
        verdict.check_size(request.decoded_size("object"), "patch with the object")
        mutations.check_patch(request.object, patch, raw=request.raw)
    status: dict[str, object] = {}
    if said.message:
        status["message"] = said.message
    if said.code:
        status["code"] = said.code
    return AdmissionResponse(request.uid, said.allowed, patch or None, status or None, list(said.warnings) or None)
