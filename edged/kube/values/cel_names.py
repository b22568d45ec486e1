"""What a CEL expression reads: names that no macro binds, functions, comparisons with null. Pure, and no library.

Also writes an expression out without the variables of a ValidatingAdmissionPolicy. cel_syntax.py reads the text, so its
Wrong and Unsure are raised here, too. Called by cli/policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from edged.kube.values import cel_syntax
from edged.kube.values.cel_syntax import Call, List, Literal, Map, Name, Node, Select, Token, Unsure, Wrong

LONGEST = 16384
"""Characters of an expression that is written out."""
_MACROS = frozenset((
    "all", "exists", "exists_one", "existsOne", "map", "filter", "transformList", "transformMap", "transformMapEntry",
))  # fmt: skip
_TWO_VARIABLES = frozenset(("all", "exists", "exists_one", "existsOne"))
_ALWAYS_TWO = frozenset(("transformList", "transformMap", "transformMapEntry"))


@dataclass(slots=True)
class Read:
    """`names` are free; `bound` are the variables of macros; `functions` and macros by name, those of two variables as
    `all/2`; `compared`: names that are compared with null."""

    names: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    compared: set[str] = field(default_factory=set)


def read(expression: str) -> Read:
    """Raises Wrong and Unsure. Of what has no tree here, such as optional fields, the tokens are looked at: then a name
    may count as free that is none."""
    found, text = Read(), expression.strip()
    tokens = cel_syntax.tokens(text)
    try:
        tree = cel_syntax.parse(text)
    except Unsure:
        pairs = zip((None, *tokens), tokens, strict=False)  # each token after the one before it
        _read_tokens([token for before, token in pairs if not _is_optional(before, token)], found)
    else:
        _walk(tree, frozenset(), found)
    return found


def _is_optional(before: Token | None, token: Token) -> bool:
    """Whether it is the `?` of `.?` or `[?`."""
    return token.text == "?" and before is not None and before.text in (".", "[")


def _read_tokens(tokens: list[Token], found: Read) -> None:
    for index, token in enumerate(tokens[:-1]):
        before, after = tokens[index - 1].text if index else "", tokens[index + 1].text
        if token.kind == "name" and after == "(":
            found.functions.add(token.text)
            variable = tokens[index + 2 : index + 4]  # and the comma; the text may end before
            if before == "." and token.text in _MACROS and len(variable) == 2 and variable[1].text == ",":
                found.bound.add(variable[0].text)
        elif token.kind == "name" and before != ".":
            found.names.add(token.text)
        sides = {before, after} if token.text in ("==", "!=") else set()
        found.compared |= (sides - {"null"}) if "null" in sides else set()
    found.names -= found.bound


def _walk(node: Node, bound: frozenset[str], found: Read) -> None:
    match node:
        case Name(name):
            if name not in bound:
                found.names.add(name)
        case Select(operand):
            _walk(operand, bound, found)
        case List(elements):
            for each in elements:
                _walk(each, bound, found)
        case Map(entries):
            for entry in entries:
                for each in entry:
                    _walk(each, bound, found)
        case Call():
            _walk_call(node, bound, found)


def _walk_call(node: Call, bound: frozenset[str], found: Read) -> None:
    arguments = node.arguments
    if node.target is not None:
        _walk(node.target, bound, found)
        variables = tuple(_variables(node))
        arguments = arguments[len(variables) :]
        found.bound.update(variables)
        bound |= set(variables)
        found.functions.add(f"{node.function}/2" if len(variables) == 2 else node.function)
    else:
        found.functions.add(node.function)
    if node.function in ("==", "!="):
        sides = {each.name for each in arguments if isinstance(each, Name)}
        if any(isinstance(each, Literal) and each.type == "null" for each in arguments):
            found.compared |= sides - bound
    for each in arguments:
        _walk(each, bound, found)


def _variables(node: Call) -> Iterator[str]:
    """Of a macro: the names that it binds."""
    if node.function not in _MACROS:
        return
    two = node.function in _ALWAYS_TWO or (node.function in _TWO_VARIABLES and len(node.arguments) == 3)
    for each in node.arguments[: 2 if two else 1]:
        if isinstance(each, Name):
            yield each.name


def written_out(expression: str, variables: Mapping[str, str]) -> str:
    """The expression with `variables.NAME` replaced by what that is, written out before. Raises Wrong and Unsure."""
    text = expression.strip()
    if read(text).bound & {"variables", "object", "oldObject", "request", "namespaceObject", "params"}:
        raise Unsure("a variable of a macro has the name of something else that it reads")
    tokens = cel_syntax.tokens(text)
    pieces, at = [], 0
    for index, token in enumerate(tokens):
        if token.text != "variables" or token.kind != "name" or (index and tokens[index - 1].text == "."):
            continue
        dot, name = tokens[index + 1 : index + 3] if len(tokens) > index + 2 else (token, token)
        if dot.text != "." or name.kind != "name":
            raise Unsure("`variables` is used without a name")
        if name.text not in variables:
            raise Wrong(f"undeclared reference: variables.{name.text}")
        pieces += [text[at : token.at], enclosed(variables[name.text])]
        at = name.at + len(name.text)
    whole = "".join([*pieces, text[at:]])
    if len(whole) > LONGEST:
        raise Unsure(f"with its variables written out it has more than {LONGEST} characters")
    return whole


def enclosed(expression: str) -> str:
    """In parentheses; a comment at its end ends with its line."""
    return f"({expression}\n)" if "//" in expression else f"({expression})"
