"""What an expression of a rule may cost at most, estimated by the bounds that its schema has. Pure.

Source: cel-go's checker/cost.go, and apiserver's cel/library/cost.go for the functions of Kubernetes.
"""

from __future__ import annotations

from dataclasses import dataclass

from edged.kube.cel import checking, parsing
from edged.kube.cel.macros import ACCUMULATOR
from edged.kube.cel.tree import Call, Const, Fold, Ident, ListOf, MapOf, Message, Node, Select
from edged.sandbox.custom.rule_cost_numbers import MOST, PATTERN, TEXT, plus, share, times
from edged.sandbox.custom.rule_method_costs import METHODS
from edged.sandbox.custom.rule_types import Declared, environment

_SCALARS = ("bool", "double", "int", "uint", "google.protobuf.Duration", "google.protobuf.Timestamp")
_CHEAP = frozenset((
    "masked", "prefixLength", "family", "isUnspecified", "isLoopback", "isLinkLocalMulticast", "isLinkLocalUnicast",
    "isGlobalUnicast", "format.named", "sign", "asInteger", "isInteger", "asApproximateFloat", "isGreaterThan",
    "isLessThan", "compareTo", "add", "sub", "major", "minor", "patch", "getScheme", "getHostname", "getHost",
    "getPort", "getEscapedPath", "getQuery",
))  # fmt: skip
_READS_FIRST = {"cidr": 1, "isIP": 1, "isCIDR": 1, "ip": 1, "ip.isCanonical": 2, "quantity": 1, "isQuantity": 1,
                "semver": 1, "isSemver": 1}  # fmt: skip
"""Functions that go once or twice through the text that is their first argument."""
_COMPARED = frozenset(
    f"{name}_{kind}" for name in ("less", "greater", "less_equals", "greater_equals") for kind in ("string", "bytes")
)


def estimate(expression: str, of: Declared, *, optional: bool = False) -> int:
    """Units for one evaluation at most. Raises CompileError."""
    tree = parsing.parse(expression)
    checking.check(expression, tree, environment(of, optional=optional))
    return _Coster(of).cost(tree)


@dataclass(frozen=True, slots=True)
class _Entries:
    """Sizes of what is in a list or map that the expression made."""

    is_list: bool
    key: int
    value: int


@dataclass(frozen=True, slots=True)
class _Variable:
    declared: Declared | None
    size: int | None
    entries: _Entries | None = None


class _Coster:
    def __init__(self, of: Declared) -> None:
        self._root = of
        self._declared: dict[int, Declared | None] = {}
        self._sizes: dict[int, int] = {}
        self._entries: dict[int, _Entries] = {}
        self._variables: dict[str, list[_Variable]] = {}

    def cost(self, node: Node) -> int:
        match node:
            case Ident(name):
                known = self._variable(name)
                self._declared[id(node)] = known.declared if known else self._root
                return 1
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListOf(elements):
                cost = plus(10, *map(self.cost, elements))
                self._entries[id(node)] = _Entries(True, 1, max(map(self.known, elements), default=0))
                return cost
            case MapOf(entries):
                return self._map(node, entries)
            case Message(_, entries):
                return plus(40, *(self.cost(each.value) for each in entries))
            case Fold():
                return self._bind(node) if _is_bind(node) else self._fold(node)
        return 0

    def _map(self, node: MapOf, entries: list) -> int:  # type: ignore[type-arg]
        keys, values = [each.key for each in entries], [each.value for each in entries]
        cost = plus(30, *map(self.cost, [*keys, *values]))
        sizes = max(map(self.known, keys), default=0), max(map(self.known, values), default=0)
        self._entries[id(node)] = _Entries(False, *sizes)
        return cost

    def _variable(self, name: str) -> _Variable | None:
        found = self._variables.get(name)
        return found[-1] if found else None

    def _push(self, name: str, variable: _Variable) -> None:
        self._variables.setdefault(name, []).append(variable)

    def _select(self, node: Select) -> int:
        cost = self.cost(node.operand)
        if node.test_only:
            return cost
        of = self._declared.get(id(node.operand))
        below = of.fields.get(node.field) if of is not None else None
        if of is not None and below is None and of.type.kind == "struct":
            below = of.fields.get(f"__{node.field}__")
        self._declared[id(node)] = below
        kind = node.operand.type.kind if node.operand.type else ""
        return plus(cost, 1) if kind in ("map", "struct", "param") else cost

    # --- sizes

    def _size(self, node: Node) -> int | None:
        if id(node) in self._sizes:
            return self._sizes[id(node)]
        if isinstance(node, Const):
            return len(node.value) if isinstance(node.value, str | bytes) else 1
        if isinstance(node, ListOf):
            return len(node.elements)
        if isinstance(node, MapOf):
            return len(node.entries)
        of = self._declared.get(id(node))
        if of is not None:
            return of.most or 0
        if node.type is not None and node.type.name in _SCALARS:
            return 1
        known = self._variable(node.name) if isinstance(node, Ident) else None
        return known.size if known else None

    def known(self, node: Node | None) -> int:
        size = self._size(node) if node is not None else None
        return MOST if size is None else size

    def _entries_of(self, node: Node) -> _Entries | None:
        if id(node) in self._entries:
            return self._entries[id(node)]
        known = self._variable(node.name) if isinstance(node, Ident) else None
        return known.entries if known else None

    # --- macros

    def _fold(self, node: Fold) -> int:
        cost = plus(self.cost(node.over), self.cost(node.start))
        self._push(node.accumulator, _Variable(None, self._size(node.start), self._entries_of(node.start)))
        of, entries = self._declared.get(id(node.over)), self._entries_of(node.over)
        is_list = entries.is_list if entries else (node.over.type is not None and node.over.type.kind == "list")
        names = [node.variable, *([node.second] if node.second else [])]
        if node.second:
            self._push(node.variable, self._entry(of, entries, is_list, key=True))
            self._push(node.second, self._entry(of, entries, is_list, key=False))
        else:
            self._push(node.variable, self._entry(of, entries, is_list, key=not is_list))
        each = plus(self.cost(node.condition), self.cost(node.step))
        for name in names:
            self._variables[name].pop()
        cost = plus(cost, self.cost(node.result))
        self._variables[node.accumulator].pop()
        count = self.known(node.over)
        if isinstance(node.start, ListOf | MapOf):
            self._sizes[id(node)] = count
            if made := self._entries_of(node.step):
                self._entries[id(node)] = made
        elif (size := self._size(node.start)) is not None:
            self._sizes[id(node)] = size
        return plus(cost, times(count, each))

    def _entry(self, of: Declared | None, entries: _Entries | None, is_list: bool, *, key: bool) -> _Variable:
        if key:
            below = None if of is None or is_list else of.key
            return _Variable(below, entries.key if entries else None)
        return _Variable(of.element if of is not None else None, entries.value if entries else None)

    def _bind(self, node: Fold) -> int:
        cost = plus(self.cost(node.over), self.cost(node.start))
        bound = _Variable(self._declared.get(id(node.start)), self._size(node.start), self._entries_of(node.start))
        self._push(node.accumulator, bound)
        cost = plus(cost, self.cost(node.result))
        self._variables[node.accumulator].pop()
        if (size := self._size(node.result)) is not None:
            self._sizes[id(node)] = size
        return cost

    # --- calls

    def _call(self, node: Call) -> int:
        if node.function == "dyn" and node.target is None:
            return plus(1, self.cost(node.arguments[0]))
        costs = [self.cost(each) for each in node.arguments]
        own = self.cost(node.target) if node.target is not None else 0
        found, size = 0, None
        for overload in node.overloads:
            cost, sized = self._overload(node, overload, costs)
            found = max(found, cost)
            if sized is not None:
                size = sized if size is None else max(size, sized)
            if overload in ("index_list", "index_map"):
                size = self._index(node)
        if size is not None:
            self._sizes[id(node)] = size
        return plus(own, found)

    def _index(self, node: Call) -> int | None:
        of, entries = self._declared.get(id(node.arguments[0])), self._entries_of(node.arguments[0])
        self._declared[id(node)] = of.element if of is not None else None
        return entries.value if entries else None

    def _overload(self, node: Call, overload: str, costs: list[int]) -> tuple[int, int | None]:
        """The cost of a call with its arguments, and the size of its result if that is known."""
        if overload in ("logical_or", "logical_and"):
            return plus(*costs), None
        if overload == "conditional":
            return self._conditional(node, costs)
        own = self._kubernetes(node, overload)
        if own is None:
            own = self._standard(node, overload)
        return plus(own[0], *costs), own[1]

    def _conditional(self, node: Call, costs: list[int]) -> tuple[int, int | None]:
        yes, no = node.arguments[1], node.arguments[2]
        made = [each for each in (self._entries_of(yes), self._entries_of(no)) if each is not None]
        if made:
            self._entries[id(node)] = _union(made)
        return plus(costs[0], max(costs[1:])), max(self.known(yes), self.known(no))

    def _standard(self, node: Call, overload: str) -> tuple[int, int | None]:
        sizes = [self.known(each) for each in node.arguments]
        target = self.known(node.target)
        match overload:
            case "string_to_bytes":
                return share(sizes[0], TEXT), times(sizes[0], 4)
            case "bytes_to_string":
                return share(sizes[0], TEXT), sizes[0]
            case "strings_quote":
                return share(sizes[0], TEXT), plus(sizes[0], sizes[0], 2)
            case "string_format":
                return share(target, TEXT), None
            case "starts_with_string" | "ends_with_string":
                return share(sizes[0], TEXT), None
            case "in_list":
                return sizes[1], None
            case "matches_string":
                return times(share(plus(target, 1), TEXT), share(sizes[0], PATTERN)), None
            case "matches":
                return times(share(plus(sizes[0], 1), TEXT), share(sizes[1], PATTERN)), None
            case "contains_string":
                return times(share(target, TEXT), share(sizes[0], TEXT)), None
            case "add_string" | "add_bytes" | "add_list":
                return self._added(node, overload, plus(*sizes))
            case "equals" | "not_equals":
                return share(min(sizes), TEXT), None
        return (share(min(sizes), TEXT) if overload in _COMPARED else 1), None

    def _added(self, node: Call, overload: str, size: int) -> tuple[int, int | None]:
        made = [each for each in map(self._entries_of, node.arguments) if each is not None]
        if made:
            self._entries[id(node)] = _union(made)
        return (1 if overload == "add_list" else share(size, TEXT)), size

    def _kubernetes(self, node: Call, overload: str) -> tuple[int, int | None] | None:
        """None where cel-go's own estimate counts."""
        name, arguments = node.function, node.arguments
        if name in _CHEAP or overload == "cidr_ip":
            return 1, None
        first = self.known(arguments[0]) if arguments else MOST
        if name in _READS_FIRST and arguments:
            return share(first, _READS_FIRST[name] * TEXT), None
        if name in ("url", "jsonpatch.escapeKey") and len(arguments) == 1:
            return share(first, TEXT), first
        if name == "validate" and arguments:
            return share(share(first, TEXT), 128 * PATTERN), None
        if name in ("containsIP", "containsCIDR") and arguments:
            parsed = share(first, TEXT) if overload.endswith("_string") else 0
            return plus(4 if name == "containsIP" else 7, parsed), None
        method = METHODS.get(name)
        return method(self, node) if method is not None and node.target is not None else None

    def element_size(self, node: Node) -> int | None:
        """Of the elements of a list; None for what is no list."""
        if node.type is None or not node.type.params:
            return None
        of = self._declared.get(id(node))
        return of.element.most or 0 if of is not None and of.element is not None else MOST


def _union(made: list[_Entries]) -> _Entries:
    return _Entries(made[0].is_list, max(each.key for each in made), max(each.value for each in made))


def _is_bind(node: Fold) -> bool:
    empty = isinstance(node.over, ListOf) and not node.over.elements
    never = isinstance(node.condition, Const) and node.condition.value is False
    return empty and never and node.accumulator != ACCUMULATOR
