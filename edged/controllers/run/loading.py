"""From `[[controller]]` to a module that can be instantiated: fetched, compiled, its imports and exports looked at."""

from __future__ import annotations

from edged.controllers.config import ControllerConfig
from edged.controllers.run.guest import ControllerModule, controller_template
from edged.errors import EdgedError, GuestError
from edged.registry.modules import Modules
from edged.wasm.compile import Compiler
from edged.wasm.purpose import CONTROLLER, misplaced, purpose_of


class ModuleLoader:
    """`modules` says where bytes come from, `compiler` makes code of them."""

    def __init__(self, compiler: Compiler, modules: Modules) -> None:
        self._compiler = compiler
        self._modules = modules

    async def load(self, config: ControllerConfig) -> ControllerModule:
        """Raises EdgedError."""
        module = await self._compiler.load(await self._modules.path(config.module), config.module)
        try:
            return ControllerModule(controller_template(self._compiler.engine, module))
        except EdgedError as error:
            purpose = purpose_of((item.module for item in module.imports), module.exports)
            why = misplaced(purpose, CONTROLLER)
            raise GuestError(f"{why} ({error})" if why else str(error)) from error
