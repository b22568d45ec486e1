"""Explores every state that a model can reach, breadth first, and tells the shortest way to one that must not be.

A model is a value with `initial()`, `steps(state)` and `wrong(state)`. States are hashable, and two that differ by
names only should be one: the model brings each into one form before it hands it out.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

State = TypeVar("State", bound=Hashable)


class Model(Protocol[State]):
    """What is explored."""

    def initial(self) -> State: ...

    def steps(self, state: State) -> Iterable[tuple[str, State]]:
        """What may happen next: what it is called, and the state after it."""
        ...

    def wrong(self, state: State) -> str:
        """Why the state must not be; empty if it may."""
        ...


@dataclass(frozen=True)
class Exploration:
    """What a search came to. `trace`: the steps to the state that is `wrong`, from the initial one.
    `resting`: states from which nothing leads on. `complete`: no state was left out."""

    states: int
    transitions: int
    resting: int
    complete: bool
    wrong: str = ""
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = f"{self.states} states, {self.transitions} transitions, {self.resting} at rest"
        said += "" if self.complete else " (not all of them)"
        return f"{said}: {self.wrong}\n  " + "\n  ".join(self.trace) if self.wrong else said


class _Search(Generic[State]):
    def __init__(self, model: Model[State], most: int) -> None:
        self._model, self._most = model, most
        self._origins: dict[State, tuple[State, str] | None] = {}
        self._transitions = self._resting = 0

    def run(self) -> Exploration:
        first = self._model.initial()
        self._origins[first] = None
        layer = [first]
        while layer:
            following: list[State] = []
            for state in layer:
                if reason := self._model.wrong(state):
                    return self._result(False, reason, self._trace(state))
                following.extend(self._expand(state))
                if len(self._origins) > self._most:
                    return self._result(False)
            layer = following
        return self._result(True)

    def _expand(self, state: State) -> list[State]:
        new, moved = [], False
        for label, successor in self._model.steps(state):
            moved = True
            self._transitions += 1
            if successor not in self._origins:
                self._origins[successor] = (state, label)
                new.append(successor)
        self._resting += not moved
        return new

    def _trace(self, state: State) -> tuple[str, ...]:
        labels = []
        while origin := self._origins[state]:
            state, label = origin
            labels.append(label)
        return tuple(reversed(labels))

    def _result(self, complete: bool, wrong: str = "", trace: tuple[str, ...] = ()) -> Exploration:
        return Exploration(len(self._origins), self._transitions, self._resting, complete, wrong, trace)


def explore(model: Model[State], most: int = 10_000_000) -> Exploration:
    """The search ends at the first state that is wrong, or after `most` states."""
    return _Search(model, most).run()
