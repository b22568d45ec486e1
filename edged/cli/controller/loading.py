"""An engine and what loads modules into it, for one command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli.progress import progress, told_compiling, told_fetching
from edged.controllers.run.loading import ModuleLoader
from edged.registry.modules import Modules
from edged.telemetry.logs import Logger, LogStyle
from edged.wasm.compile import Compiler
from edged.wasm.engine import Engine

if TYPE_CHECKING:
    from edged.cli.tool_config import ToolConfig


@asynccontextmanager
async def open_loader(config: ToolConfig) -> AsyncIterator[ModuleLoader]:
    """Loads as the daemon does."""
    limits = config.engine
    engine = Engine(limits.kind, limits.guests_memory_mib, memory_limit_mib=limits.memory_limit_mib)
    try:
        with progress() as say:
            compiler = Compiler(engine, Path(config.node.cache_dir), on_progress=partial(told_compiling, say))
            quiet = Logger(LogStyle(level="error"))
            modules = Modules(config.registry, Path(config.node.state_dir), quiet, partial(told_fetching, say))
            yield ModuleLoader(compiler, modules)
    finally:
        engine.close()
