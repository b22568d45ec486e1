"""The syntax of CEL: trees of what is read, and which of the rest is no CEL and which is only not read here."""

from __future__ import annotations

import pytest

from edged.kube.values.cel_syntax import (
    MAX_CHAIN,
    MAX_CHARACTERS,
    MAX_DEPTH,
    Call,
    List,
    Literal,
    Name,
    Select,
    Unsure,
    Wrong,
    parse,
)

A, B = Name("a"), Name("b")


@pytest.mark.parametrize(("text", "tree"), [
    ("a.b == 'x'", Call("==", (Select(A, "b"), Literal("string", "x")))),
    ("a && b && a", Call("&&", (A, B, A))),
    ("a || b && a", Call("||", (A, Call("&&", (B, A))))),
    ("a ? b : a ? b : a", Call("?", (A, B, Call("?", (A, B, A))))),
    ("a + b * a", Call("+", (A, Call("*", (B, A))))),
    ("a - b - a", Call("-", (Call("-", (A, B)), A))),
    ("!a.b(1, 2u)", Call("unary !", (Call("b", (Literal("int", "1"), Literal("uint", "2u")), A),))),
    ("!!a", A),
    ("---a", Call("unary -", (A,))),
    ("a[0].c", Select(Call("[]", (A, Literal("int", "0"))), "c")),
    ("[a, 1.5,]", List((A, Literal("double", "1.5")))),
    ("a in [true, null]", Call("in", (A, List((Literal("bool", True), Literal("null", None)))))),
    (r"""r'\d' == "\"\n" // why""", Call("==", (Literal("string", r"\d"), Literal("string", '"\n')))),
    ("a.namespace", Select(A, "namespace")),
    ("f()", Call("f", ())),
])
def test_trees(text, tree):
    assert parse(text) == tree


@pytest.mark.parametrize("text", [
    "", "a ==", "== a", "a b", "a..b", "a.", "(a", "a)", "[a", "a[", "a ? b", "a ? b :", "f(a,)", "f(,)", "[,a]",
    "{a}", "1a",
    "'a", '"a\nb"', "a & b", "a = b", "#", "é", "\0", r"'\.'", r"'\q'", "for", "namespace == 'a'", "a.in", "a.true",
    "!-a",
    "a ? b : a : b",
])
def test_what_is_no_cel(text):
    with pytest.raises(Wrong):
        parse(text)


@pytest.mark.parametrize("text", [
    "a.?b", "a[?b]", "[?a]", "{?a: b}", ".a", "a.`b`", "T{a: b}", "b'a'", "'''a'''", '"""a"""', r"'\x41'", r"'\u0041'",
    "9223372036854775808", "0xffffffffffffffffff", "1e400", "(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1),
    "a" + ".b" * (MAX_CHAIN + 1),
    "!" * (MAX_CHAIN + 2) + "a", " + ".join("a" * (MAX_CHAIN + 2)), "a" * (MAX_CHARACTERS + 1), "[" * 5000,
    "a[" * 20 + "a" + "].b.c.d" * 20,
])  # fmt: skip
def test_what_is_not_read_here(text):
    with pytest.raises(Unsure):
        parse(text[: MAX_CHARACTERS + 1])
