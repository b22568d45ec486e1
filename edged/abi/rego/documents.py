"""Builtins about documents: json.patch and json.marshal_with_options, yaml.*, object.subset, graphs, casts. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping

from edged import yaml_text
from edged.abi.rego.environment import Environment
from edged.abi.rego.signature import Builtin
from edged.abi.rego.values import BuiltinError, Key, RegoSet, Value, dump_json
from edged.yaml_text import YamlError

MOST_NODES = 200_000  # of a document that aliases or copies make larger than its text
MOST_PATHS = 10_000
MOST_COMPARISONS = 20_000_000
MOST_OPERATIONS = 10_000
QUICK = 4 << 10
QUICK_YAML = 128
"""The slow parser takes a millisecond for so many brackets, and a hundred for a thousand."""
MOST_CAREFUL = 128 << 10
"""Bytes of YAML that only the slow parser reads: about a second."""


def comparable(value: Value) -> Hashable:
    """Something hashable that is equal for equal values of Rego: numbers by value, never a number and a boolean, sets
    and objects whatever their order."""
    if isinstance(value, bool) or value is None:
        return "constant", value
    if isinstance(value, dict):
        return "object", frozenset((key, comparable(item)) for key, item in value.items())
    if isinstance(value, RegoSet):
        return "set", frozenset(map(comparable, value))
    if isinstance(value, list):
        return "array", tuple(map(comparable, value))
    return value


def equal(one: Value, other: Value) -> bool:
    """Equality of Rego."""
    return bool(comparable(one) == comparable(other))


def _contains(items: list[Value], part: Value) -> bool:
    return _contains_all(items, [part])


def _contains_all(items: list[Value], parts: list[Value]) -> bool:
    return set(map(comparable, parts)) <= set(map(comparable, items))


# --- json.patch


class _Patcher:
    """Applies the operations of RFC 6902 to one document, in place; copies are counted."""

    def __init__(self, document: Value) -> None:
        self.document = document
        self.nodes = 0

    def apply(self, operation: Value) -> None:
        if not isinstance(operation, dict):
            raise BuiltinError("must be an array of JSON-Patch objects, but at least one element is not an object")
        kind = operation.get("op")
        path = _path(_attribute(operation, "path"))
        if kind == "add":
            self.insert(path, self.copy(_attribute(operation, "value")))
        elif kind == "remove":
            self.remove(path)
        elif kind == "replace":
            value = self.copy(_attribute(operation, "value"))
            self.remove(path)
            self.insert(path, value)
        elif kind == "move":
            self.insert(path, self.remove(_path(_attribute(operation, "from"))))
        elif kind == "copy":
            self.insert(path, self.copy(self.find(_path(_attribute(operation, "from")))))
        elif kind == "test":
            if not equal(self.find(path), _attribute(operation, "value")):
                raise BuiltinError("value from EditTree != patch value: test failed")
        else:
            raise BuiltinError(f"unrecognized op {kind!r}")

    def copy(self, value: Value) -> Value:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise BuiltinError(f"the patched document has more than {MOST_NODES} values")
        if isinstance(value, dict):
            return {key: self.copy(item) for key, item in value.items()}
        if isinstance(value, list):
            return type(value)(self.copy(item) for item in value)
        return value

    def find(self, path: list[Value]) -> Value:
        at = self.document
        for segment in path:
            at = _child(at, segment)
        return at

    def insert(self, path: list[Value], value: Value) -> None:
        if not path:
            self.document = value
            return
        parent, last = self.find(path[:-1]), path[-1]
        if isinstance(parent, dict):
            parent[_key(last)] = value
        elif isinstance(parent, RegoSet):
            if not equal(last, value):
                raise BuiltinError(f"path {last!r} leads into a set, and is not the value that is added")
            if not _contains(parent, value):
                parent.append(value)
        elif isinstance(parent, list):
            parent.insert(len(parent) if last == "-" else _index(last, len(parent)), value)
        else:
            raise BuiltinError(f"path {last!r} leads into something that has no parts")

    def remove(self, path: list[Value]) -> Value:
        if not path:
            removed, self.document = self.document, None
            return removed
        parent, last = self.find(path[:-1]), path[-1]
        removed = _child(parent, last)
        if isinstance(parent, dict):
            del parent[_key(last)]
        elif isinstance(parent, RegoSet):
            parent[:] = [item for item in parent if not equal(item, removed)]
        elif isinstance(parent, list):
            del parent[_index(last, len(parent) - 1)]
        return removed


def _attribute(operation: Mapping[Key, Value], name: str) -> Value:
    if name not in operation:
        raise BuiltinError(f"missing required attribute '{name}'")
    return operation[name]


def _path(path: Value) -> list[Value]:
    """A JSON pointer, or an array of segments."""
    if isinstance(path, list):
        return list(path)
    if not isinstance(path, str):
        raise BuiltinError("a path must be a string or an array of path segments")
    if not path:
        return []
    return [part.replace("~1", "/").replace("~0", "~") for part in path.lstrip("/").split("/")]


def _key(segment: Value) -> Key:
    if isinstance(segment, dict | list):
        raise BuiltinError("objects whose keys are arrays, objects or sets are not supported by builtins")
    return segment


def _index(segment: Value, most: int) -> int:
    if isinstance(segment, str) and segment.isascii() and segment.isdigit() and (segment == "0" or segment[0] != "0"):
        segment = int(segment) if len(segment) < 10 else -1
    if isinstance(segment, bool) or not isinstance(segment, int) or not 0 <= segment <= most:
        raise BuiltinError(f"{segment!r} is not an index of that array")
    return segment


def _child(value: Value, segment: Value) -> Value:
    if isinstance(value, dict):
        if isinstance(segment, dict | list) or segment not in value:
            raise BuiltinError(f"path {segment!r} does not exist in object")
        return value[segment]
    if isinstance(value, RegoSet):
        for item in value:
            if equal(item, segment):
                return item  # not the path's own copy: what follows may change it
        raise BuiltinError(f"path {segment!r} does not exist in set")
    if isinstance(value, list):
        return value[_index(segment, len(value) - 1)]
    raise BuiltinError(f"path {segment!r} leads into something that has no parts")


def _patch(_environment: Environment, document: Value, operations: list[Value]) -> Value:
    if len(operations) > MOST_OPERATIONS:
        raise BuiltinError(f"more than {MOST_OPERATIONS} operations")
    patcher = _Patcher(document)
    for operation in operations:
        patcher.apply(operation)
    return patcher.document


_GO_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def _marshal_with_options(_environment: Environment, value: Value, options: dict[Key, Value]) -> str:
    kinds = {"prefix": str, "indent": str, "pretty": bool}
    for key, option in options.items():
        if key not in kinds:
            raise BuiltinError(f"object contained unknown key {key}")
        if not isinstance(option, kinds[key]):
            raise BuiltinError(f"key {key} has the wrong type")
    if not options.get("pretty", "prefix" in options or "indent" in options):
        return dump_json(_sorted(value)).decode().translate(_GO_ESCAPES)
    indent = str(options.get("indent", "\t"))
    text = json.dumps(_sorted(value), ensure_ascii=False, indent=indent, separators=(",", ": "))
    text = text.translate(_GO_ESCAPES)
    return "\n".join(str(options.get("prefix", "")) + line for line in text.split("\n"))


def _sorted(value: Value) -> Value:
    if isinstance(value, dict):
        return {str(key): _sorted(value[key]) for key in sorted(value, key=str)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


# --- yaml


def _load_yaml(text: str) -> Value:
    try:
        value: Value = yaml_text.load(text, rules=yaml_text.OPA, most_careful=MOST_CAREFUL)
    except YamlError as error:
        raise BuiltinError(str(error)) from error
    _check_size(value, [0], 0)
    return value


def _check_size(value: Value, nodes: list[int], depth: int) -> None:
    nodes[0] += 1
    if nodes[0] > MOST_NODES or depth > 100:
        raise BuiltinError("the YAML document is too large or too deep")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_size(item, nodes, depth + 1)


def _yaml_unmarshal(_environment: Environment, text: str) -> Value:
    return _load_yaml(text)


def _yaml_is_valid(_environment: Environment, text: Value) -> bool:
    try:
        if not isinstance(text, str):
            return False
        _load_yaml(text)
    except BuiltinError:
        return False
    return True


def _yaml_marshal(_environment: Environment, value: Value) -> str:
    try:
        return yaml_text.dumps(_sorted(value), indent_lists=True)
    except YamlError as error:
        raise BuiltinError(str(error)) from error


# --- objects and graphs


def _subset(_environment: Environment, whole: Value, part: Value) -> bool:
    """Objects within objects, sets within sets, an array as a stretch of an array, an array that holds a set."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return _object_subset(whole, part)
    if isinstance(whole, RegoSet) and isinstance(part, RegoSet):
        return _contains_all(whole, part)
    if isinstance(whole, list) and isinstance(part, list) and not isinstance(whole, RegoSet):
        if isinstance(part, RegoSet):
            return _contains_all(whole, part)
        return _array_subset(whole, part)
    raise BuiltinError("both arguments object.subset must be of the same type or array and set")


def _object_subset(whole: dict[Key, Value], part: dict[Key, Value]) -> bool:
    return all(key in whole and (equal(whole[key], item) or _inside(whole[key], item)) for key, item in part.items())


def _inside(whole: Value, part: Value) -> bool:
    if isinstance(whole, dict) and isinstance(part, dict):
        return _object_subset(whole, part)
    if isinstance(whole, RegoSet) and isinstance(part, RegoSet):
        return _contains_all(whole, part)
    if type(whole) is list and type(part) is list:
        return _array_subset(whole, part)
    return False


def _array_subset(whole: list[Value], part: list[Value]) -> bool:
    """Whether `part` is a stretch of `whole`."""
    if len(whole) * len(part) > MOST_COMPARISONS:
        raise BuiltinError(f"arrays of {len(whole)} and {len(part)} elements are too long to compare")
    one, other = [comparable(item) for item in whole], [comparable(item) for item in part]
    return any(one[start : start + len(other)] == other for start in range(len(one) - len(other) + 1))


def _reachable_paths(_environment: Environment, graph: Mapping[object, Value], starts: list[Value]) -> RegoSet:
    paths: RegoSet = RegoSet()
    seen: set[tuple[object, ...]] = set()
    steps = 0

    def commit(path: list[Value]) -> None:
        if tuple(path) not in seen:
            seen.add(tuple(path))
            paths.append(path)
        if len(paths) > MOST_PATHS:
            raise BuiltinError(f"more than {MOST_PATHS} paths")

    def follow(node: Value, path: list[Value]) -> None:
        nonlocal steps
        steps += 1
        if steps > MOST_NODES:
            raise BuiltinError(f"more than {MOST_NODES} steps through the graph")
        edges = graph.get(node)
        if edges is None and node not in graph:
            commit(path)
            return
        path = [*path, node]
        neighbours = edges if isinstance(edges, list) else []
        if not neighbours:
            commit(path)
        for neighbour in neighbours:
            if path[1:] and neighbour in path:  # a start's own neighbours are always entered, as in OPA
                commit(path)
            else:
                follow(neighbour, path)

    try:
        for start in starts:
            if start in graph:
                follow(start, [])
    except TypeError as error:
        raise BuiltinError("the nodes of a graph must be strings or numbers") from error
    return paths


# --- casts of early Rego


def _cast(kind: type, name: str) -> Callable[[Environment, Value], Value]:
    def cast(_environment: Environment, value: Value) -> Value:
        if isinstance(value, kind):
            return value
        raise BuiltinError(f"the argument is not {name}")

    return cast


def _cast_array(_environment: Environment, value: Value) -> list[Value]:
    if isinstance(value, list):
        return list(value)
    raise BuiltinError("the argument is not an array or set")


def _cast_set(_environment: Environment, value: Value) -> Value:
    return RegoSet({comparable(item): item for item in _cast_array(_environment, value)}.values())


BUILTINS = (
    Builtin("json.patch", "xa", _patch, QUICK),
    Builtin("json.marshal_with_options", "xo", _marshal_with_options, QUICK),
    Builtin("yaml.marshal", "x", _yaml_marshal, QUICK // 4),
    Builtin("yaml.unmarshal", "s", _yaml_unmarshal, QUICK_YAML),
    Builtin("yaml.is_valid", "x", _yaml_is_valid, QUICK_YAML),
    Builtin("object.subset", "xx", _subset, QUICK // 4),
    Builtin("graph.reachable_paths", "oa", _reachable_paths, 0),
    Builtin("cast_array", "x", _cast_array),
    Builtin("cast_set", "x", _cast_set, QUICK),
    Builtin("cast_string", "x", _cast(str, "a string")),
    Builtin("cast_boolean", "x", _cast(bool, "a boolean")),
    Builtin("cast_null", "x", _cast(type(None), "null")),
    Builtin("cast_object", "x", _cast(dict, "an object")),
)
