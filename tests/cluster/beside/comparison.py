"""Plays stories on both servers and says where they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.cluster.beside.left_out import DIFFERS
from tests.cluster.beside.normal import differences
from tests.cluster.beside.playing import Player
from tests.cluster.beside.steps import Step, Story


@dataclass(frozen=True, slots=True)
class Compared:
    """One step of a story and the places where the two answers differ."""

    story: str
    number: int
    step: Step
    lines: tuple[str, ...]
    real: Any
    left_out: str

    @property
    def equal(self) -> bool:
        return not self.lines

    @property
    def fault(self) -> str:
        """What is wrong about it; empty if nothing."""
        if self.lines and not self.left_out:
            return "\n    ".join((f"{self.story} {self.number}: {self.step}", *self.lines))
        if not self.lines and self.left_out:
            return f"{self.story} {self.number}: {self.step}: equal, though left out for {self.left_out}"
        return ""


def compare(story: Story, sandbox: Player, real: Player) -> list[Compared]:
    ours, theirs = sandbox.play(story), real.play(story)
    return [
        Compared(story.name, number, step, tuple(differences(one, other)), other,
                 step.left_out or DIFFERS.get(story.name, {}).get(number, ""))
        for number, (step, one, other) in enumerate(zip(story.steps, ours, theirs, strict=True), start=1)
    ]
