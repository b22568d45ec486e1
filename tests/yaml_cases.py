"""YAML texts and what Kubernetes' programs read of them: the hand-written cases for edged/yaml_text.

tests/test_yaml_text.py checks them with edged's reader; tests/test_yaml_reference.py has sigs.k8s.io/yaml and kubectl's
decoder say the same.
"""

from __future__ import annotations

from typing import Any, Final

REFUSED: Final = object()
"""The text is an error."""

_SCALARS: Final[dict[str, Any]] = {
    # Words of YAML 1.1 and 1.2.
    "y": True, "Y": True, "yes": True, "Yes": True, "YES": True, "on": True, "On": True, "ON": True, "true": True,
    "True": True, "TRUE": True, "n": False, "N": False, "no": False, "No": False, "NO": False, "off": False,
    "Off": False, "OFF": False, "false": False, "False": False, "FALSE": False, "yEs": "yEs", "tRUE": "tRUE",
    "~": None, "null": None, "Null": None, "NULL": None, "": None, "nULL": "nULL", "~~": "~~", "true1": "true1",
    # Signs that PyYAML and others give a meaning.
    "=": "=", "=~": "=~", "<<": "<<", "!=": "", ".": ".", "..": "..", "-": REFUSED, "+": "+", "@x": REFUSED,
    # Whole numbers.
    "0": 0, "-0": 0, "+1": 1, "-17": -17, "1_000": 1000, "1__0": 10, "1_": 1, "_1": "_1", "0o644": 420, "0O17": 15,
    "0644": 420, "0777": 511, "0999": 999, "08": 8, "0_8": 8, "00": 0, "-010": -8, "0x1F": 31, "0X1f": 31, "-0x1F": -31,
    "0x_1": 1, "0xg": "0xg", "0x": "0x", "0b101": 5, "0B11": 3, "-0b11": -3, "0b-1": -1, "0b+1": 1, "-0b-1": "-0b-1",
    "0o-7": "0o-7", "0b2": "0b2", "1,000": "1,000", "\u0663": "\u0663",
    # Beyond 63 and 64 bits.
    "9223372036854775807": 2**63 - 1, "9223372036854775808": 2**63, "18446744073709551615": 2**64 - 1,
    "18446744073709551616": float(2**64), "-9223372036854775808": -(2**63), "-9223372036854775809": -float(2**63),
    "+9223372036854775807": 2**63 - 1, "+18446744073709551615": float(2**64), "0xffffffffffffffff": 2**64 - 1,
    "0x1ffffffffffffffff": "0x1ffffffffffffffff", "123456789012345678901234567890": 1.2345678901234568e29,
    "07777777777777777777777777": 7.777777777777778e24,
    # Fractions; whole ones have no point in JSON.
    "1e3": 1000, "1E3": 1000, "1.5": 1.5, "1.": 1, "1.0": 1, ".5": 0.5, "-.5": -0.5, "+.5": 0.5, ".5_0": 0.5,
    "._5": "._5", ".5_": ".5_", ".5e1": 5, "1.e3": 1000, "1e": "1e", "e3": "e3", "1e-3": 0.001, "1_0.5": 10.5,
    "1e20": 100000000000000000000.0, "1e19": 10**19, "-1e19": -1e19, "1e21": 1e21, "1e999": "1e999",
    ".9e999": ".9e999", "1e-999": 0, "12345678901234567890.0": 12345678901234567000, "-0.0": 0, "0x1p4": "0x1p4",
    "0.30000000000000004": 0.30000000000000004, "5e-324": 5e-324, "1.2.3": "1.2.3",
    ".inf": REFUSED, "-.Inf": REFUSED, ".nan": REFUSED, ".NAN": REFUSED, "+.nan": "+.nan", "inf": "inf", "NaN": "NaN",
    # What YAML 1.1 has numbers of base 60 and times for.
    "52:54:00:12:34:56": "52:54:00:12:34:56", "22:30": "22:30", "190:20:30": "190:20:30", "1:20.5": "1:20.5",
    "2024-01-02": "2024-01-02", "2001-12-14t21:59:43.10-05:00": "2001-12-14t21:59:43.10-05:00",
    # Tags.
    "!!str 12": "12", "!!str": "", "!!str null": "null", "!!int '12'": 12, "!!int 0x10": 16, "!!int 1.5": REFUSED,
    "!!int x": REFUSED, "!!float 1": 1, "!!float '.5'": 0.5, "!!float x": REFUSED,
    "!!float 9223372036854775808": REFUSED,
    "!!bool 'yes'": True, "!!bool 1": REFUSED, "!!null ''": None, "!!null x": REFUSED, "! 12": "12", "! '12'": "12",
    "!": "", "!local 12": "12", "!!binary aGVsbG8=": "hello", "!!binary 'aGVs\n  bG8='": REFUSED,
    '!!binary "aGVs\\nbG8="': "hello", "!!binary //4=": "\ufffd\ufffd", "!!binary 4pw=": "\ufffd\ufffd",
    "!!binary a": REFUSED, "!!timestamp 2024-01-02": "2024-01-02", "!!timestamp 2024-02-30": REFUSED,
    "!!timestamp 2024-02-29": "2024-02-29", "!!timestamp x": REFUSED, "!!timestamp 2024-1-2 3:4:5": "2024-1-2 3:4:5",
    "!!timestamp 2001-12-14T21:59:43.10-05:00": "2001-12-14T21:59:43.10-05:00", "!!seq x": "x",
    "!<tag:yaml.org,2002:int> '5'": 5, "!!unknown 1": "1",
    # Styles.
    "'it''s'": "it's", '"\\x41\\u00e9\\U0001F600\\t"': "Aé😀\t", '"\\ud800"': REFUSED, "'12'": "12",
    '"null"': "null", "''": "", "a # comment": "a", "a#b": "a#b", "a:b": "a:b", "a\tb": "a\tb", "a\t": "a",
    "[a, 1, y]": ["a", 1, True], "[a, ]": ["a"], "{b: 1, c}": {"b": 1, "c": None}, "{}": {}, "[]": [],
    "[b: 1]": [{"b": 1}], "!!set {b, c}": {"b": None, "c": None}, "[a: b": REFUSED, "*a": REFUSED, "'a": REFUSED,
    "&b 1": 1, "[&b 1, *b]": [1, 1], "[&b [*b]]": REFUSED, "[*b, &b 1]": REFUSED, "a: b": REFUSED, "%a": REFUSED,
}  # fmt: skip

_KEYS: Final[dict[str, Any]] = {
    "8080": "8080", "0x10": "16", "010": "8", "1_0": "10", "true": "true", "y": "true", "off": "false", "1.5": "1.5",
    "1.50": "1.5", "1e3": "1000", "1e6": "1e+06", "1e21": "1e+21", "1e-5": "1e-05", "0.0001": "0.0001",
    "16777217.0": "1.6777216e+07", "123456.7": "123456.7", "3.5e38": ".inf", "-3.5e38": "-.inf", ".inf": ".inf",
    "-.inf": "-.inf", ".nan": ".nan", "-0.0": "-0", "2024-01-02": "2024-01-02", "~": REFUSED, "null": REFUSED,
    "": REFUSED, "9223372036854775807": "9223372036854775807", "9223372036854775808": REFUSED, "=": "=", "'<<'": "<<",
    "!!str 1": "1", "!!int '1'": "1", "!!binary YQ==": "a", "! 1": "1", "'~'": "~", "[1]": REFUSED, "{a: 1}": REFUSED,
    "-9223372036854775808": "-9223372036854775808", "22:30": "22:30", "0.1": "0.1",
}  # fmt: skip

_DOCUMENTS: Final[list[tuple[str, Any]]] = [
    ("", None), ("# nothing\n", None), ("---\n", None), ("--- # nothing\n", None), ("a: 1", {"a": 1}),
    ("# first\n--- # then\na: 1\n", {"a": 1}), ("\ufeffa: 1\n", {"a": 1}),
    ("a: 1\n\ufeffb: 2\n", {"a": 1, "\ufeffb": 2}), ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
    ("%YAML 1.1\n---\na: 1\n", {"a": 1}), ("%TAG !e! tag:yaml.org,2002:\n---\n!e!int '1'\n", 1),
    ("%WAT 1\n---\na", REFUSED),
    ("a: 1\n---\nb: [\n", {"a": 1}), ("a: 1\n...\nb: [\n", {"a": 1}), ("a: 1\n]", REFUSED), ("a: b: c", REFUSED),
    # Blanks and tabs.
    ("a:\t1\n", {"a": 1}), ("a:\n\tb: 1\n", REFUSED), ("\ta: 1\n", REFUSED), ("a: 1\n  b: 2\n", REFUSED),
    ("- a\n-\tb\n", REFUSED), ("a: [1,\n\t2]\n", {"a": [1, 2]}), ("a: 1 \t \n", {"a": 1}),
    ("a:\n- 1\n- 2\n", {"a": [1, 2]}),
    # Text of several lines.
    ("a: |\n  x\n   y\n\n", {"a": "x\n y\n"}), ("a: |-\n  x\n\n", {"a": "x"}), ("a: |+\n  x\n\n", {"a": "x\n\n"}),
    ("a: >\n  x\n  y\n\n  z\n", {"a": "x y\nz\n"}), ("a: |2\n   x\n", {"a": " x\n"}),
    ("a: | # why\n  x\n", {"a": "x\n"}),
    ("a: |\t\n  x\n", {"a": "x\n"}), ("a: |x\n", REFUSED), ("a: x\n  y\n\n  z\n", {"a": "x y\nz"}),
    ('a: "x\n  y\\\n  z"\n', {"a": "x yz"}), ("a: 'x\n\n  y'\n", {"a": "x\ny"}), ("a: |\n  \tx\n", REFUSED),
    ("a: x\u2028 y\n", {"a": "x\u2028y"}), ("a: \x01\n", REFUSED), ("a: \x7f\n", REFUSED), ("a: \x85\n", {"a": None}),
    # Tags may hold signs of flow style.
    ("a: !t[ x\n", {"a": "x"}), ("a: !t] 1\n", {"a": "1"}), ("a: !t,\n- 1\n", {"a": [1]}), ("[!t, a]", ["a"]),
    ("a: !t^ x\n", REFUSED), ("a: !]!t x\n", {"a": "x"}), ("a: !t.u!v 1\n", {"a": "1"}),
    # JSON, and what nearly is: as YAML.
    ('{"a": 1.0, "b": 1E5, "c": -0, "d": 1e400}', {"a": 1, "b": 100000, "c": 0, "d": "1e400"}),
    ('{"a": 18446744073709551616, "b": "\\u00e9"}', {"a": float(2**64), "b": "é"}),
    ('{"a": "\\/"}', REFUSED), ('{"a": "\\ud83d\\ude00"}', REFUSED), ('{"a": "\U0001f600"}', {"a": "\U0001f600"}),
    ('{"a": "b\u2028c"}', {"a": "b\u2028c"}), ('{"a": "\x7f"}', REFUSED), ('{"<<": {"a": 1}}', {"<<": {"a": 1}}),
    ('{"a": 1, "a": 2}', {"a": 2}), ('{"a"\n: 1}', REFUSED), ("{" + '"k": 1, ' * 3 + "a: y}", {"k": 1, "a": True}),
    ('{"' + "k" * 1021 + '": 1}', {"k" * 1021: 1}), ('{"' + "k" * 1023 + '": 1}', REFUSED),
    ('{"a": NaN}', {"a": "NaN"}),
    # Keys that are there twice: the last one counts.
    ("a: 1\nb: 2\na: 3\n", {"a": 3, "b": 2}), ("{a: 1, a: 2}", {"a": 2}), ("? a\n: 1\n? b\n", {"a": 1, "b": None}),
    # Anchors, aliases, merges: a merge replaces what stands before it.
    ("a: &x {b: [1]}\nc: *x\n", {"a": {"b": [1]}, "c": {"b": [1]}}),
    ("a: &x 1\nb: &x 2\nc: *x\n", {"a": 1, "b": 2, "c": 2}),
    ("a: &x [1]\nb: *x\nc: &x y\nd: *x\n", {"a": [1], "b": [1], "c": True, "d": True}), ("a: *b\n", REFUSED),
    ("&k 010: 1\nv: *k\n*k : 2\n", {"8": 2, "v": 8}), ("a: &x [&x 1, *x]\nb: *x\n", {"a": [1, 1], "b": 1}),
    ("a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\n", {"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}}),
    ("a: &x {b: 1, c: 2}\nd: {b: 3, <<: *x}\n", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 2}}),
    ("- &x {a: 1}\n- &y {a: 2, b: 2}\n- {<<: [*x, *y]}\n", [{"a": 1}, {"a": 2, "b": 2}, {"a": 1, "b": 2}]),
    ("a: .inf\na: [1]\n", {"a": [1]}), ("a: {~: 1}\na: 2\n", {"a": 2}), ("a: [.nan]\nb: {~: 1}\n", REFUSED),
    ("<<: {a: 1}\n<<: {a: 2}\n", {"a": 2}), ("<<: [{a: 1}, {b: 2}]\n", {"a": 1, "b": 2}), ("<<: 1\n", REFUSED),
    ("<<: [1]\n", REFUSED), ("<<:\n", REFUSED), ("a: &x [{b: 1}]\nc: {<<: *x}\n", REFUSED), ("&a {<<: *a}\n", REFUSED),
    ("'<<': {a: 1}\n", {"<<": {"a": 1}}), ("!!merge <<: {a: 1}\n", {"a": 1}), ("! <<: {a: 1}\n", {"a": 1}),
    ("- &x <<\n- {*x : 1}\n", ["<<", {"<<": 1}]), ("<<: &x {a: 1}\nb: *x\n", {"a": 1, "b": {"a": 1}}),
    ("a: &x {b: &y {c: 1}}\nd: *x\ne: *y\n", {"a": {"b": {"c": 1}}, "d": {"b": {"c": 1}}, "e": {"c": 1}}),
    # Manifests.
    ("apiVersion: v1\nkind: ConfigMap\ndata:\n  8080: http\n  true: yes\n  =: '='\n  enum: ['!=', =, =~]\n",
     {"apiVersion": "v1", "kind": "ConfigMap",
      "data": {"8080": "http", "true": True, "=": "=", "enum": ["!=", "=", "=~"]}}),
    ("kind: List\nitems:\n- &item\n  kind: Pod\n  metadata: {name: a}\n  spec: &spec\n    nodeName: one\n"
     "    containers:\n    - &c {name: c, image: x}\n- <<: *item\n  metadata: {name: b}\n  spec:\n    nodeName: two\n"
     "    <<: *spec\n    containers:\n    - <<: *c\n      image: v\n    - image: w\n      <<: *c\n",
     {"kind": "List", "items": [
         {"kind": "Pod", "metadata": {"name": "a"},
          "spec": {"nodeName": "one", "containers": [{"name": "c", "image": "x"}]}},
         {"kind": "Pod", "metadata": {"name": "b"},
          "spec": {"nodeName": "one", "containers": [{"name": "c", "image": "v"}, {"name": "c", "image": "x"}]}}]}),
    ("data: {y: '1', n: '2', x: '3', on: '4'}\nmode: 0008\nother: 0o400\ntag: 20190612073634\nid: 356136738\n",
     {"data": {"true": "4", "false": "2", "x": "3"}, "mode": 8, "other": 256, "tag": 20190612073634, "id": 356136738}),
    ("annotations:\n  net.example.org/mac: 52:54:00:12:34:56\nargs: [--at, 12:30:45, --since, 2024-01-02]\n",
     {"annotations": {"net.example.org/mac": "52:54:00:12:34:56"},
      "args": ["--at", "12:30:45", "--since", "2024-01-02"]}),
]  # fmt: skip

ONE: Final[list[tuple[str, Any]]] = [
    *((f"a: {text}\n", value if value is REFUSED else {"a": value}) for text, value in _SCALARS.items()),
    *((f"{text}: 1\n", key if key is REFUSED else {key: 1}) for text, key in _KEYS.items()),
    *_DOCUMENTS,
]
"""Text -> the value of its first document."""

STRICT: Final[list[tuple[str, Any]]] = [
    ("a: 1\nb: 2\n", {"a": 1, "b": 2}), ("a: 1\na: 1\n", REFUSED), ("a: {b: 1, b: 2}\n", REFUSED),
    ("8: 1\n010: 2\n", REFUSED), ("a: &x {b: 1}\nc: {b: 2, <<: *x}\n", REFUSED),
    ("a: &x {b: 1}\nc: {<<: *x, b: 2}\n", REFUSED),
    ("<<: [{a: 1}, {a: 2}]\n", REFUSED), ("- {a: 1}\n- {a: 1}\n", [{"a": 1}, {"a": 1}]), ("true: 1\ny: 2\n", REFUSED),
]  # fmt: skip
"""The same, read strictly."""

CONFIGURATIONS: Final[list[tuple[str, Any]]] = [
    ("{a: 1}", REFUSED), ('{"a": "\\/"}', {"a": "/"}), (' \n\t{"a": 1.0}', {"a": 1.0}), ('{"a": 1} {}', REFUSED),
    ('{"a": 1, "b": [{"c": 1, "c": 2}]}', REFUSED), ("a: 1.0\n", {"a": 1}), ("a: 1\na: 2\n", REFUSED),
    ("[{a: 1}]", [{"a": 1}]), ("\u3000{a: 1}", REFUSED),
    ("\ufeffa: 1", {"a": 1}), ('{"a": {"a": 1}}\n', {"a": {"a": 1}}), ("a: 1\n---\nb: 2\n", {"a": 1}),
]  # fmt: skip
"""The same, as configuration files are read."""

FILES: Final[list[tuple[str, Any]]] = [
    ("", []), ("---\n---\n", []), ("# nothing", []), ("a: 1\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
    ("---\na: 1\n--- # two\n\n---\nb: 2", [{"a": 1}, {"b": 2}]), ("a: 1\n---\t\nb: 2\n", [{"a": 1}, {"b": 2}]),
    ("a: 1\n--- b: 2\n", REFUSED), ("--- {a: 1}\n", REFUSED), ("a: 1\n----\n", REFUSED),
    ("a: |\n  x\n  ---\n", [{"a": "x\n---\n"}]),
    ("a: 1\n...\nb: 2\n---\nc: 3\n", [{"a": 1}, {"c": 3}]), ("a: &x 1\n---\nb: *x\n", REFUSED),
    ("a: |\n  x", [{"a": "x\n"}]),
    ("%YAML 1.1\n---\na: 1\n", REFUSED), ("a: 1\r\n---\r\nb: 2\r\n", [{"a": 1}, {"b": 2}]), ("null\n---\n~\n", []),
    ('{"a": 1}', [{"a": 1}]), ('{"a": 1}{"b": 2}\n{"c": 3}', [{"a": 1}, {"b": 2}, {"c": 3}]),
    ('{"a": 1}\n---\n{"b": 2}\n---\nc: 3\n', [{"a": 1}, {"b": 2}, {"c": 3}]), ("{a: 1}\n", [{"a": 1}]),
    ('{"a": 1}\n---\nb: [\n', REFUSED), ('{"a": 1}{"b": 2}\n---\nc: 3\n', REFUSED), ("\ufeff---\na: 1\n", [{"a": 1}]),
    ('      {"a": 1}\n  b: 2\n  c: 3\n', [{"a": 1}, {"b": 2, "c": 3}]), ("\t {a: 1}\n", [{"a": 1}]),
    ('{"a": 1}\n\n  b: 2\nc: 3\n', [{"a": 1}, {"b": 2}]), ('{"a": 1}  \n\n\nb: 2\n', [{"a": 1}, {"b": 2}]),
    ('{"a": 1.0}', [{"a": 1.0}]), ("a: 1.0", [{"a": 1}]), ("- a: 1\n- 2\n", [[{"a": 1}, 2]]), ("\n \n{}\n", [{}]),
]  # fmt: skip
"""The documents of a file as kubectl reads it."""
