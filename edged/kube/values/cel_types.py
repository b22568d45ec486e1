"""Whether the API server compiles a match condition, told without it. Pure, and no library.

A condition that does not compile is refused by the API server, and where it stands in a manifest on disk the API server
does not start. So an expression is `fine` only if all of it is known here: the fields of `request`, the functions that
every supported version has, and types as cel-go's checker gives them. Everything else is `unsure`: it may compile, and
only the API server can tell. `wrong` is what it surely refuses. tests/cluster compares the answers with a real one's.

Types are words (`string`), `list(string)`, `map(string)` for string keys, names of objects (`Request`), `dyn`, and
`loose`: what an index of a dynamic value gives, whose type is decided by its first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from edged.kube.values import cel_regex, cel_syntax
from edged.kube.values.cel_syntax import Call, Name, Node, Select, Unsure, Wrong

_DYNAMIC: Final = frozenset(("dyn", "loose"))
_NUMBERS: Final = frozenset(("int", "uint", "double"))
_SIMPLE: Final = _NUMBERS | {"bool", "string"}
_NAMES = "list(string)"
FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "Request": {
        "kind": "Kind", "resource": "Resource", "subResource": "string", "requestKind": "Kind",
        "requestResource": "Resource", "requestSubResource": "string", "name": "string", "namespace": "string",
        "operation": "string", "userInfo": "UserInfo", "dryRun": "bool", "options": "dyn",
    },
    "Kind": {"group": "string", "version": "string", "kind": "string"},
    "Resource": {"group": "string", "version": "string", "resource": "string"},
    "UserInfo": {"username": "string", "uid": "string", "groups": _NAMES, "extra": "map(list(string))"},
}  # fmt: skip
"""Of `request`, as the API server declares it for admission."""
VARIABLES: Final[Mapping[str, str]] = {"object": "dyn", "oldObject": "dyn", "request": "Request"}
OTHER_NAMES: Final = frozenset((
    "authorizer", "namespaceObject", "bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string",
    "type", "uint", "google", "net", "kubernetes", "optional_type", "math", "sets", "lists", "strings", "format", "ip",
    "optional", "semver", "jsonpatch", "base64", "cel", "regex",
))  # fmt: skip
"""What exists in the API server's CEL besides, and is not looked at here."""
LONGEST_TEXT: Final = 300
_TEXT = ("string",)
_METHODS: Final[Mapping[str, tuple[tuple[tuple[str, ...], ...], str]]] = {
    "startsWith": ((_TEXT,), "bool"), "endsWith": ((_TEXT,), "bool"), "contains": ((_TEXT,), "bool"),
    "matches": ((_TEXT,), "bool"), "find": ((_TEXT,), "string"), "findAll": ((_TEXT, ("string", "int")), _NAMES),
    "lowerAscii": (((),), "string"), "upperAscii": (((),), "string"), "trim": (((),), "string"),
    "charAt": ((("int",),), "string"), "substring": ((("int",), ("int", "int")), "string"),
    "split": ((_TEXT, ("string", "int")), _NAMES), "replace": ((("string", "string"),), "string"),
    "indexOf": ((_TEXT, ("string", "int")), "int"), "lastIndexOf": ((_TEXT, ("string", "int")), "int"),
}  # fmt: skip
"""Methods of strings: the arguments that each may have, and what comes out."""
_ALSO_OF_LISTS: Final = frozenset(("indexOf", "lastIndexOf", "contains"))
_PATTERNS: Final = frozenset(("matches", "find", "findAll"))
_MACROS: Final = {"all": (2,), "exists": (2,), "exists_one": (2,), "existsOne": (2,), "map": (2, 3), "filter": (2,)}
_CONVERSIONS: Final[Mapping[str, frozenset[str]]] = {
    "int": frozenset(("int", "uint", "double", "string")), "uint": frozenset(("int", "uint", "double", "string")),
    "double": frozenset(("int", "uint", "double", "string")), "string": _SIMPLE, "dyn": _SIMPLE,
}  # fmt: skip
_UNKNOWN_TO_US: Final = frozenset((
    "bool", "bytes", "duration", "timestamp", "type", "matches", "url", "isURL", "ip", "isIP", "cidr", "isCIDR",
    "quantity",
    "isQuantity", "semver", "isSemver", "format", "join", "reverse", "distinct", "flatten", "slice", "sort", "sortBy",
    "sum", "min", "max", "isSorted", "first", "last", "getHost", "getHostname", "getPort", "getScheme", "getQuery",
    "getEscapedPath", "family", "isUnspecified", "isLoopback", "isLinkLocalMulticast", "isLinkLocalUnicast",
    "isGlobalUnicast", "isCanonical", "containsIP", "containsCIDR", "prefixLength", "masked", "asInteger",
    "asApproximateFloat", "isInteger", "sign", "add", "sub", "isLessThan", "isGreaterThan", "compareTo", "major",
    "minor",
    "patch", "or", "orValue", "value", "hasValue", "optMap", "optFlatMap", "named", "validate", "group", "resource",
    "subresource", "namespace", "name", "path", "check", "allowed", "reason", "errored", "error", "serviceAccount",
    "fieldSelector", "labelSelector", "getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth", "getDate",
    "getDayOfWeek", "getHours", "getMinutes", "getSeconds", "getMilliseconds", "transformList", "transformMap",
    "transformMapEntry", "size", "cost", "ext",
))  # fmt: skip
"""Functions that exist there, perhaps for other types, and are not looked at here."""


class Judgement(NamedTuple):
    """`text` says what is wrong, or what is not looked at here."""

    kind: Literal["fine", "unsure", "wrong"]
    text: str = ""


@lru_cache(maxsize=256)
def judge(expression: str) -> Judgement:
    """Of a match condition."""
    try:
        found = _Checker().type_of(cel_syntax.parse(expression.strip()), {})
    except Wrong as error:
        return Judgement("wrong", _short(str(error)))
    except Unsure as error:
        return Judgement("unsure", _short(str(error)))
    if found == "bool":
        return Judgement("fine")
    shown = "dyn" if found in _DYNAMIC else found
    return Judgement("wrong", f"must evaluate to bool but got {shown}; write `... == true`" if shown == "dyn" else
                     f"must evaluate to bool but got {shown}")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 3]}..."


Scope = Mapping[str, str]
"""Types of the variables of macros."""


class _Checker:
    """The type of each part. Raises Wrong and Unsure."""

    def type_of(self, node: Node, scope: Scope) -> str:
        match node:
            case cel_syntax.Literal(kind):
                return kind
            case Name(name):
                return self._name(name, scope)
            case Select(operand, field):
                return self._field(self.type_of(operand, scope), field)
            case cel_syntax.List(elements):
                return self._list([self.type_of(each, scope) for each in elements])
            case cel_syntax.Map():
                raise Unsure("maps are not checked here")
            case Call(function, arguments, target):
                if target is None:
                    return self._call(function, arguments, scope)
                return self._method(function, target, arguments, scope)

    def _name(self, name: str, scope: Scope) -> str:
        found = scope.get(name) or VARIABLES.get(name)
        if found:
            return found
        if name in OTHER_NAMES:
            raise Unsure(f"`{name}` is not checked here")
        raise Wrong(f"undeclared reference to '{name}'")

    def _field(self, operand: str, field: str) -> str:
        if operand in _DYNAMIC:
            return "dyn"
        if operand.startswith("map("):
            return _element(operand)
        fields = FIELDS.get(operand)
        if fields is None:
            raise Wrong(f"type '{operand}' does not support field selection: .{field}")
        if field not in fields:
            raise Wrong(f"undefined field '{field}'; known are {', '.join(fields)}")
        return fields[field]

    def _list(self, types: list[str]) -> str:
        if not types or len(set(types)) > 1 or types[0] not in _SIMPLE | {"dyn"}:
            raise Unsure("a list whose elements are not all of one simple type is not checked here")
        return f"list({types[0]})"

    # --- operators and functions

    def _call(self, function: str, arguments: tuple[Node, ...], scope: Scope) -> str:
        if function == "has":
            return self._has(arguments, scope)
        types = [self.type_of(each, scope) for each in arguments]
        if function in ("&&", "||", "unary !"):
            self._all_bool(function, types)
            return "bool"
        if function == "?":
            return self._branch(types)
        if function in ("==", "!="):
            return self._equal(*types)
        if function in ("<", "<=", ">", ">="):
            return self._ordered(*types)
        if function == "in":
            return self._in(*types)
        if function == "[]":
            return self._index(*types)
        if function in ("+", "-", "*", "/", "%", "unary -"):
            return self._arithmetic(function, types)
        if function == "size":
            return self._size(types)
        if function in _CONVERSIONS:
            return self._conversion(function, arguments, types)
        if function in _UNKNOWN_TO_US or function in OTHER_NAMES:
            raise Unsure(f"the function {function} is not checked here")
        raise Wrong(f"undeclared reference to '{function}'")

    def _has(self, arguments: tuple[Node, ...], scope: Scope) -> str:
        if len(arguments) == 1 and isinstance(arguments[0], Call) and arguments[0].function == "has":
            raise Unsure("has() of has() is not checked here")
        if len(arguments) != 1 or not isinstance(arguments[0], Select):
            raise Wrong("invalid argument to has() macro: it takes a field, such as has(object.spec)")
        self.type_of(arguments[0], scope)
        return "bool"

    def _all_bool(self, operator: str, types: list[str]) -> None:
        for each in types:
            if each != "bool" and each not in _DYNAMIC:
                raise Wrong(f"no matching overload for '{operator.removeprefix('unary ')}' applied to '{each}'")

    def _branch(self, types: list[str]) -> str:
        condition, yes, no = types
        self._all_bool("?", [condition])
        if yes != no or yes not in _SIMPLE:
            raise Unsure("a `? :` whose branches are not of one simple type is not checked here")
        return yes

    def _equal(self, left: str, right: str) -> str:
        if left in _DYNAMIC or right in _DYNAMIC or left == right:
            return "bool"
        if left in _SIMPLE and right in _SIMPLE:
            raise Wrong(f"no matching overload for '==' applied to '({left}, {right})'")
        raise Unsure(f"a comparison of {left} and {right} is not checked here")

    def _ordered(self, left: str, right: str) -> str:
        comparable = _SIMPLE | _DYNAMIC
        if left not in comparable or right not in comparable:
            raise Unsure(f"a comparison of {left} and {right} is not checked here")
        if left in _DYNAMIC or right in _DYNAMIC or left == right or {left, right} <= _NUMBERS:
            return "bool"
        raise Wrong(f"no matching overload for '<' applied to '({left}, {right})'")

    def _in(self, left: str, right: str) -> str:
        if right in _DYNAMIC:
            return "bool"
        if not right.startswith(("list(", "map(")):
            raise Wrong(f"no matching overload for 'in' applied to '({left}, {right})'")
        wanted = _element(right) if right.startswith("list(") else "string"
        if left in _DYNAMIC or left == wanted or wanted == "dyn":
            return "bool"
        raise Unsure(f"whether a {left} is in a {right} is not checked here")

    def _index(self, operand: str, index: str) -> str:
        if operand in _DYNAMIC and index in ("int", "string", *_DYNAMIC):
            return "loose"
        if operand in _DYNAMIC:
            raise Unsure(f"an index by {index} is not checked here")
        kind = "int" if operand.startswith("list(") else "string" if operand.startswith("map(") else ""
        if operand == "null":
            raise Unsure("an index of null is not checked here")
        if not kind:
            raise Wrong(f"no matching overload for '[]' applied to '({operand}, {index})'")
        if index != kind and index not in _DYNAMIC:
            raise Unsure(f"an index of {operand} by {index} is not checked here")
        return _element(operand)

    def _arithmetic(self, operator: str, types: list[str]) -> str:
        kinds = set(types)
        if len(kinds) == 1:
            kind = types[0]
            allowed = {"+": _NUMBERS | {"string"}, "%": {"int", "uint"}, "unary -": {"int", "double"}}
            if kind in allowed.get(operator, _NUMBERS):
                return kind
            if kind in _SIMPLE:
                raise Wrong(f"no matching overload for '{operator.removeprefix('unary ')}' applied to '{kind}'")
        raise Unsure(f"`{operator.removeprefix('unary ')}` of {' and '.join(types)} is not checked here")

    def _size(self, types: list[str]) -> str:
        if len(types) != 1:
            raise Wrong("size() takes one argument")
        if types[0] in _DYNAMIC or types[0] == "string" or types[0].startswith(("list(", "map(")):
            return "int"
        raise Wrong(f"no matching overload for 'size' applied to '{types[0]}'")

    def _conversion(self, function: str, arguments: tuple[Node, ...], types: list[str]) -> str:
        """A constant one is made when the expression is compiled, and may fail then."""
        if len(types) != 1:
            raise Wrong(f"{function}() takes one argument")
        if not (types[0] in _DYNAMIC or types[0] in _CONVERSIONS[function]) or _is_constant(arguments[0]):
            raise Unsure(f"{function}() of this value is not checked here")
        return function

    # --- methods and macros

    def _method(self, function: str, target: Node, arguments: tuple[Node, ...], scope: Scope) -> str:
        if function in _MACROS and len(arguments) in _MACROS[function]:
            return self._macro(function, target, arguments, scope)
        if function in _MACROS:
            raise Unsure(f"{function} with {len(arguments)} arguments is not checked here")
        of = self.type_of(target, scope)
        types = [self.type_of(each, scope) for each in arguments]
        if function == "size" and not types:
            return self._size([of])
        if function not in _METHODS:
            if function in _UNKNOWN_TO_US:
                raise Unsure(f"the function {function} is not checked here")
            raise Wrong(f"undeclared reference to '{function}'")
        if of != "string" and of not in _DYNAMIC:
            if function in _ALSO_OF_LISTS or of not in _SIMPLE:
                raise Unsure(f"{function} of {of} is not checked here")
            raise Wrong(f"no matching overload for '{function}' applied to '{of}'")
        self._method_arguments(function, types)
        if function in _PATTERNS:
            self._pattern(arguments[0])
        return _METHODS[function][1]

    def _method_arguments(self, function: str, types: list[str]) -> None:
        for allowed in _METHODS[function][0]:
            fit = (given == wanted or given in _DYNAMIC for given, wanted in zip(types, allowed, strict=False))
            if len(types) == len(allowed) and all(fit):
                return
        if all(each in _SIMPLE for each in types) and function not in _ALSO_OF_LISTS:
            raise Wrong(f"no matching overload for '{function}' applied to '({', '.join(types)})'")
        raise Unsure(f"{function} with these arguments is not checked here")

    def _pattern(self, node: Node) -> None:
        if isinstance(node, cel_syntax.Literal):
            cel_regex.check(str(node.value))

    def _macro(self, function: str, target: Node, arguments: tuple[Node, ...], scope: Scope) -> str:
        variable = arguments[0]
        if not isinstance(variable, Name):
            raise Wrong(f"the first argument of {function} must be a simple name")
        name = variable.name
        if name in VARIABLES or name in OTHER_NAMES or name.startswith("_") or name in _UNKNOWN_TO_US:
            raise Unsure(f"a variable {name} is not checked here")
        of = self.type_of(target, scope)
        if of in _DYNAMIC:
            element = "dyn"
        elif of.startswith(("list(", "map(")):
            element = _element(of) if of.startswith("list(") else "string"
        else:
            raise Wrong(f"expression of type '{of}' cannot be range of a comprehension")
        inner = {**scope, name: element}
        types = [self.type_of(each, inner) for each in arguments[1:]]
        if function == "map":
            self._all_bool(function, types[:-1])
            return self._list(types[-1:])
        self._all_bool(function, types)
        return self._list([element]) if function == "filter" else "bool"


def _element(container: str) -> str:
    """`list(string)` -> `string`; of a map, what its values are."""
    return container[container.index("(") + 1 : -1]


def _is_constant(node: Node) -> bool:
    match node:
        case cel_syntax.Literal():
            return True
        case Call(function, arguments, None):
            return function in (*_CONVERSIONS, "unary -") and all(map(_is_constant, arguments))
    return isinstance(node, cel_syntax.List)
