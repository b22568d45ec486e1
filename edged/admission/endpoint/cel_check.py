"""Whether CEL expressions compile: asked of a short-lived child process.

What knows (kube/cel) costs megabytes, which a daemon would never get back, and is needed only when a custom resource
with match conditions is applied. Run as a program, this file is the child: a JSON list of expressions on stdin,
`{expression: problem}` on stdout for those that have one. Used by admission/resources/resource_reviews.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping

import trio

from edged.errors import PeerError
from edged.kube.values.cel_syntax import MAX_CHARACTERS
from edged.kube.values.cel_types import Judgement, judge
from edged.process import children

TIMEOUT_S = 6.0
MOST_JUDGED = 2 * MAX_CHARACTERS
"""Characters of one question that this process looks at itself, which takes a millisecond for each thousand. The child
looks at the others."""
REMEMBERED = 256
MOST_WAITING = 16
"""Questions at a time. Each child takes about a second, and a review has ten."""


class CelUnavailable(PeerError):
    """The expressions could not be checked; the API server checks them again when they are registered."""


class CelChecker:
    """Asks a child, one at a time, and remembers answers. Only about what is not known without it."""

    def __init__(self) -> None:
        self._problems: dict[str, str] = {}
        self._one_child = trio.Lock()
        self._waiting = 0

    async def problems(self, expressions: Iterable[str]) -> Mapping[str, str]:
        """Expression -> why it cannot be used, for those that cannot. Raises CelUnavailable, also where so many others
        ask that there is no time for these."""
        judged: dict[str, Judgement] = {}
        characters = 0
        for text in dict.fromkeys(expressions):
            await trio.lowlevel.checkpoint()
            characters += len(text)
            judged[text] = judge(text) if characters <= MOST_JUDGED else Judgement("unsure", "there are too many")
        wrong = {text: judgement.text for text, judgement in judged.items() if judgement.kind == "wrong"}
        unsure = [text for text, judgement in judged.items() if judgement.kind == "unsure"]
        return {**wrong, **await self._asked(unsure)} if unsure else wrong

    async def _asked(self, asked: list[str]) -> Mapping[str, str]:
        if self._waiting >= MOST_WAITING:
            raise CelUnavailable("expressions could not be checked: too many others wait")
        self._waiting += 1
        try:
            with trio.fail_after(TIMEOUT_S):
                return await self._child_says(asked)
        except trio.TooSlowError:
            raise CelUnavailable(f"expressions could not be checked within {TIMEOUT_S:g} s") from None
        finally:
            self._waiting -= 1

    async def _child_says(self, asked: list[str]) -> Mapping[str, str]:
        async with self._one_child:
            unknown = [text for text in asked if text not in self._problems]
            if unknown:
                answers = await _ask(unknown)
                while len(self._problems) > REMEMBERED:
                    del self._problems[next(iter(self._problems))]
                self._problems.update({text: answers.get(text, "") for text in unknown})
            return {text: problem for text in asked if (problem := self._problems.get(text, ""))}


async def _ask(expressions: list[str]) -> dict[str, str]:
    command = children.own_program("edged.admission.endpoint.cel_check")
    try:
        ended = await children.run(command, within_s=TIMEOUT_S, stdin=json.dumps(expressions).encode())
    except children.ChildTooSlow as error:
        raise CelUnavailable(f"expressions could not be checked within {TIMEOUT_S:g} s") from error
    except children.ChildFailed as error:
        raise CelUnavailable(f"expressions could not be checked: {error}") from error
    if ended.code != 0:
        raise CelUnavailable(f"expressions could not be checked: {ended.reason}")
    return {str(text): str(problem) for text, problem in json.loads(ended.output).items()}


def problem(expression: str) -> str:
    """Why one expression cannot be a match condition, in a line; "" when it can."""
    from edged.kube.cel import conditions

    why = conditions.problem(expression).removeprefix("compilation failed: ")
    return why.partition("\n")[0].removeprefix("ERROR: ")


def main() -> int:
    """The child."""
    problems = {text: why for text in json.load(sys.stdin) if (why := problem(text))}
    json.dump(problems, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
