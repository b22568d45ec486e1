"""The type of each part of an expression, as cel-go's checker finds it. Writes types and overloads into the tree."""

from __future__ import annotations

from edged.kube.cel import literals
from edged.kube.cel.declarations import TYPE_NAMES, Environment, functions
from edged.kube.cel.errors import CompileError, Issue
from edged.kube.cel.tree import Call, Const, Entry, Fold, Ident, ListOf, MapOf, Message, Node, Select
from edged.kube.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    ERROR,
    INT,
    NULL,
    STRING,
    UINT,
    Mapping,
    Type,
    list_of,
    map_of,
    most_general,
    optional_of,
    type_of,
)  # fmt: skip
from edged.kube.cel.values import UInt


def check(source: str, tree: Node, environment: Environment) -> Type:
    """The type of the whole. Raises CompileError with everything that is wrong."""
    checker = _Checker(environment)
    try:
        found = checker.check(tree)
    except RecursionError:
        raise CompileError(source, [Issue(-1, "expression recursion limit exceeded: 250")]) from None
    if not checker.issues:
        checker.issues += literals.issues(tree)
    if checker.issues:
        raise CompileError(source, checker.issues)
    return checker.mapping.substituted(found, dynamic=True)


class _Checker:
    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._scopes: list[dict[str, Type]] = []
        self.mapping = Mapping()
        self.issues: list[Issue] = []

    def _issue(self, at: int, text: str) -> Type:
        self.issues.append(Issue(at, text))
        return ERROR

    def check(self, node: Node) -> Type:
        node.type = self._check(node)
        return node.type

    def _check(self, node: Node) -> Type:
        match node:
            case Const():
                return _of_literal(node.value)
            case Ident():
                return self._ident(node)
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListOf():
                return self._list(node)
            case MapOf():
                return self._map(node)
            case Message():
                return self._message(node)
            case Fold():
                return self._fold(node)
        raise AssertionError(node)

    # --- names and fields

    def _known(self, name: str) -> Type | None:
        if name.startswith("."):
            name = name[1:]
        else:
            for scope in reversed(self._scopes):
                if name in scope:
                    return scope[name]
        known = self._environment.variables.get(name)
        if known is None and name in TYPE_NAMES:
            return type_of(TYPE_NAMES[name])
        return known

    def _ident(self, node: Ident) -> Type:
        return self._known(node.name) or self._undeclared(node.at, node.name)

    def _undeclared(self, at: int, name: str) -> Type:
        return self._issue(at, f"undeclared reference to '{name}' (in container '')")

    def _select(self, node: Select) -> Type:
        name = None if node.test_only else qualified(node)
        if name is not None and (known := self._qualified(name)) is not None:
            node.named = name
            return known
        found = self._field(node, node.operand, node.field)
        return BOOL if node.test_only else self.mapping.substituted(found)

    def _qualified(self, name: str) -> Type | None:
        """A variable or type with dots in its name; not where a macro's variable hides it."""
        first = name.partition(".")[0]
        if any(first in scope for scope in self._scopes):
            return None
        return self._known(name)

    def _field(self, node: Node, operand: Node, field: str, *, optional: bool = False) -> Type:
        of = self.mapping.substituted(self.check(operand))
        unwrapped, wrapped = _unwrapped(of)
        found = self._field_of(node, unwrapped, field)
        return optional_of(found) if wrapped or optional else found

    def _field_of(self, node: Node, of: Type, field: str) -> Type:
        if of.kind == "map":
            return of.params[1]
        if of.kind == "struct":
            fields = self._environment.fields_of(of.name)
            if fields is None:
                return DYN if of.name.startswith("Object") else self._unresolved(node, of)
            return fields.get(field) or self._issue(node.at, f"undefined field '{field}'")
        if of.kind == "param":
            self.mapping.assignable((DYN,), (of,))
        elif of.kind not in ("dyn", "error"):
            self._issue(node.at, f"type '{of}' does not support field selection")
        return DYN

    def _unresolved(self, node: Node, of: Type) -> Type:
        return self._issue(node.at, f"unexpected failed resolution of '{of}'")

    # --- calls

    def _call(self, node: Call) -> Type:
        if node.function == "_?._":
            field = node.arguments[1]
            assert isinstance(field, Const)
            field.type = STRING
            node.overloads = ("select_optional_field",)
            return self.mapping.substituted(
                self._field(node, node.arguments[0], str(field.value), optional=True)
            )
        for each in node.arguments:
            self.check(each)
        if node.target is not None:
            name = qualified(node.target)
            whole = f"{name}.{node.function}" if name is not None else ""
            if whole and self._is_function(whole.removeprefix(".")):
                node.function, node.target = whole.removeprefix("."), None
            else:
                self.check(node.target)
        node.function = node.function.removeprefix(".")
        if not self._is_function(node.function):
            return self._undeclared(node.at, node.function)
        return self._resolved(node)

    def _is_function(self, name: str) -> bool:
        return name in functions() and (self._environment.patches or not name.startswith("jsonpatch."))

    def _resolved(self, node: Call) -> Type:
        given = [each.type or ERROR for each in ([] if node.target is None else [node.target]) + node.arguments]
        if node.function in ("_&&_", "_||_"):
            return self._logical(node, given)
        result: Type | None = None
        fitting: list[str] = []
        for overload in functions()[node.function]:
            if overload.member is not (node.target is not None):
                continue
            fresh = {name: self.mapping.fresh() for name in overload.params}
            arguments = tuple(_instantiated(each, fresh) for each in overload.arguments)
            if not self.mapping.assignable(tuple(given), arguments):
                continue
            fitting.append(overload.id)
            found = self.mapping.substituted(_instantiated(overload.result, fresh))
            if result is None:
                result = found
            elif result.kind != "dyn" and found != result:
                result = DYN
        node.overloads = tuple(fitting)
        return result or self._no_overload(node, given)

    def _no_overload(self, node: Call, given: list[Type]) -> Type:
        shown = [str(self.mapping.substituted(each, dynamic=True)) for each in given]
        member = f"{shown.pop(0)}." if node.target is not None else ""
        text = f"found no matching overload for '{node.function}' applied to '{member}({', '.join(shown)})'"
        return self._issue(node.at, text)

    def _logical(self, node: Call, given: list[Type]) -> Type:
        node.overloads = ("logical_and" if node.function == "_&&_" else "logical_or",)
        fine = True
        for each, found in zip(node.arguments, given, strict=True):
            if not self.mapping.assignable((found,), (BOOL,)):
                self._issue(each.at, f"expected type 'bool' but found '{found}'")
                fine = False
        return BOOL if fine else ERROR

    # --- literals

    def _list(self, node: ListOf) -> Type:
        element: Type | None = None
        for index, each in enumerate(node.elements):
            found = self.check(each)
            if index in node.optional:
                found = self._optional(each, found)
            element = self._joined(element, found)
        return list_of(element or self.mapping.fresh())

    def _optional(self, node: Node, found: Type) -> Type:
        inner, wrapped = _unwrapped(found)
        if not wrapped and found.kind != "dyn":
            self._issue(node.at, f"expected type '{optional_of(found)}' but found '{found}'")
        return inner

    def _map(self, node: MapOf) -> Type:
        key: Type | None = None
        value: Type | None = None
        for entry in node.entries:
            assert entry.key is not None
            key = self._joined(key, self.check(entry.key))
            value = self._joined(value, self._entry(entry))
        return map_of(key or self.mapping.fresh(), value or self.mapping.fresh())

    def _entry(self, entry: Entry) -> Type:
        found = self.check(entry.value)
        return self._optional(entry.value, found) if entry.optional else found

    def _joined(self, before: Type | None, found: Type) -> Type:
        if before is None:
            return found
        if self.mapping.assignable((before,), (found,)):
            return most_general(before, found)
        return DYN

    def _message(self, node: Message) -> Type:
        made = self._environment.message(node.name.removeprefix("."))
        if made is None:
            return self._no_message(node)
        fields = self._environment.fields_of(made.name)
        for entry in node.entries:
            found, wanted = self._entry(entry), DYN if fields is None else fields.get(entry.name)
            if wanted is None and made.name != "JSONPatch":
                self._issue(entry.at, f"undefined field '{entry.name}'")
            elif wanted is None or not self.mapping.assignable((wanted,), (found,)):
                self._issue(entry.at, f"expected type of field '{entry.name}' is '{wanted or ''}' but provided type is "
                                      f"'{found}'")  # fmt: skip
        return made

    def _no_message(self, node: Message) -> Type:
        if node.name.removeprefix(".") not in TYPE_NAMES:
            return self._undeclared(node.at, node.name)
        self._issue(node.at, f"'{node.name}' is not a message type")
        for entry in node.entries:
            self._entry(entry)
            self._issue(entry.at, f"undefined field '{entry.name}'")
        return ERROR

    def _fold(self, node: Fold) -> Type:
        self.check(node.over)
        start = self.check(node.start)
        over = self.mapping.substituted(node.over.type or ERROR)
        first, second = self._range(node, over)
        scope = {node.accumulator: start, node.variable: first}
        self._scopes.append({**scope, node.second: second} if node.second else scope)
        for part, wanted in ((node.condition, BOOL), (node.step, start)):
            found = self.check(part)
            if not self.mapping.assignable((wanted,), (found,)):
                self._issue(part.at, f"expected type '{wanted}' but found '{found}'")
        self._scopes[-1] = {node.accumulator: start}
        result = self.check(node.result)
        self._scopes.pop()
        return self.mapping.substituted(result)

    def _range(self, node: Fold, over: Type) -> tuple[Type, Type]:
        if over.kind == "list":
            return (INT, over.params[0]) if node.second else (over.params[0], DYN)
        if over.kind == "map":
            return over.params[0], over.params[1]
        if over.kind in ("dyn", "error", "param"):
            self.mapping.assignable((DYN,), (over,))
            return DYN, DYN
        self._issue(node.over.at, f"expression of type '{over}' cannot be range of a comprehension (must be list, map, "
                                  "or dynamic)")  # fmt: skip
        return ERROR, ERROR


def qualified(node: Node) -> str | None:
    """`a.b.c` as a name; None for anything else."""
    parts: list[str] = []
    while isinstance(node, Select) and not node.test_only:
        parts.append(node.field)
        node = node.operand
    if not isinstance(node, Ident):
        return None
    return ".".join([node.name, *reversed(parts)])


def _of_literal(value: object) -> Type:
    if value is None:
        return NULL
    kinds = {bool: BOOL, UInt: UINT, int: INT, float: DOUBLE, str: STRING, bytes: BYTES}
    return kinds[type(value)]


def _unwrapped(of: Type) -> tuple[Type, bool]:
    return (of.params[0], True) if of.kind == "opaque" and of.name == "optional_type" else (of, False)


def _instantiated(of: Type, fresh: dict[str, Type]) -> Type:
    if of.kind == "param":
        return fresh[of.name]
    return Type(of.kind, of.name, tuple(_instantiated(each, fresh) for each in of.params)) if of.params else of
