"""Expressions of policy groups: grammar, precedence, short circuit, errors with their column; and the answer."""

import itertools

import pytest
import trio

from edged.admission.rules import groups
from edged.admission.rules.review import AdmissionResponse

MEMBERS = dict.fromkeys(("a", "b", "c", "long_name_2"))


def value(text, **verdicts):
    """(value, members asked in order)."""
    asked = []

    async def ask(name):
        asked.append(name)
        return verdicts[name]

    async def main():
        return await groups.evaluate(groups.parse(text, MEMBERS), ask)

    return trio.run(main), asked


# Python's own operators as the judge: `not`, then ==, then and, then or, with brackets to bind as the grammar does.
SAME = [
    ("a() && b() || c()", lambda a, b, c: (a and b) or c),
    ("a() || b() && c()", lambda a, b, c: a or (b and c)),
    ("(a() || b()) && c()", lambda a, b, c: (a or b) and c),
    ("!a() && b()", lambda a, b, c: (not a) and b),
    ("!(a() && b())", lambda a, b, c: not (a and b)),
    ("!!a()", lambda a, b, c: a),
    ("!a() == b()", lambda a, b, c: (not a) == b),
    ("a() == b() && c()", lambda a, b, c: (a == b) and c),
    ("a() == b() == c()", lambda a, b, c: (a == b) == c),
    ("a() != b() || c()", lambda a, b, c: (a != b) or c),
    ("a() || b() == c()", lambda a, b, c: a or (b == c)),
    ("true && !false && a()", lambda a, b, c: a),
    ("  a ( )\n&&\tb()", lambda a, b, c: a and b),
]


@pytest.mark.parametrize(("text", "same"), SAME)
def test_every_combination_of_verdicts_gives_what_the_operators_say(text, same):
    for a, b, c in itertools.product((True, False), repeat=3):
        assert value(text, a=a, b=b, c=c)[0] == same(a, b, c), (a, b, c)


@pytest.mark.parametrize(("text", "same"), SAME)
def test_a_value_that_depends_on_an_unknown_member_is_unknown(text, same):
    """None stands for a member that was not asked: the value is known where both verdicts of it give the same."""
    for verdicts in itertools.product((True, False, None), repeat=3):
        both = [(True, False) if verdict is None else (verdict,) for verdict in verdicts]
        values = {same(*each) for each in itertools.product(*both)}
        found = value(text, **dict(zip("abc", verdicts, strict=True)))[0]
        assert found == values.pop() if len(values) == 1 else found is None, verdicts


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("a() && b()", ["a"]),
        ("!a() || b()", ["a"]),
        ("a() == b()", ["a", "b"]),
        ("a() && b() || c()", ["a", "c"]),
        ("a() || a()", ["a", "a"]),
        ("false && a()", []),
        ("true || a()", []),
    ],
)
def test_a_member_whose_verdict_cannot_matter_is_not_asked(text, asked):
    assert value(text, a=False, b=False, c=False)[1] == asked


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "column 1: a member's call, true, false, ! or ( is expected, not the end"),
        ("a() &&", "column 7: a member's call, true, false, ! or ( is expected, not the end"),
        ("a() b()", "column 5: &&, ||, == or != is expected, not 'b'"),
        ("a", "column 2: ( is expected, not the end"),
        ("a(b())", "column 3: ) is expected, not 'b'"),
        ("(a()", "column 5: ) is expected, not the end"),
        ("a())", "column 4: &&, ||, == or != is expected, not ')'"),
        ("a() & b()", "column 5: &&, ||, == or != is expected, not '&'"),
        ("2 > 1", "column 1: a member's call, true, false, ! or ( is expected, not '2'"),
        ("a() && d()", "column 8: d is not a member of the group"),
        ("true()", "column 5: &&, ||, == or != is expected, not '('"),
        ("a().b", "column 4: &&, ||, == or != is expected, not '.'"),
        ("!" * 60 + "a()", "column 51: nested deeper than 50, not '!'"),
        ("true" + "||true" * 300, "column 1801: more than 600 words and signs"),
        ("a()" + " " * 5000, "column 4097: longer than 4096 characters"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text, complaint):
    with pytest.raises(groups.BadExpression) as raised:
        groups.parse(text, MEMBERS)
    assert str(raised.value) == complaint


def test_the_longest_chain_is_evaluated():
    assert value("a()" + "||a()" * 149, a=False) == (False, ["a"] * 150)


def test_called_names_every_call():
    parsed = groups.parse("a() && !(b() || long_name_2()) == true || a()", MEMBERS)
    assert list(groups.called(parsed)) == ["a", "b", "long_name_2", "a"]


def test_an_allowed_group_says_nothing_but_that():
    asked = {"a": AdmissionResponse("u", True, warnings=["w"], audit_annotations={"k": "v"})}
    assert groups.group_response("u", True, "no", asked) == AdmissionResponse("u", True)


def test_a_denied_group_gives_a_cause_for_each_member_that_was_asked_and_did_not_accept():
    asked = {
        "a": AdmissionResponse("u", True),
        "b": AdmissionResponse("u", False, status={"message": "b says no", "code": 403}),
        "c": AdmissionResponse("u", True, patch=[{"op": "remove", "path": "/x"}]),
        "d": AdmissionResponse("u", False),
    }
    assert groups.group_response("u", False, "no", asked).status == {
        "message": "no",
        "details": {
            "causes": [
                {"reason": None, "message": "b says no", "field": "spec.policies.b"},
                {"reason": None, "message": groups.MUTATION_IN_GROUP, "field": "spec.policies.c"},
                {"reason": None, "message": None, "field": "spec.policies.d"},
            ]
        },
    }
