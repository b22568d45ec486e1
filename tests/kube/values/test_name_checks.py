"""Names and labels: what apimachinery takes, and what it does not."""

from __future__ import annotations

import pytest

from edged.kube.values.name_checks import label_value_problem, qualified_name_problem, subdomain_problem


@pytest.mark.parametrize("name", ["a", "a-b.c", "0", "a" * 63 + ".b", ".".join(["a"] * 127), "a" * 253])
def test_subdomains(name):
    assert not subdomain_problem(name)


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a..b", ".a", "a.", "a" * 254, "a\n", "é", None, ["a"]])
def test_no_subdomains(name):
    assert "DNS name" in subdomain_problem(name)


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "example.com/app", "a" * 63, "a" * 253 + "/" + "b" * 63, "x/y"])
def test_qualified_names(name):
    assert not qualified_name_problem(name)


@pytest.mark.parametrize("name", [
    "", "/", "a/", "/a", "a/b/c", "bad key!", "-a", "a-", "a" * 64, "a" * 254 + "/b", "A.com/b", "a\n", "\0", None, 1,
    {}, "x" * 5000,
])  # fmt: skip
def test_no_qualified_names(name):
    assert "qualified name" in qualified_name_problem(name)


@pytest.mark.parametrize("value", ["", "a", "A_b.c-9", "9" * 63])
def test_label_values(value):
    assert not label_value_problem(value)


@pytest.mark.parametrize("value", ["-", "a-", ".a", "a" * 64, "a b", "a\n", "é", None, True, []])
def test_no_label_values(value):
    assert "label value" in label_value_problem(value)
