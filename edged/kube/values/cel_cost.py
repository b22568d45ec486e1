"""What a CEL expression costs the API server, estimated before there is an object. Pure, and no library.

The API server counts while it evaluates, and what goes beyond its limit is an error: under failurePolicy Fail the
request is refused. It looks at no estimate when a webhook is registered, so edged makes one. The units are cel-go's:
one for a step, and more for what walks through a text or a list. Lists and maps are taken to have LENGTH entries, texts
TEXT characters; a macro inside a macro costs LENGTH times LENGTH. Called by admission/rules.
"""

from __future__ import annotations

from typing import Final

from edged.kube.values import cel_syntax
from edged.kube.values.cel_syntax import Call, List, Literal, Map, Name, Node, Select

PER_EXPRESSION: Final = 1_000_000
"""What the API server lets one expression cost: PerCallLimit of k8s.io/apiserver/pkg/apis/cel."""
PER_WEBHOOK: Final = 2_500_000
"""What it lets all match conditions of a webhook cost together: RuntimeCELCostBudgetMatchConditions there."""
LENGTH: Final = 100
TEXT: Final = 1_000
_MACROS: Final = frozenset(("all", "exists", "exists_one", "existsOne", "map", "filter"))
_OF_A_STEP: Final = 4
"""Of a macro, besides what its condition costs: the accumulator and whether to go on."""
_NEW_LIST: Final = 10
_NEW_MAP: Final = 30
_TEXT_SHARE: Final = TEXT // 10
"""A tenth of a unit for each character that is compared or copied: of two texts as many as the shorter one has."""
_SEARCHING: Final = frozenset(("contains", "matches", "find", "findAll", "indexOf", "lastIndexOf", "split", "replace"))
"""Functions that look for one text in another: the cost grows with both."""


def estimate(expression: str) -> int:
    """Units for one evaluation. Raises cel_syntax.Wrong and Unsure."""
    return _cost(cel_syntax.parse(expression.strip()))


def _cost(node: Node) -> int:
    match node:
        case Literal():
            return 0
        case Name():
            return 1
        case Select(operand):
            return 1 + _cost(operand)
        case List(elements):
            return _NEW_LIST + sum(map(_cost, elements))
        case Map(entries):
            return _NEW_MAP + sum(_cost(each) for entry in entries for each in entry)
        case Call(function, arguments, target) if target is not None and function in _MACROS:
            return _cost(target) + _length(target) * (_OF_A_STEP + sum(map(_cost, arguments[1:])))
        case Call(function, arguments, target):
            inner = sum(map(_cost, arguments)) + (_cost(target) if target is not None else 0)
            return inner + _own(function, arguments)


def _length(target: Node) -> int:
    return len(target.elements) if isinstance(target, List) else LENGTH


def _own(function: str, arguments: tuple[Node, ...]) -> int:
    """Of a function or an operator, without its arguments."""
    shortest = min(map(_characters, arguments), default=TEXT)
    if function in ("==", "!=", "<", "<=", ">", ">=", "startsWith", "endsWith"):
        return 1 + shortest // 10
    if function == "in":
        return _length(arguments[1])
    if function == "+":
        return 1 + sum(map(_characters, arguments)) // 10
    if function in _SEARCHING:
        return _TEXT_SHARE * max(1, shortest // 4)
    if function in ("&&", "||", "unary !", "?", "[]", "has", "size", "unary -", "-", "*", "/", "%"):
        return 1
    return _TEXT_SHARE


def _characters(node: Node) -> int:
    """Of a text, as far as the expression says; 0 for what is none."""
    match node:
        case Literal(_, value):
            return len(value) if isinstance(value, str) and node.type == "string" else 0
        case Call("size" | "int" | "double" | "indexOf"):
            return 0
        case Call("+", arguments):
            return sum(map(_characters, arguments))
    return TEXT
