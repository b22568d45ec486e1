"""Whether CEL expressions compile: asked of a short-lived child process.

The library that knows costs 30 MiB, which a daemon would never get back, and is needed only when a custom resource
with match conditions is applied. Run as a program, this file is the child: a JSON list of expressions on stdin,
`{expression: problem}` on stdout for those that have one. Used by admission/resources/resource_reviews.py.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping

import trio

from edged.errors import PeerError

TIMEOUT_S = 6.0
VARIABLES = frozenset(("object", "oldObject", "request", "authorizer"))
"""What match conditions of a webhook may read."""
REMEMBERED = 256
_MACRO = re.compile(r"\.\s*(?:all|exists|exists_one|existsOne|map|filter|transformList|transformMap)\s*\(\s*"
                    r"([_a-zA-Z][_a-zA-Z0-9]*)\s*(?:,\s*([_a-zA-Z][_a-zA-Z0-9]*)\s*)?,")  # fmt: skip


class CelUnavailable(PeerError):
    """The expressions could not be checked; the API server checks them again when they are registered."""


class CelChecker:
    """Asks a child, one at a time, and remembers answers."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._one_child = trio.Lock()

    async def problems(self, expressions: Iterable[str]) -> Mapping[str, str]:
        """Expression -> why it cannot be used, for those that cannot. Raises CelUnavailable."""
        wanted = list(dict.fromkeys(expressions))
        async with self._one_child:
            unknown = [text for text in wanted if text not in self._known]
            if unknown:
                found = await _ask(unknown)
                while len(self._known) > REMEMBERED:
                    del self._known[next(iter(self._known))]
                self._known.update({text: found.get(text, "") for text in unknown})
            return {text: problem for text in wanted if (problem := self._known.get(text, ""))}


async def _ask(expressions: list[str]) -> dict[str, str]:
    command = [sys.executable, "-m", "edged.admission.endpoint.cel_check"]
    with trio.move_on_after(TIMEOUT_S):
        payload = json.dumps(expressions).encode()
        done = await trio.run_process(command, stdin=payload, capture_stdout=True, capture_stderr=True, check=False)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise CelUnavailable(f"expressions could not be checked: {said[-1] if said else done.returncode}")
        found = json.loads(done.stdout)
        return {str(text): str(problem) for text, problem in found.items()}
    raise CelUnavailable(f"expressions could not be checked within {TIMEOUT_S:g} s")


def problem(expression: str) -> str:
    """Why one expression cannot be a match condition; "" when it can, as far as can be told without types."""
    import cel

    try:
        program = cel.compile(expression)
    except ValueError as error:
        lines = [line.strip() for line in str(error).splitlines() if "ERROR" in line]
        return (lines[0] if lines else str(error)).rpartition("ERROR: ")[2]
    bound = {name for match in _MACRO.finditer(expression) for name in match.groups() if name}
    strange = sorted(set(program.variables()) - VARIABLES - bound)
    return f"undeclared reference to '{strange[0]}'" if strange else ""


def main() -> int:
    """The child."""
    found = {text: why for text in json.load(sys.stdin) if (why := problem(text))}
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
