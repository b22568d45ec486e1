"""`edged policy bench`: measures how long one answer takes, in this process: without network, TLS and API server.

Every evaluation is a review as the daemon makes it, with a fresh instance: first one that starts anew, then one that
begins from an image, where the daemon would have one. Host calls can be replayed.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli import from_kwctl, options
from edged.cli.output import is_table, print_data, print_table
from edged.cli.parsing import Parser
from edged.cli.policy import ask
from edged.errors import ConfigError, EdgedError, GuestError

if TYPE_CHECKING:
    from edged.admission.host.admission import Admission
    from edged.admission.host.policy import Group, Policy, PolicySet
    from edged.admission.rules.review import AdmissionRequest
    from edged.cli.policy.evaluator import Evaluator

COLUMNS = ("policy", "start", "n", "p50_ms", "p95_ms", "p99_ms", "max_ms", "per_s", "rss_mib")
GENERATED = 100
"""Objects of each kind and operation that a module's match conditions are tried with."""


def declare(parser: Parser) -> None:
    parser.describe("Asks a policy about the same request many times, one after the other, and prints how long the "
                    "answers took: with a fresh start, and from an image of the initialised guest where there can be "
                    "one. Exit code 0: measured; 1: the policy failed, or its module's match "
                    "conditions keep a request from it that it would not let pass; 2: usage.",
                    "edged policy bench -r pod.yaml --measurement-time 5 pod-privileged.wasm", notes=ask.POLICIES)
    parser.elsewhere(from_kwctl.BENCH)
    ask.add_options(parser)
    measure = parser.add_argument_group("the measurement")
    measure.add_argument("--warm-up-time", metavar="SECONDS", type=options.seconds(3600, zero=True), default=1.0,
                         help="default: 1")  # fmt: skip
    measure.add_argument("--measurement-time", metavar="SECONDS", type=options.seconds(3600), default=3.0,
                         help="default: 3")  # fmt: skip
    measure.add_argument("--sample-size", "--num-samples", metavar="N", type=options.whole(1, 10_000_000), default=100,
                         help="evaluate at least N times, however long that takes; default: 100")  # fmt: skip
    measure.add_argument("--replay-host-capabilities-interactions", metavar="FILE", dest="replay",
                         help="answer host calls from this recording")  # fmt: skip
    options.output(parser)


def run(args: argparse.Namespace) -> int:
    import trio

    results = trio.run(_run, args)
    if is_table(args.output):
        rows = [[{**row, **each}[key] for key in COLUMNS] for row in results for each in _starts(row)]
        print_table([name.upper().replace("_", " ") for name in COLUMNS], rows, args.output)
    else:
        print_data(results, args.output)
    for row in results:
        if row["failure"]:
            print(f"edged: policy {row['policy']} failed: {row['failure']}", file=sys.stderr)
        elif row["fresh_because"]:
            print(f"edged: policy {row['policy']} starts fresh each time: {row['fresh_because']}", file=sys.stderr)
    return 1 if any(row["failure"] for row in results) else 0


async def _run(args: argparse.Namespace) -> list[dict[str, Any]]:
    from edged.cli.policy.evaluator import Failures, Lines, open_evaluator
    from edged.cli.policy.sessions import load
    from edged.cli.policy.sources import policies

    config, wished, questions = ask.config_of(args), ask.wishes(args), ask.Questions(args)
    replay = load(Path(args.replay)) if args.replay else None
    results = []
    with tempfile.TemporaryDirectory(prefix="edged-policy-") as scratch:
        async with open_evaluator(config, cluster=args.allow_context_aware and replay is None) as evaluator:
            found = await policies(args.policy, config, evaluator.modules, wished, Path(scratch))
            named = [each.policy for each in found]
            if not args.allow_context_aware and replay is None:
                ask.refuse_cluster(named)
            lines, failures = Lines(show=False, keep=False), Failures()
            before = rss_mib()
            loaded = await evaluator.load(named, lines)
            admission = evaluator.admission(loaded, lines, replay, observers=(failures,))
            await _check_conditions(evaluator, loaded, args)
            asked = {policy.name: _only(questions.of(loaded[policy.name]), args.request_path) for policy in named}
            for policy in named:
                evaluator.say.begin(
                    f"{policy.name}: warming up for {args.warm_up_time:g} s, measuring for {args.measurement_time:g} s"
                )
                row = await measure(admission, policy.name, asked[policy.name], args)
                row |= {"failure": failures.last, "rss_mib": rss_mib(), "rss_before_mib": before}
                row["image"], row["fresh_because"] = None, ""
                if not failures.last and not (why := await _begin_from_images(loaded[policy.name])):
                    image = await measure(admission, policy.name, asked[policy.name], args)
                    row |= {"image": image, "failure": failures.last}
                elif not failures.last:
                    row["fresh_because"] = why
                evaluator.say.done()
                results.append(row)
    return results


def _starts(row: dict[str, Any]) -> list[dict[str, Any]]:
    """What the table shows of a policy: a line for each way in which its evaluations begin."""
    image = [{**row["image"], "start": "image"}] if row["image"] is not None else []
    return [{"start": "fresh"}, *image]


async def _begin_from_images(policy: Policy | Group) -> str:
    """Let the guests begin as in a daemon that runs for a while; why they all start fresh, or ""."""
    from edged.admission.host.image_trials import NoImage, NotNow
    from edged.admission.host.policy import guests_of
    from edged.admission.host.preinitialization import image_of

    reasons = []
    guests = list(guests_of(policy))
    for guest in guests:
        try:
            guest.beginning.image = await image_of(guest)
        except (NoImage, NotNow, GuestError) as error:
            reasons.append(str(error))
    return reasons[0] if len(reasons) == len(guests) else ""


async def _check_conditions(evaluator: Evaluator, loaded: PolicySet, args: argparse.Namespace) -> None:
    """Raises PeerError for a policy that is faster than it may be: its module keeps requests from it that matter."""
    for policy in loaded.values():
        if policy.error is not None or not policy.module_conditions:
            continue
        from edged.admission.host.policy import Policy
        from edged.cli.policy import counterexamples

        assert isinstance(policy, Policy)
        tried = [*counterexamples.recorded([args.request_path], policy), *counterexamples.generated(policy, GENERATED)]
        if found := await counterexamples.search(evaluator, policy, tried):
            raise WrongConditions(f"counterexample: {found}")


class WrongConditions(EdgedError):
    """A module's match conditions are wrong: its policy would be asked less than it has to be."""


def _only(requests: list[tuple[AdmissionRequest, str]], path: str) -> AdmissionRequest:
    """Raises ConfigError where there are several."""
    if len(requests) != 1:
        raise ConfigError(f"{path}: holds {len(requests)} requests; one is measured at a time")
    return requests[0][0]


async def measure(
    admission: Admission, name: str, request: AdmissionRequest, args: argparse.Namespace
) -> dict[str, Any]:
    """One policy: times in milliseconds, of each evaluation by itself."""
    await _repeat(admission, name, request, args.warm_up_time, 1)
    took, verdicts, cpu_s = await _repeat(admission, name, request, args.measurement_time, args.sample_size)
    took.sort()
    return {
        "policy": name,
        "n": len(took),
        "mean_ms": round(math.fsum(took) / len(took), 3),
        **{f"p{rank}_ms": round(percentile(took, rank), 3) for rank in (50, 95, 99)},
        "min_ms": round(took[0], 3),
        "max_ms": round(took[-1], 3),
        "per_s": round(1000 * len(took) / math.fsum(took)),
        "cpu_ms": round(1000 * cpu_s / len(took), 3),
        "verdicts": dict(verdicts),
    }


async def _repeat(
    admission: Admission, name: str, request: AdmissionRequest, seconds: float, least: int
) -> tuple[list[float], Counter[str], float]:
    took: list[float] = []
    verdicts: Counter[str] = Counter()
    clock = time.perf_counter
    cpu, end = time.process_time(), clock() + seconds
    while clock() < end or len(took) < least:
        begun = clock()
        response = await admission.review(name, request)
        took.append((clock() - begun) * 1000)
        verdicts["allowed" if response.allowed else "rejected"] += 1
    return took, verdicts, time.process_time() - cpu


def percentile(ordered: Sequence[float], rank: int) -> float:
    """Nearest rank of values in order."""
    return ordered[max(0, math.ceil(rank / 100 * len(ordered)) - 1)]


def rss_mib() -> float:
    """Memory of this process that is resident now."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    import resource

    return round(pages * resource.getpagesize() / (1 << 20), 1)
