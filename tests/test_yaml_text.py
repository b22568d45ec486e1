"""Reading and writing YAML: what kubectl reads, with libyaml and without; what is refused, and how that is said."""

from __future__ import annotations

import codecs
import math
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from edged import yaml_text
from edged.errors import EdgedError
from edged.json_text import dumps
from edged.yaml_text import (
    OPA,
    TEXT,
    DuplicateKeys,
    YamlError,
    documents,
    lines,
    load,
    load_configuration,
    quick,
    tag_of,
)
from tests.yaml_cases import CONFIGURATIONS, FILES, ONE, REFUSED, STRICT


@pytest.fixture(params=[True, False], ids=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With libyaml, and as on a machine where PyYAML was built without it."""
    monkeypatch.setattr(yaml, "__with_libyaml__", request.param)


def _all(text: str | bytes) -> list[Any]:
    return [document.value for document in documents(text)]


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        *((load, text, value) for text, value in ONE),
        *((lambda text: load(text, strict=True), text, value) for text, value in STRICT),
        *((load_configuration, text, value) for text, value in CONFIGURATIONS),
        *((_all, text, value) for text, value in FILES),
    ],
    ids=[repr(text) for text, _ in (*ONE, *STRICT, *CONFIGURATIONS, *FILES)],
)
def test_texts_are_read_as_the_programs_of_kubernetes_read_them(
    read: Callable[[str], Any], text: str, value: Any
) -> None:
    if value is REFUSED:
        with pytest.raises(YamlError):
            read(text)
    else:
        assert dumps(read(text), sort=True) == dumps(value, sort=True)  # 1, 1.0 and True are not the same


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [1\nc: 2\n", "f: not valid YAML: line 3: did not find expected ',' or ']', while parsing a flow "
         "sequence"),
        ("a:\n\tb: 1\n", "f: not valid YAML: line 2: found character that cannot start any token, while scanning for "
         "the next token"),
        ("x:\n- 1\n- ~: 2\n", "f: not valid YAML: line 3: null cannot be a key; quote it"),
        ("x:\n- {[1]: 2}\n", "f: not valid YAML: line 2: a list or a mapping cannot be a key"),
        ("x: 1\ny: .inf\n", "f: not valid YAML: line 2: JSON has no number .inf"),
        ("x: 1\ny: *z\n", "f: not valid YAML: line 2: unknown anchor 'z' referenced"),
        ("x: 1\ny: !!int z\n", "f: not valid YAML: line 2: cannot decode !!str `z` as a !!int"),
        (b"a: \xff", "f: not valid YAML: "),
        ("a: \ud800", "f: not valid YAML: "),
        (b"\xff\xfea", "f: not valid YAML: "),
    ],
)  # fmt: skip
def test_errors_name_the_text_the_line_and_the_problem(text: str | bytes, said: str) -> None:
    with pytest.raises(YamlError) as caught:
        load(text, what="f")
    assert str(caught.value).startswith(said)
    assert isinstance(caught.value, EdgedError) and isinstance(caught.value, ValueError)


def test_errors_in_a_file_name_the_document_and_the_line_of_the_file() -> None:
    with pytest.raises(
        YamlError, match=r"^pods.yaml: not valid YAML: document 2, line 5: mapping values are not allowed"
    ):
        list(documents("a: 1\n---\n# second\nb:\n  c: d: e\n", what="pods.yaml"))
    with pytest.raises(YamlError, match=r"^pods.yaml: not valid YAML: line 2: a line that begins with '---' ends a "
                       r"document, also within a text, and here '{a: 1}' follows it; begin that on the next line"):
        list(documents("a: 1\n--- {a: 1}\n", what="pods.yaml"))
    assert [document.where for document in documents("a: 1\n---\n---\nb: 1\n", what="f")] == [
        "f: document 1",
        "f: document 2",
    ]
    assert [document.where for document in documents('{"a": 1}', what="f")] == ["f"]


def test_keys_that_are_no_text_are_named_as_they_are() -> None:
    with pytest.raises(DuplicateKeys) as caught:
        load("8080: 1\n0x1F90: 2\ny: 1\ny: 2\n'1': 1\n'1': 2\n", strict=True)
    assert caught.value.found == ((2, "8080"), (4, "true"), (6, '"1"'))


def test_keys_that_are_there_twice_are_all_named_with_their_lines() -> None:
    with pytest.raises(DuplicateKeys) as caught:
        load("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n", what="f", strict=True)
    assert caught.value.found == ((4, '"c"'), (5, '"a"'))
    assert caught.value.value == {"a": 2, "b": {"c": 2}}
    assert str(caught.value) == 'f: not valid YAML: line 4: key "c" already set in map; remove one of the two'


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("levels", [900, 901, 20_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")])
def test_deep_texts_are_read_to_a_limit_and_refused_beyond_it(levels: int, opening: str, closing: str) -> None:
    deep = opening * levels + "a" + closing * levels
    if levels <= yaml_text.MOST_DEPTH and opening != "? ":
        value = load(deep)
        for _ in range(levels):
            (value,) = value.values() if isinstance(value, dict) else value
    else:
        with pytest.raises(YamlError):
            load(deep)


def test_aliases_may_not_nest_deeper_than_texts() -> None:
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 890))
    with pytest.raises(YamlError, match=r"excessive aliasing|nested deeper"):
        load(chain)
    deep = "a: &a " + "[" * 600 + "]" * 600 + "\nb: " + "[" * 600 + "*a" + "]" * 600 + "\n"
    with pytest.raises(YamlError, match="line 2: nested deeper than 900 levels"):
        load(deep)


def test_a_document_of_aliases_is_refused_before_it_is_built() -> None:
    laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(9)
    )
    with pytest.raises(YamlError, match=r"line 4: document contains excessive aliasing: \d+ of \d+ values are copies"):
        load(laughs)


def test_copies_of_an_alias_are_values_of_their_own() -> None:
    value = load("a: &x {b: [1]}\nc: *x\n")
    value["c"]["b"].append(2)
    assert value == {"a": {"b": [1]}, "c": {"b": [1, 2]}}


def test_encodings_and_size() -> None:
    text = "a: é\n"
    for content in (text, text.encode(), codecs.BOM_UTF8 + text.encode(), text.encode("utf-16")):
        assert load(content) == {"a": "é"}
        assert _all(content) == [{"a": "é"}]
    assert load(codecs.BOM_UTF16_BE + text.encode("utf-16-be")) == {"a": "é"}
    with pytest.raises(YamlError, match=r"^f: duplicate field \"b\.c\"; remove one of the two$"):
        load_configuration('{"b": {"c": 1, "c": 2}}', what="f")
    with pytest.raises(YamlError, match=r"^f: not valid JSON: "):
        load_configuration("{b: 1}", what="f")
    with pytest.raises(YamlError, match="f: larger than 3 bytes"):
        load("a: 1", what="f", most=3)


def test_files_may_hold_any_bytes() -> None:
    """Comments of other encodings are no reason to refuse a manifest: kubectl reads U+FFFD there."""
    assert _all(b"# gr\xfc\xdfe\na: b\xe2\x82c\n") == [{"a": "b\ufffdc"}]
    assert _all(codecs.BOM_UTF16_LE + "a: b".encode("utf-16-le") + b"\x00\xd8") == [{"a": "b\ufffd"}]
    large = "é😀" * 200_000
    assert _all(f"a: x{large}\n".encode()) == [{"a": f"x{large}"}]
    assert _all(f"a: x{large}".encode() + b"\xc3") == [{"a": f"x{large}\ufffd"}]
    for content in (codecs.BOM_UTF8 + b"# gr\xfc\na: b\n", b"a: \0\n"):
        with pytest.raises(YamlError):
            _all(content)
    for read in (load, load_configuration):
        with pytest.raises(YamlError):
            read(b"# gr\xfc\na: b\n")


def test_lines_of_values() -> None:
    text = "# x\na: 1\nb:\n- c: 2\n\n  d: [e,\n      f]\n- {}\n"
    assert lines(text) == {
        (): 1, ("a",): 2, ("b",): 3, ("b", 0): 4, ("b", 0, "c"): 4, ("b", 0, "d"): 6, ("b", 0, "d", 0): 6,
        ("b", 0, "d", 1): 7, ("b", 1): 8,
    }  # fmt: skip
    assert lines("") == {}


def test_tag_of_a_document() -> None:
    assert tag_of("!KubernetesGetResource\nname: n\n") == "!KubernetesGetResource"
    assert tag_of("a: !x 1\n") is None and tag_of("") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on: 1\ny: off\n", {"on": 1, "y": "off"}),
        ("a: 2024-01-02\nb: 1e3\nc: 52:54:00:12:34:56\n", {"a": "2024-01-02", "b": 1000, "c": "52:54:00:12:34:56"}),
        ("a: &x {b: 1, c: 2}\nd: {b: 3, <<: *x}\n", {"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}}),
        ("- {<<: {a: 1}, <<: {a: 2, b: 2}}\n", [{"a": 1, "b": 2}]),
        ("18446744073709551615: 1\n", {"18446744073709551615": 1}),
        ("a: 0o-7\n", {"a": -7}),
        ("[! 12, ! '12', ! ]", [12, "12", None]),
        ("!!timestamp 2024-1-2", "2024-01-02T00:00:00Z"),
        ("!!timestamp 2001-12-14t21:5:3,1200-05:00", "2001-12-14T21:05:03.12-05:00"),
        ("!!timestamp 2001-12-14 21:59:43", "2001-12-14T21:59:43Z"),
        ("a: !!int x\nb: {<<: 1}\nc: &c [*c]\na: 1\nb: 2\nc: 3\n", {"a": 1, "b": 2, "c": 3}),
        ("a: !!int x\n", REFUSED),
        ("b: {<<: 1}\n", REFUSED),
        ("c: &c [*c]\n", REFUSED),
        ("a: 1\n---\n*b\n", REFUSED),
        ("a: 1\n---\nb: [\n", REFUSED),
    ],
)
def test_what_opa_reads_differently(text: str, value: Any) -> None:
    if value is REFUSED:
        with pytest.raises(YamlError):
            load(text, rules=OPA)
    else:
        assert dumps(load(text, rules=OPA), sort=True) == dumps(value, sort=True)


WRITTEN = {
    "name": "web", "n": "n", "empty": "", "list": [], "map": {}, "nothing": None, "yes": True, "count": 3, "share": 0.5,
    "large": 1e300, "ip": "10.0.0.1", "mac": "52:54:00:12:34:56", "sixty": "190:20", "time": "2024-01-02T03:04:05Z",
    "octal": "0o17", "float": "1e3", "equals": "=", "merge": "<<", "image": "registry.example/x:1", "flag": "--all",
    "comment": "a #b", "colon": "a: b", "quote": "it's", "double": 'say "x"', "star": "*", "blank": " a", "tab": "a\tb",
    "bom": "\ufeffa", "line": "a\u2028b", "script": "if [ x ]\n  then y\n", "short": "a\nb", "long": "a\n\n\n",
    "indented": "  a\nb\n", "items": [{"a": 1, "b": [1, [2, []]]}, [[{"c": {}}]], "x\ny", {}], "x" * 200: "long key",
}  # fmt: skip


@pytest.mark.parametrize("indent_lists", [False, True])
def test_what_is_written_is_read_back_by_every_reader(indent_lists: bool) -> None:
    text = yaml_text.dumps(WRITTEN, indent_lists=indent_lists)
    assert load(text) == load(text, rules=OPA) == yaml.safe_load(text) == WRITTEN
    for value in ("no", "", [], {}, None, 1.5, ["a\nb"], "a\nb\n"):
        text = yaml_text.dumps(value)
        assert load(text) == yaml.safe_load(text) == value


def test_what_is_not_printable_for_go_is_escaped_as_there() -> None:
    text = 'größe \U0001f600 \u2028\x85\x1b\a "q" \\ back'
    assert yaml_text.dumps(text) == '"größe \\U0001F600 \\L\\N\\e\\a \\"q\\" \\\\ back"\n'
    assert load(yaml_text.dumps(text)) == yaml.safe_load(yaml_text.dumps(text)) == text


def test_how_it_is_written() -> None:
    assert yaml_text.dumps(
        {"b": [{"c": "y", "d": ["it's", "x\ny\n"]}, []], "a": {"k: v": "1", "": None}, "z": 1e16}
    ) == (
        "b:\n- c: \"y\"\n  d:\n  - it's\n  - |\n    x\n    y\n- []\n"
        "a:\n  'k: v': \"1\"\n  \"\": null\nz: 1.0e+16\n"
    )  # fmt: skip
    assert yaml_text.dumps({"b": [1, [2]], "a": 1}, sort=True, indent_lists=True) == "a: 1\nb:\n  - 1\n  - - 2\n"


@pytest.mark.parametrize("value", [{1: 2}, math.nan, math.inf, b"x", {1, 2}, "\ud800", object()])
def test_what_has_no_yaml(value: object) -> None:
    with pytest.raises(YamlError):
        yaml_text.dumps([value])


def test_depth_of_what_is_written() -> None:
    value: Any = 1
    for _ in range(254):
        value = [value]
    assert load(yaml_text.dumps(value)) == value
    with pytest.raises(YamlError, match="nested deeper than 254 levels"):
        yaml_text.dumps([value])


SOON_S = 4.0
"""Of CPU time, for what takes a few milliseconds, and took a minute where time grew with the square of the length."""


def test_many_documents_take_no_longer_for_what_stands_before_them() -> None:
    begun = time.process_time()
    with pytest.raises(YamlError, match="document 4001, line 2008001: unknown anchor"):
        list(documents(b"\n" * 2_000_000 + b"a: 1\n---\n" * 4000 + b"a: *b\n"))
    assert time.process_time() - begun < SOON_S


@pytest.mark.parametrize("text", ["1" * 40_000 + "x", "_" * 40_000 + ".x"])
def test_long_text_that_begins_like_a_number_is_written_at_once(text: str) -> None:
    begun = time.process_time()
    assert load(yaml_text.dumps({"a": text})) == {"a": text}
    assert time.process_time() - begun < SOON_S


@pytest.mark.usefixtures("parser")
def test_every_scalar_may_be_text():
    text = "a: 1.10\nb: yes\nc:\nd: [~, 0x10, !!int 5, 2024-01-01]\n1.10: .nan\ne: 'x'\n"
    assert load(text, rules=TEXT, strict=True) == {
        "a": "1.10", "b": "yes", "c": "", "d": ["~", "0x10", "5", "2024-01-01"], "1.10": ".nan", "e": "x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        (b'{"' + b'\\"' * 2000 + b'":1}', 1),  # one key: none begins at a quote that is part of it
        (b'{"' + b"a" * 2000 + b'":1}', 1),
        (b'{"' + b"a" * 900 + b'":1}', 0),
        (b'{"a"' + b"\r\n" * 2000 + b":1}", 1),  # the last line end counts, not each of them
        (b'{"a":"b"' + b"\r\n" * 2000 + b"}", 0),
        (b'{"a":"' + b'\\"' * 2000 + b'"}', 0),
    ],
)
def test_json_is_searched_once_for_what_yaml_reads_in_another_way(text: bytes, begins: int) -> None:
    pattern = quick._READ_OTHERWISE
    assert sum(pattern.match(text, at) is not None for at in range(len(text))) == begins
    assert rb"\s*[\r\n]" not in pattern.pattern, "each line end would be tried as the last one"
    assert (quick.as_json(text) is quick.NOT_QUICK) == bool(begins)
