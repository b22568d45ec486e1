"""`edged compile FILE...`: fills the cache of compiled modules, as the daemon does when it first loads a module."""

from __future__ import annotations

import argparse
import math
import sys
from functools import partial
from pathlib import Path

from edged.cli import options
from edged.cli.parsing import Parser
from edged.cli.progress import progress, told_compiling
from edged.errors import EdgedError


def declare(parser: Parser) -> None:
    parser.describe("Compiles modules in a child process and keeps the result in the cache, so that the daemon starts "
                    "without compiling. Modules that are already in the cache are not compiled again.",
                    "edged compile policy.wasm", "edged compile --config /etc/edged/edged.toml *.wasm")
    parser.add_argument("files", nargs="+", metavar="FILE", help="a .wasm file")
    options.config(parser, "take cache_dir and the engine from this configuration file")
    options.cache_dir(parser)
    parser.add_argument("--engine", choices=("native", "pulley"), metavar="KIND",
                        help="what to compile for: native or pulley; default: native")
    parser.add_argument("--memory-mib", type=options.whole(64, 65536), default=1024, metavar="N",
                        help="limit of the compiler's address space in MiB; default: 1024")
    parser.add_argument("--timeout", type=options.seconds(86400), default=180.0, metavar="SECONDS",
                        help="time limit for one module; default: 180")
    options.quiet(parser)


def run(args: argparse.Namespace) -> int:
    import trio

    return trio.run(_compile, args)


async def _compile(args: argparse.Namespace) -> int:
    from edged.cli.tool_config import tool_config
    from edged.wasm.compile import CompileLimits, Compiler
    from edged.wasm.engine import Engine

    settings = tool_config(args.config, args.cache_dir, args.engine)
    limits = CompileLimits(memory_mib=args.memory_mib, cpu_s=math.ceil(args.timeout), wall_s=args.timeout)
    engine = Engine(settings.engine.kind, pooled=False)
    failed = 0
    with progress(show=not args.quiet) as say:
        compiler = Compiler(engine, Path(settings.node.cache_dir), limits, on_progress=partial(told_compiling, say))
        for number, name in enumerate(args.files, 1):
            say(f"module {number} of {len(args.files)}: {name}")
            try:
                module = await compiler.load(Path(name))
            except EdgedError as error:
                print(f"edged: {error}", file=sys.stderr)
                failed += 1
            else:
                print(f"{module.digest}  {name}")
    if failed:
        print(f"{failed} of {len(args.files)} modules failed", file=sys.stderr)
    return 1 if failed else 0
