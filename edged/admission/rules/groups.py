"""Policy groups: the expression over members, and what a group answers. Pure.

Grammar, a part of CEL and of Rhai, so that an expression means the same to all who read it; `!` binds strongest:

    or    = and { "||" and }
    and   = equal { "&&" equal }
    equal = not { ("==" | "!=") not }
    not   = { "!" } ( "true" | "false" | NAME "(" ")" | "(" or ")" )

Evaluation is left to right and short-circuits: a member whose verdict cannot matter is not asked. Asking is the
caller's (admission/host/admission.py); config.py parses expressions, too, to refuse broken ones with their place.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Literal

from edged.admission.rules.review import AdmissionResponse
from edged.records import dataclass

MUTATION_IN_GROUP = "mutation is not allowed inside of policy group"
"""Kubewarden's own words."""
MAX_LENGTH = 4096
MAX_DEPTH = 50
MAX_TOKENS = 600  # a chain of operators is a tree as deep as it is long

_TOKEN = re.compile(r"\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>&&|\|\||==|!=|!|\(|\))|(?P<bad>\S))")


class BadExpression(ValueError):
    """Not an expression of the grammar, or it calls what is no member; `column` counts from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"column {column}: {message}")
        self.column = column


@dataclass(frozen=True, slots=True)
class Constant:
    value: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A call: the member's verdict."""

    name: str


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    operator: Literal["&&", "||", "==", "!="]
    left: Expression
    right: Expression


Expression = Constant | Member | Not | Binary


def parse(text: str, members: Mapping[str, object]) -> Expression:
    """The expression, every call of which is a member. Raises BadExpression."""
    if len(text) > MAX_LENGTH:
        raise BadExpression(f"longer than {MAX_LENGTH} characters", MAX_LENGTH + 1)
    return _Parser(text, members).whole()


def called(expression: Expression) -> Iterator[str]:
    """Names of the members it calls, in order, repeated as often as they are called."""
    match expression:
        case Member(name):
            yield name
        case Not(operand):
            yield from called(operand)
        case Binary(_, left, right):
            yield from called(left)
            yield from called(right)


async def evaluate(expression: Expression, ask: Callable[[str], Awaitable[bool | None]]) -> bool | None:
    """Its value; `ask(member)` is awaited for each call that matters, left to right. A member of whom nothing is known
    gives None; the value is None where it depends on such a one."""
    match expression:
        case Constant(value):
            return value
        case Member(name):
            return await ask(name)
        case Not(operand):
            negated = await evaluate(operand, ask)
            return None if negated is None else not negated
        case Binary(operator, left, right):
            first = await evaluate(left, ask)
            if operator in ("&&", "||"):
                decides = operator == "||"  # whatever the other side says
                if first is decides:
                    return first
                second = await evaluate(right, ask)
                return second if first is not None or second is decides else None
            second = await evaluate(right, ask)
            return None if first is None or second is None else (first == second) is (operator == "==")


def is_accepted(response: AdmissionResponse) -> bool:
    """A member's verdict inside a group: a patch would be lost, so one that makes a patch does not accept."""
    return response.allowed and not response.patch


def group_response(
    uid: str, allowed: bool, message: str, asked: Mapping[str, AdmissionResponse]
) -> AdmissionResponse:
    """The group's answer; `asked` has the last answer of each member that was evaluated."""
    if allowed:
        return AdmissionResponse(uid, True)
    causes = [
        {"reason": None, "message": _reason(response), "field": f"spec.policies.{name}"}
        for name, response in asked.items()
        if not is_accepted(response)
    ]
    return AdmissionResponse(uid, False, status={"message": message, "details": {"causes": causes}})


def _reason(response: AdmissionResponse) -> str | None:
    if response.patch:
        return MUTATION_IN_GROUP
    return (response.status or {}).get("message")


class _Parser:
    """Recursive descent, a method per line of the grammar."""

    def __init__(self, text: str, members: Mapping[str, object]) -> None:
        self._members = members
        self._tokens = [
            (found[0].strip(), found.start(found.lastgroup or 0) + 1, found.lastgroup)
            for found in _TOKEN.finditer(text)
        ]
        if len(self._tokens) > MAX_TOKENS:
            raise BadExpression(f"more than {MAX_TOKENS} words and signs", self._tokens[MAX_TOKENS][1])
        self._at = 0
        self._depth = 0
        self._end = len(text.rstrip()) + 1

    def whole(self) -> Expression:
        found = self._or()
        if self._at < len(self._tokens):
            raise self._error("&&, ||, == or != is expected")
        return found

    def _or(self) -> Expression:
        left = self._and()
        while self._take("||"):
            left = Binary("||", left, self._and())
        return left

    def _and(self) -> Expression:
        left = self._equal()
        while self._take("&&"):
            left = Binary("&&", left, self._equal())
        return left

    def _equal(self) -> Expression:
        left = self._not()
        while True:
            if self._take("=="):
                left = Binary("==", left, self._not())
            elif self._take("!="):
                left = Binary("!=", left, self._not())
            else:
                return left

    def _not(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"nested deeper than {MAX_DEPTH}")
        operand = Not(self._not()) if self._take("!") else self._operand()
        self._depth -= 1
        return operand

    def _operand(self) -> Expression:
        if self._take("("):
            inner = self._or()
            self._expect(")")
            return inner
        if self._at == len(self._tokens) or self._tokens[self._at][2] != "name":
            raise self._error("a member's call, true, false, ! or ( is expected")
        name, column, _ = self._tokens[self._at]
        self._at += 1
        if name in ("true", "false"):
            return Constant(name == "true")
        if name not in self._members:
            raise BadExpression(f"{name} is not a member of the group", column)
        self._expect("(")
        self._expect(")")
        return Member(name)

    def _take(self, sign: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][0] == sign:
            self._at += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self._error(f"{sign} is expected")

    def _error(self, what: str) -> BadExpression:
        if self._at == len(self._tokens):
            return BadExpression(f"{what}, not the end", self._end)
        text, column, _ = self._tokens[self._at]
        return BadExpression(f"{what}, not {text!r}", column)
