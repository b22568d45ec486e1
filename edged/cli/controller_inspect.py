"""What `edged module inspect` tells of a controller: which of its exports are called, and whether it loads.

Called by cli/module_inspect.py. A set-up is not tried: it needs the controller's `config`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from edged.controllers.core import abi
from edged.controllers.core.codes import Code, Refused
from edged.controllers.run.guest import ControllerModule, controller_template
from edged.errors import EdgedError
from edged.telemetry.logs import Logger
from edged.wasm.account import Budget

if TYPE_CHECKING:
    from edged.cli.policy.evaluator import Evaluator
    from edged.wasm.binary import Interface


class NoDesk:
    """Answers what `_initialize` may ask: nothing. Clocks stand still, random bytes are zero."""

    def answer(self, name: str, data: bytes) -> bytes:
        raise Refused(Code.DENIED, f"{name}: the module is only inspected")

    async def answer_later(self, name: str, data: bytes) -> bytes:
        return self.answer(name, data)

    def wall_ms(self) -> int:
        return 0

    def monotonic_ms(self) -> int:
        return 0

    def random(self, length: int) -> bytes:
        return bytes(length)

    def line(self, level: str, text: bytes) -> None:
        _say(text)


def examine(interface: Interface) -> tuple[list[str], dict[str, str], str | None]:
    """What is known without compiling: exports that are called, why others are not, what is wrong."""
    from edged.cli.module_content import check_controller

    called, others = abi.known(interface.exports)
    not_called = {name: f"{abi.MODULE} has no such export" for name in others}
    try:
        check_controller(interface)
    except EdgedError as error:
        return called, not_called, str(error)
    return called, not_called, None


async def load_problem(evaluator: Evaluator, content: bytes, name: str) -> str | None:
    """Why it does not load. Does as the daemon does: compile, link, make an instance, ask for its version."""
    limits = evaluator.config.engine
    budget = Budget(memory_mib=limits.memory_limit_mib, cpu_s=limits.cpu_budget_ms / 1000)
    try:
        module = await evaluator.compiler.load_bytes(content, name)
        linked = ControllerModule(controller_template(evaluator.engine, module))
        guest = await linked.guest("inspected", NoDesk(), budget, Logger(), _say)
    except EdgedError as error:
        return " ".join(str(error).split())  # a trap comes with its stack, a frame a line
    guest.close()
    return None


def _say(text: bytes) -> None:
    if text:
        print(f"the module says: {text.decode(errors='replace').rstrip()}", file=sys.stderr)
