"""A step of an installation: look at what is there, say what has to change, change it. And carrying out a list of them.

A step that is looked at again after it was applied finds nothing to do: so an installation can be repeated, goes on
after a failure, and a dry run is looking without applying.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from edged.errors import EdgedError

Change = Literal["create", "update", "delete", "run", "unchanged", "kept", "skipped", "nothing"]
PAST: dict[Change, str] = {"create": "created", "update": "updated", "delete": "deleted", "run": "done"}
"""What was done, for the changes that do something; the others are called by their own name."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a step has to do. `detail` says why, or what of the object it concerns."""

    change: Change
    detail: str = ""

    @property
    def is_change(self) -> bool:
        return self.change in PAST


UNCHANGED = Finding("unchanged")
NOTHING = Finding("nothing")
"""Not even a line in the report."""


class Step(Protocol):
    """`what` names the thing for people, such as `file /etc/edged/edged.toml`."""

    @property
    def what(self) -> str: ...

    async def look(self) -> Finding:
        """Changes nothing. Raises EdgedError, OSError."""

    async def apply(self, found: Finding) -> None:
        """Does what `look` found. Raises EdgedError, OSError."""


@dataclass(frozen=True, slots=True)
class Done:
    """A line of the report. `state`: created, updated, deleted, done, unchanged, kept, skipped, failed; in a dry run
    `would create` and so on."""

    state: str
    what: str
    detail: str = ""


@dataclass(slots=True)
class Report:
    """What was found and decided before, what was done, and where it ended."""

    facts: list[tuple[str, str]] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    next: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def failed(self) -> Done | None:
        return next((line for line in self.done if line.state == "failed"), None)


async def carry_out(
    steps: Iterable[Step], report: Report, *, dry_run: bool, go_on: bool = False,
    said: Callable[[Done], None] = lambda line: None,
) -> bool:  # fmt: skip
    """Whether all went well. The first failure ends it, unless `go_on`; `said` hears of each line as it happens."""
    well = True
    for step in steps:
        line = await _one(step, dry_run)
        if line.state == "nothing":
            continue
        report.done.append(line)
        said(line)
        if line.state == "failed":
            well = False
            if not go_on:
                break
    return well


async def _one(step: Step, dry_run: bool) -> Done:
    try:
        found = await step.look()
        if not found.is_change:
            return Done(found.change, step.what, found.detail)
        if dry_run:
            return Done(f"would {found.change}", step.what, found.detail)
        await step.apply(found)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return Done("failed", step.what, f"{where}{error.strerror or error}")
    except EdgedError as error:
        return Done("failed", step.what, str(error))
    return Done(PAST[found.change], step.what, found.detail)


def changes(lines: Sequence[Done]) -> list[Done]:
    """Those lines that say that something was, or would be, changed."""
    return [line for line in lines if line.state in PAST.values() or line.state.startswith("would ")]
