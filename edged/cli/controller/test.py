"""`edged controller test`: plays scripts with a module and says what is not as expected.

scripts.py reads them, stage.py plays them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli import options
from edged.cli.parsing import Parser
from edged.errors import ConfigError

if TYPE_CHECKING:
    from trio.testing import MockClock

    from edged.cli.controller.hosting import Loader
    from edged.cli.controller.scripts import Script, Test
    from edged.cli.tool_config import ToolConfig
    from edged.controllers.config import ControllerConfig
    from edged.controllers.run.guest import ControllerModule


def declare(parser: Parser) -> None:
    parser.describe(
        "Runs a module against an API server in memory, as a script says, and compares what it did with what is "
        "expected. The time stands still but for the script: an hour passes at once, and every run is the same. Exit "
        "code 0: all as expected; 1: something is not; 2: a file is wrong.",
        "edged controller test greeting.wasm greeting.controller-test.yaml",
        "edged controller test greeting.wasm tests/ --filter conflict -o json",
        notes="In a folder, the command takes files named *controller-test.yaml (or .yml, .json). "
              "docs/controller-tests.md describes them.",
    )  # fmt: skip
    parser.add_argument("module", metavar="MODULE", help="a .wasm file")
    parser.add_argument("scripts", metavar="SCRIPT", nargs="+", help="files and folders")
    parser.add_argument("--filter", metavar="TEXT", default="", help="only tests whose names have this text in them")
    parser.add_argument("-v", "--verbose", action="store_true", help="also print what the module writes to its log")
    options.output(parser, "text", "json", "yaml")
    options.config(parser, "take folders and limits of the engine from this edged.toml")
    options.cache_dir(parser)


@dataclass(slots=True)
class Result:
    """`details`: what is not as expected, each with its step."""

    script: Script
    test: Test
    details: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


def run(args: argparse.Namespace) -> int:
    import trio
    import trio.testing

    from edged.cli.controller import scripts
    from edged.cli.tool_config import tool_config

    module = Path(args.module)
    if not module.is_file():
        raise ConfigError(f"{args.module}: there is no such file")
    found = [scripts.read(path, module.absolute().as_uri()) for path in scripts.discover(args.scripts)]
    if not any(args.filter in test.name for script in found for test in script.tests):
        raise ConfigError(f"no test has {args.filter!r} in its name")
    clock = trio.testing.MockClock(rate=1.0)
    config = tool_config(args.config, args.cache_dir)
    results: list[Result] = trio.run(_run, config, clock, found, args.filter, clock=clock)
    show(results, args.output, verbose=args.verbose)
    return 1 if any(result.details for result in results) else 0


async def _run(
    config: ToolConfig, clock: MockClock, scripts: Sequence[Script], pattern: str
) -> list[Result]:
    from edged.cli.controller.loading import open_loader

    async with open_loader(config) as loader:
        # Compiled while the clock goes; what is wrong with the module ends the command.
        once = LoadedOnce(await loader.load(scripts[0].config))
        clock.rate = 0.0
        results = [
            await play(clock, once, script, test)
            for script in scripts for test in script.tests if pattern in test.name
        ]  # fmt: skip
        clock.rate = 1.0
        return results


class LoadedOnce:
    """A loader that has the module already: threads and processes know nothing of a clock that stands."""

    def __init__(self, module: ControllerModule) -> None:
        self._module = module

    async def load(self, config: ControllerConfig) -> ControllerModule:
        return self._module


async def play(clock: MockClock, loader: Loader, script: Script, test: Test) -> Result:
    """One test. The first step that is not as expected is the last one."""
    from edged.cli.controller.stage import Failed, staged

    result = Result(script, test)
    step = None
    async with staged(clock, loader, script, test) as stage:
        result.log = stage.log
        try:
            await stage.begin()
            for number, step in enumerate(test.steps, 1):
                differences = await stage.play(step)
                if differences:
                    result.details = [f"step {number} (line {step.line}): {each}" for each in differences]
                    return result
            result.details = stage.end()
        except Failed as failed:
            at = f"step {test.steps.index(step) + 1} (line {step.line}): " if step is not None else ""
            result.details.append(f"{at}{failed}")
    return result


def show(results: Sequence[Result], output: str, *, verbose: bool = False) -> None:
    if output == "text":
        for line in _text(results, verbose):
            print(line)
        return
    from edged.cli.output import print_data

    print_data({"results": [_data(result) for result in results]}, output)


def _text(results: Sequence[Result], verbose: bool) -> Iterator[str]:
    for file in dict.fromkeys(result.script.file for result in results):
        yield file
        for result in results:
            if result.script.file == file:
                yield from _lines(result, verbose)
    failed = sum(bool(result.details) for result in results)
    yield ""
    yield f"{len(results) - failed} passed, {failed} failed"


def _lines(result: Result, verbose: bool) -> Iterator[str]:
    word = "FAILED" if result.details else "ok"
    yield f"  {word} {_safe(result.test.name)} (line {result.test.line})"
    for detail in result.details:
        yield f"    {_safe(detail)}"
    if verbose or result.details:
        yield from (f"    log: {_safe(line)}" for line in result.log)


def _safe(text: str) -> str:
    """Escapes control characters: a module must not control the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _data(result: Result) -> dict[str, Any]:
    return {
        "file": result.script.file, "line": result.test.line, "name": result.test.name,
        "outcome": "failed" if result.details else "passed", "details": result.details, "log": result.log,
    }  # fmt: skip
