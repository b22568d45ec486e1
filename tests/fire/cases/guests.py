"""Hostile guests beside an honest policy: each denies for itself alone, and memory stays within the unit's limit."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.scheduling import wat_module
from tests.fire.context import NO_PRIVILEGED, Context
from tests.fire.reviews import Question, Reviews, privileged_questions
from tests.fire.rows import Row, Tally

KINDS = (
    "spin", "memory-bomb", "table-bomb", "recursion", "trap-memory", "reply-huge", "log-flood", "memory-fill",
    "host-calls-1m", "sleep-10s",
)  # fmt: skip
"""Of modules/faults: endless loops, memory, recursion, traps, output, host calls."""
MAY_ACCEPT = {"memory-bomb", "table-bomb"}
"""They ask for too much and go on with less, or are ended where all guests together use too much."""
EACH = 9
ENGINE = "[engine]\ncpu_budget_ms = 300\nwall_timeout_s = 1.5\n"


def hostile(context: Context, tally: Tally) -> None:
    """90 policies, all of them asked all the time."""
    each = context.scaled(EACH, 3)
    policies = [NO_PRIVILEGED]
    questions = []
    for kind in KINDS:
        path = wat_module(kind, context.folder / f"{kind}.wasm")
        for number in range(each):
            policies.append({"name": f"{kind}-{number}", "module": f"file://{own_copy(path, number, context.folder)}"})
            questions.append(_question(f"{kind}-{number}", kind))
    with (
        context.edged(policies=policies, toml=ENGINE, start_s=300.0) as edged,
        Reviews(edged, tally, questions, threads=context.scaled(24, 12), late_s=20.0, timeout_s=60.0) as bad,
        Reviews(edged, tally, privileged_questions(), threads=2, pause_s=0.02, late_s=2.0) as honest,
    ):
        bad.more(len(questions) * context.scaled(4, 2), seconds=context.scaled(300.0, 90.0))
        honest.more(50)
    figures = {"hostile": bad.answered, "honest": honest.answered, "slowest_honest_s": round(honest.slowest_s, 2)}
    tally.figures |= figures


def _question(name: str, kind: str) -> Question:
    subject = privileged_questions()[0].object
    return Question(name, subject, None) if kind in MAY_ACCEPT else Question(name, subject, False, code=500)


def own_copy(path: Path, number: int, folder: Path) -> Path:
    """A copy that differs in its bytes (a custom section), so that nothing of two policies is shared."""
    text = f"copy {number}".encode()
    section = bytes([len(b"fire")]) + b"fire" + text
    copy = folder / f"{path.stem}-{number}.wasm"
    copy.write_bytes(path.read_bytes() + b"\0" + bytes([len(section)]) + section)
    return copy


ROWS = (
    Row("hostile-guests", "90 guests: loops, memory, recursion, traps, output, host calls", hostile, quick=True),
)
