"""Random CEL expressions, most of which nearly make sense: for tests that compare our answer with the API server's."""

from __future__ import annotations

from random import Random

FIELDS = (
    "request", "request.kind", "request.kind.group", "request.resource.resource", "request.name", "request.operation",
    "request.userInfo", "request.userInfo.groups", "request.userInfo.extra", "request.userInfo.extra.a",
    "request.dryRun",
    "request.options", "request.subResource", "request.foo", "object", "object.metadata", "object.spec.containers",
    "object.metadata.labels['a']", "object.metadata.annotations", "oldObject", "oldObject.x[0]", "foo", "namespace",
    "x",
    "y", "object['a']", "object.a['b'].c", "request.object", "object.namespace", "object.int",
    "namespaceObject.metadata",
)  # fmt: skip
LITERALS = (
    "1", "0", "-1", "2u", "1.5", "true", "false", "null", "'a'", '"b"', "r'c'", "''", "'\\n'", "[]", "['a']", "[1, 2]",
    "['a', 1]", "{'a': 1}", "'^a+$'", "'('", "'a{1,3}'", "'[a-z]'", "9223372036854775807", "0x1f", ".5", "b'a'",
)  # fmt: skip
OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "&&", "||", "+", "-", "*", "/", "%", "in")
METHODS = (
    "startsWith", "endsWith", "contains", "matches", "find", "findAll", "lowerAscii", "upperAscii", "trim", "charAt",
    "substring", "split", "replace", "indexOf", "lastIndexOf", "size", "foo", "join", "sum",
)  # fmt: skip
FUNCTIONS = ("size", "has", "int", "string", "double", "uint", "dyn", "foo", "bool", "type", "timestamp", "matches")
MACROS = ("all", "exists", "exists_one", "map", "filter")


def expression(rng: Random, depth: int = 4) -> str:
    """One of any type."""
    kind = rng.randrange(14) if depth else rng.randrange(5)
    if kind < 3:
        return rng.choice(FIELDS)
    if kind < 5:
        return rng.choice(LITERALS)

    def inner() -> str:
        return expression(rng, depth - 1)

    if kind < 8:
        return f"{_grouped(inner())} {rng.choice(OPERATORS)} {_grouped(inner())}"
    if kind == 8:
        return f"{rng.choice(('!', '!', '-', '!!'))}{_grouped(inner())}"
    if kind == 9:
        arguments = ", ".join(inner() for _ in range(rng.choice((0, 1, 1, 1, 2))))
        return f"{_grouped(inner())}.{rng.choice(METHODS)}({arguments})"
    if kind == 10:
        return f"{rng.choice(FUNCTIONS)}({inner()})"
    if kind == 11:
        return f"{_grouped(inner())} ? {_grouped(inner())} : {inner()}"
    if kind == 12:
        arguments = ", ".join((rng.choice("xy"), *(inner() for _ in range(rng.choice((1, 1, 1, 2))))))
        return f"{_grouped(inner())}.{rng.choice(MACROS)}({arguments})"
    return f"{_grouped(inner())}[{inner()}]" if rng.random() < 0.5 else f"{_grouped(inner())}.{rng.choice('abc')}"


def condition(rng: Random, depth: int = 4) -> str:
    """One that is more often a bool, now and then damaged."""
    operator = rng.choice(("&&", "||", "==", "!=", "in", "<"))
    text = rng.choice((
        expression(rng, depth), f"{_grouped(expression(rng, depth))} {operator} {_grouped(expression(rng, depth))}",
        f"has({expression(rng, 1)}) {operator} {_grouped(expression(rng, depth))}",
        f"{_grouped(expression(rng, depth))} == {_grouped(expression(rng, depth))}",
        f"object.spec.containers.all(x, {expression(rng, depth)} == {expression(rng, 1)})",
    ))  # fmt: skip
    if rng.random() < 0.1:
        at = rng.randrange(len(text) + 1)
        damage = rng.choice(("", ")", "(", "'", ".", "\\", " ", "?", "a", "&&", "\n", "é", "//", "{"))
        text = text[:at] + damage + text[at + 1 :]
    return text


def pattern(rng: Random, depth: int = 3) -> str:
    """A regular expression, more or less."""
    atoms = ("a", "b", ".", "\\d", "\\.", "[a-z]", "[^a\\]]", "^", "$", "\\b", "\\p{L}", "[[:alpha:]]", "[z-a]",
    "[]a]", "{", "-",
             "[a-]", "[-a]", "(?i)", "\\1", "\\x41", "é")  # fmt: skip
    quantifiers = ("", "", "", "*", "+", "?", "{2}", "{1,3}", "{3,1}", "{,2}", "{2,}", "*?", "**", "{1001}", "{200}")
    pieces = []
    for _ in range(rng.randrange(1, 4)):
        atom = f"({rng.choice(('', '?:', '?P<n>'))}{pattern(rng, depth - 1)})" if depth and rng.random() < 0.3 else \
            rng.choice(atoms)
        pieces.append(atom + rng.choice(quantifiers))
    text = "".join(pieces)
    return f"{text}|{pattern(rng, 0)}" if rng.random() < 0.2 else text


def _grouped(text: str) -> str:
    return text if text.replace(".", "").replace("'", "").isalnum() else f"({text})"
