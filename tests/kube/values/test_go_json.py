"""JSON as Go reads it into its types. tests/scheduling/run/test_extender_reference.py compares it with Go."""

import pytest

from edged.json_text import JsonError
from edged.kube.values.go_json import AN_OBJECT, TEXT, WHOLE, GoTypeError, ListOf, MapOf, Pointer, Struct, read

THING = Struct({"Name": TEXT, "Kinds": ListOf(TEXT), "Sizes": MapOf(WHOLE), "Next": Pointer(Struct({"Disks": WHOLE}))})
NOTHING = {"Name": "", "Kinds": [], "Sizes": {}, "Next": None}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{}", {}),
        ("null", {}),
        ('{"NAME": "a", "kinds": ["b"], "next": {"disKs": 1}, "x": {"y": [1.5]}}',
         {"Name": "a", "Kinds": ["b"], "Next": {"Disks": 1}}),
        ('{"next": {"di\u017f\u212a\u017f": 2}}', {"Next": {"Disks": 2}}),
        ('{"Name": "a", "name": "b", "NAME": null}', {"Name": "b"}),
        ('{"Sizes": {"a": 1, "b": 1}, "sizes": {"b": 2, "B": 3}}', {"Sizes": {"a": 1, "b": 2, "B": 3}}),
        ('{"Sizes": {"a": 1}, "sizes": null}', {}),
        ('{"Kinds": ["a", "b"], "kinds": [null]}', {"Kinds": ["a"]}),
        ('{"Kinds": ["a", "b"], "kinds": ["c"], "KINDS": [null, null]}', {"Kinds": ["c", "b"]}),
        ('{"Kinds": ["a"], "kinds": [], "KINDS": [null]}', {"Kinds": [""]}),
        ('{"Next": {"Disks": 1}, "next": {}}', {"Next": {"Disks": 1}}),
        ('{"Next": {"Disks": 1}, "next": null}', {}),
        ('{"Next": {"Disks": -0}} and more', {"Next": {"Disks": 0}}),
        ('{"Name": "\\ud800x"}', {"Name": "\ufffdx"}),
    ],
)  # fmt: skip
def test_fields_are_found_and_read_over_each_other(text, found):
    assert read(THING, text.encode()) == NOTHING | found


def test_nothing_follows_a_value_that_has_to_be_alone():
    assert read(THING, b"{} \n", alone=True) == NOTHING
    with pytest.raises(JsonError, match="something follows"):
        read(THING, b"{} {}", alone=True)


def test_bytes_that_are_no_utf8_are_replaced_one_by_one():
    assert read(THING, b'{"Name": "\xff\xfea\xe2\x82"}')["Name"] == "\ufffd\ufffda\ufffd\ufffd"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "the answer: must be an object, not a list"),
        ('{"name": 1}', "Name: must be text, not 1"),
        ('{"kinds": {}}', "Kinds: must be a list, not an object"),
        ('{"kinds": ["a", 2]}', "Kinds[1]: must be text, not 2"),
        ('{"sizes": {"a": 1.0}}', "Sizes.a: must be a whole number of 64 bits, not 1.0"),
        ('{"sizes": {"a": "1"}}', "Sizes.a: must be a whole number of 64 bits, not '1'"),
        ('{"sizes": {"a": true}}', "Sizes.a: must be a whole number of 64 bits, not True"),
        ('{"sizes": {"a": 9223372036854775808}}', "Sizes.a: must be a whole number of 64 bits"),
        ('{"next": {"disks": ' + "9" * 5000 + "}}", "Next.Disks: must be a whole number of 64 bits, not inf"),
        ('{"next": []}', "Next: must be an object, not a list"),
    ],
)
def test_another_kind_is_an_error_that_names_the_place(text, problem):
    with pytest.raises(GoTypeError) as caught:
        read(THING, text.encode())
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", '{"a": NaN}', '{"a": 01}', "\ufeff{}", "[" * 100_000])
def test_what_is_no_json(text):
    with pytest.raises(JsonError):
        read(THING, text.encode())


def test_an_object_that_is_not_read():
    assert read(AN_OBJECT, b'{"a": [1]}') is None
    with pytest.raises(GoTypeError, match="must be an object"):
        read(AN_OBJECT, b"[]")
