"""`edged policy test`: asks policies many questions and compares the answers with expected ones.

suite_files.py reads the questions, suite_report.py reports the results. The daemon's own loader and review code gives
the answers (evaluator.py).
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli import options
from edged.cli.parsing import Parser
from edged.errors import ConfigError, EdgedError

if TYPE_CHECKING:
    from edged.admission.config import GroupConfig, PolicyConfig
    from edged.admission.host.policy import Group, Policy
    from edged.cli.policy.counterexamples import Asked, Counterexample
    from edged.cli.policy.evaluator import Evaluator
    from edged.cli.policy.suite_files import Case
    from edged.cli.policy.suite_report import Result
    from edged.cli.tool_config import ToolConfig

def declare(parser: Parser) -> None:
    parser.describe(
        "Asks policies many questions and compares the answers with expected ones. Exit code 0: all as expected; 1: "
        "some are not, or a module's match conditions keep a request from its policy that it would not let pass; 2: a "
        "file is wrong, or there is nothing to test.",
        "edged policy test", "edged policy test modules/admission --filter privileged",
        "edged policy test tests/ -o json --junit report.xml",
        notes="In a folder, the command searches for files named edged-test.yaml, NAME.edged-test.yaml (or .yml, "
              ".toml, .json) and for folders named cases. It skips names that begin with a dot. docs/policy-tools.md "
              "describes the files.",
    )  # fmt: skip
    parser.add_argument("paths", metavar="PATH", nargs="*", default=["."], help="files and folders; default: .")
    parser.add_argument("--filter", metavar="PATTERN", help="only tests whose `POLICY: NAME [OBJECT]` matches")
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="also print tests that pass, and what guests write")
    options.output(parser, "text", "json", "yaml")
    parser.add_argument("--junit", metavar="FILE", 
                        help="also write a JUnit XML report; an existing report is written over, no other file is")
    conditions = parser.add_argument_group("match conditions of the modules (docs/match-conditions.md)")
    conditions.add_argument("--generated", metavar="N", type=options.whole(0, 100_000), default=100,
                            help="look for a request that they wrongly keep from the policy among N generated objects "
                                 "of each kind and operation, besides the tests; default: 100")  # fmt: skip
    conditions.add_argument("--reviews", metavar="FILE", action="append", default=[],
                            help="and among these recorded reviews (`edged reviews --request`); repeatable")
    parser.add_argument("--list", action="store_true", help="print the tests, run none")
    options.config(parser, "take limits and folders from this edged.toml")
    options.cache_dir(parser)
    options.registry(parser)


def run(args: argparse.Namespace) -> int:
    import trio

    from edged.cli.policy import suite_report

    pattern = _pattern(args.filter)
    cases, problems = read(args.paths)
    for problem in problems:
        print(f"edged: {problem}", file=sys.stderr)
    chosen = [case for case in cases if pattern.search(case.title)]
    if not chosen and not problems:
        why = f"no test matches {args.filter!r}" if cases else "no tests were found: no edged-test.yaml, no cases"
        raise ConfigError(f"{', '.join(args.paths)}: {why}")
    if args.list:
        for case in chosen:
            print(f"{case.file}:{case.line}: {case.title}")
        return 2 if problems else 0
    from edged.cli.tool_config import tool_config, with_registry

    if args.junit:
        suite_report.check_junit(Path(args.junit))
    results, wrong = trio.run(_run, with_registry(tool_config(args.config, args.cache_dir), args), chosen, args)
    suite_report.show(results, args.output, verbose=args.verbose)
    if args.junit:
        suite_report.write_junit(Path(args.junit), results)
    for each in wrong:
        print(f"edged: counterexample: {each}", file=sys.stderr)
    if problems:
        return 2
    return 0 if not wrong and all(result.outcome in ("passed", "skipped") for result in results) else 1


def _pattern(text: str | None) -> re.Pattern[str]:
    try:
        return re.compile(text or "", re.IGNORECASE)
    except re.error as error:
        raise ConfigError(f"--filter {text!r} is not a regular expression: {error}") from error


def read(paths: Iterable[str]) -> tuple[list[Case], list[str]]:
    """All cases, and why some files have none: a file that is wrong does not keep the others from being asked."""
    from edged.cli.policy import suite_cases, suite_files

    cases: list[Case] = []
    problems: list[str] = []
    for path in discover(paths):
        is_case = path.parent.name == "cases" and path.suffix == ".json" and not suite_files.NAMES.fullmatch(path.name)
        try:
            cases += suite_cases.read(path) if is_case else suite_files.read(path)
        except EdgedError as error:
            problems.append(str(error))
    return cases, problems


def discover(paths: Iterable[str]) -> list[Path]:
    """The test files that these files and folders name. Raises ConfigError."""
    from edged.cli.policy.suite_files import NAMES

    found: list[Path] = []
    for name in paths:
        path = Path(name)
        if not path.is_dir():
            found.append(path)
            continue
        below = sorted(path.rglob("*"))
        found += [
            each for each in below
            if not any(part.startswith(".") for part in each.relative_to(path).parts) and each.is_file()
            and (NAMES.fullmatch(each.name) or (each.suffix == ".json" and each.absolute().parent.name == "cases"))
        ]  # fmt: skip
    return list(dict.fromkeys(found))


async def _run(
    config: ToolConfig, cases: list[Case], args: argparse.Namespace
) -> tuple[list[Result], list[Counterexample]]:
    from edged.cli.policy.evaluator import open_evaluator

    results: list[Result] = []
    async with open_evaluator(config) as evaluator:
        loaded = Loaded(evaluator)
        for number, case in enumerate(cases, 1):
            evaluator.say(f"test {number} of {len(cases)}: {case.title}")
            results.append(await ask(loaded, case))
        return results, await _counterexamples(loaded, cases, args)


async def _counterexamples(loaded: Loaded, cases: list[Case], args: argparse.Namespace) -> list[Counterexample]:
    """One for each policy that has any."""
    found = []
    for policy in loaded.policies:
        if not _has_conditions(policy):
            continue
        from edged.admission.host.policy import Policy
        from edged.cli.policy import counterexamples

        assert isinstance(policy, Policy)
        loaded.evaluator.say(f"match conditions of {policy.name}")
        tried = [*await _asked(loaded, policy, cases), *counterexamples.recorded(args.reviews, policy),
                 *counterexamples.generated(policy, args.generated)]
        wrong = await counterexamples.search(loaded.evaluator, policy, tried)
        found += [wrong] if wrong else []
    return found


def _has_conditions(policy: Policy | Group) -> bool:
    return policy.error is None and bool(policy.module_conditions)


async def _asked(loaded: Loaded, policy: Policy | Group, cases: list[Case]) -> list[Asked]:
    """The requests of this policy's tests, but for those that expect it to fail: no API server sends them."""
    from edged.cli.policy.counterexamples import Asked

    return [Asked(case.request, f"{case.file}:{case.line}: {case.title}", case.session)
            for case in cases if case.request is not None and not case.skip and case.expect.error is None
            and await loaded.policy(case) is policy]


class Loaded:
    """Policies that were loaded for an earlier case are used again."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self._known: list[tuple[PolicyConfig | GroupConfig, Policy | Group]] = []

    @property
    def policies(self) -> list[Policy | Group]:
        """Those that were asked, or could not be loaded."""
        return [policy for _, policy in self._known]

    async def policy(self, case: Case) -> Policy | Group:
        """The policy of a case, loaded or carrying its error."""
        from edged.cli.policy.evaluator import Lines

        config = await self._granted(case)
        for known, policy in self._known:
            if known == config:
                return policy
        previous = {str(index): policy for index, (_, policy) in enumerate(self._known)}
        policy = (await self.evaluator.load([config], Lines(show=False), previous))[config.name]
        self._known.append((config, policy))
        return policy

    async def _granted(self, case: Case) -> PolicyConfig | GroupConfig:
        """With what the module says that it needs, where the test file says nothing about it. The limit on time is the
        configuration's."""
        from dataclasses import replace

        from edged.admission.config import PolicyConfig
        from edged.cli.policy.sources import metadata_of, module_file

        config = case.policy
        if not isinstance(config, PolicyConfig) or not case.grant:
            return config
        try:
            path = await module_file(config.module, self.evaluator.config, self.evaluator.modules)
            found = metadata_of(path)
        except EdgedError:
            return config  # loading it says why
        granted: dict[str, Any] = {}
        if "context_aware" in case.grant:
            granted["context_aware"] = found.context_aware
        if "host_capabilities" in case.grant:
            by_kinds = ("kubernetes/*",) if found.context_aware else ()
            granted["host_capabilities"] = by_kinds if found.host_capabilities is None else found.host_capabilities
        return replace(config, **granted)


async def ask(loaded: Loaded, case: Case) -> Result:
    """One case, asked and judged."""
    import trio

    from edged.cli.policy import suite_report
    from edged.cli.policy.evaluator import Failures, Lines
    from edged.cli.policy.suite_report import Answer, Result

    if case.skip:
        return Result(case, "skipped", [case.skip])
    begun = trio.current_time()
    policy = await loaded.policy(case)
    answer = Answer(policy.error or "")
    lines = Lines(show=False)
    session = case.session.fresh() if case.session is not None else None
    if case.request is not None:
        failures = Failures()
        admission = loaded.evaluator.admission({case.policy.name: policy}, lines, session, observers=(failures,))
        answer.response = await admission.review(case.policy.name, case.request)
        answer.failure = failures.last
    answer.lines = lines.kept
    answer.missing = session.missing if session is not None else []
    differences = suite_report.judge(case, answer)
    outcome = "failed" if differences else "passed"
    return Result(case, outcome, differences, answer, trio.current_time() - begun)
