"""Answers that differ from what is expected, as people and as JUnit read them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from tests.cli.policy.suites import suite
from tests.cli.policy.support import POD, PRIVILEGED, Policy, sample


def test_what_differs_is_shown_with_a_diff_of_the_object(policy: Policy, tmp_path: Path):
    wanted = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": {
        "containers": [{"name": "app", "image": "x", "resources": {"limits": {"cpu": "2"}}}]}}  # fmt: skip
    given = {**wanted, "spec": {"containers": [{"name": "app", "image": "x"}]}}
    path = suite(
        tmp_path,
        {"object": given, "expect": {"object": wanted, "message": "x", "warnings": ["w"]}},
        {"object": given, "expect": "mutated"},
        {"object": given, "expect": {"mutated": False}},
        policies=[
            {"name": "defaults", "module": str(sample("resource-defaults")), "settings": {"limits": {"cpu": "1"}}}
        ],
    )
    code, out, _ = policy("test", path)
    assert code == 1
    assert 'message: expected "x", got ""' in out
    assert 'warnings: expected "w"; got none' in out
    assert '-            "cpu": "2"' in out and '+            "cpu": "1"' in out
    assert "expected no patch, got [" in out
    assert "1 passed, 2 failed" in out


def test_junit(policy: Policy, tmp_path: Path):
    path = suite(tmp_path, {"object": POD, "expect": "allowed"}, {"object": PRIVILEGED, "expect": "allowed"})
    assert policy("test", path, "--junit", tmp_path / "report.xml")[0] == 1
    root = ElementTree.parse(tmp_path / "report.xml").getroot()
    [found] = root
    assert (found.get("tests"), found.get("failures")) == ("2", "1")
    assert [len(case.findall("failure")) for case in found] == [0, 1]
