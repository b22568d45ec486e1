"""What the methods of Kubernetes' CEL libraries cost at most, by the sizes of what they get. Pure.

Source: apiserver's cel/library/cost.go.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from edged.kube.cel.tree import Call, Const, Node
from edged.sandbox.custom.rule_cost_numbers import PATTERN, TEXT, plus, share, times


class Sizes(Protocol):
    """How large values may be."""

    def known(self, node: Node | None) -> int:
        """The most characters or elements of a value."""
        ...

    def element_size(self, node: Node) -> int | None:
        """The same of each element of a list; None for what is no list."""
        ...


Estimate = tuple[int, int | None]


def _walked(self: Sizes, node: Call) -> Estimate:
    """min, max, sum, isSorted, indexOf and the like."""
    assert node.target is not None
    size, element = self.known(node.target), self.element_size(node.target)
    if element is None:
        return share(size, TEXT), None
    texts = node.target.type is not None and node.target.type.params[0].name in ("string", "bytes")
    return times(size, plus(1, share(element, TEXT) if texts else 0)), None


def _copied(self: Sizes, node: Call) -> Estimate:
    size = self.known(node.target)
    return share(size, TEXT), size


def _replaced(self: Sizes, node: Call) -> Estimate:
    size, new = self.known(node.target), self.known(node.arguments[1])
    old = node.arguments[0]
    least = self.known(old) if isinstance(old, Const) else 0
    if least == 0:
        made = plus(times(plus(size, 1), new), size)
    else:
        made = size if new <= least else times(math.ceil(size / least), new)
    return share(size, 2 * TEXT), made


def _split(self: Sizes, node: Call) -> Estimate:
    size = self.known(node.target)
    most = node.arguments[1].value if len(node.arguments) > 1 and isinstance(node.arguments[1], Const) else size
    return share(size, 2 * TEXT), most if isinstance(most, int) and most >= 0 else size


def _joined(self: Sizes, node: Call) -> Estimate:
    assert node.target is not None
    count, element = self.known(node.target), self.element_size(node.target)
    size = times(count, element) if element is not None else 0
    if node.arguments:
        size = plus(size, times(self.known(node.arguments[0]), max(count - 1, 0)))
    return share(size, TEXT), size


def _found(self: Sizes, node: Call) -> Estimate:
    size = self.known(node.target)
    return times(share(plus(size, 1), TEXT), share(self.known(node.arguments[0]), PATTERN)), size


METHODS: dict[str, Callable[[Sizes, Call], Estimate]] = {
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf", "includes"), _walked),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _copied),
    "replace": _replaced, "split": _split, "join": _joined, "find": _found, "findAll": _found,
}  # fmt: skip
