"""`edged policy test`: which tests are run, and with which outcome."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.cli.policy.suites import LENIENT, STRICT, results, suite
from tests.cli.policy.support import POD, PRIVILEGED, Policy, fault, write


def test_many_policies_and_many_objects(policy: Policy, tmp_path: Path):
    write(tmp_path / "pods.yaml", yaml.safe_dump_all([POD, PRIVILEGED]))
    path = suite(
        tmp_path,
        {"object": "pods.yaml", "policy": "lenient", "expect": "allowed"},
        {"object": [POD, "pods.yaml#Pod/web"], "expect": {"code": 403}},
        policies=(STRICT, LENIENT),
    )
    tests = results(policy, path, code=1)
    assert [(each["policy"], each["outcome"]) for each in tests] == [
        ("lenient", "passed"), ("lenient", "passed"),
        ("strict", "failed"), ("strict", "failed"), ("strict", "passed"),
        ("lenient", "failed"), ("lenient", "failed"), ("lenient", "failed"),
    ]  # fmt: skip


def test_a_policy_that_fails_is_not_one_that_rejects(policy: Policy, tmp_path: Path):
    module = write(tmp_path / "trap.wasm", fault("trap-unreachable"))
    path = suite(
        tmp_path,
        {"object": POD, "expect": "rejected"},
        {"object": POD, "expect": {"error": "unreachable"}},
        {"object": POD, "expect": {"error": {"matches": "^nothing of the kind"}}},
        policies=[{"name": "trap", "module": module}],
    )
    tests = results(policy, path, code=1)
    assert [each["outcome"] for each in tests] == ["failed", "passed", "failed"]
    assert tests[0]["details"][0].startswith("the policy failed: ")


def test_an_endless_policy_costs_its_own_test(policy: Policy, tmp_path: Path):
    module = write(tmp_path / "spin.wasm", fault("spin"))
    policies = [{"name": "spin", "module": module, "timeout_s": 0.2}, STRICT]
    tests = results(policy, suite(tmp_path, {"object": POD, "expect": "allowed"}, policies=policies), code=1)
    assert [each["outcome"] for each in tests] == ["failed", "passed"]
    assert "exceeded" in tests[0]["details"][0]


def test_settings_by_themselves(policy: Policy, tmp_path: Path):
    path = suite(
        tmp_path,
        {"expect": {"settings": "valid"}},
        {"settings": {"x": 1}, "expect": {"settings": "invalid", "error": "unknown setting"}},
        {"settings": {"x": 1}, "expect": {"settings": "valid"}},
    )
    assert [each["outcome"] for each in results(policy, path, code=1)] == ["passed", "passed", "failed"]


def test_skipped_listed_and_filtered(policy: Policy, tmp_path: Path):
    path = suite(tmp_path, {"object": POD, "skip": "later", "expect": "rejected"}, {"object": POD, "expect": "allowed"})
    assert [each["outcome"] for each in results(policy, path)] == ["skipped", "passed"]
    code, out, _ = policy("test", path, "--list")
    assert (code, len(out.splitlines())) == (0, 2)
    code, _, err = policy("test", path, "--filter", "nothing like it")
    assert (code, "no test matches" in err) == (2, True)


def test_a_scheduler_plugin_is_no_policy(policy: Policy, tmp_path: Path):
    plugin = Path(__file__).parents[3] / "modules/scheduling/device-fit/device-fit.wasm"
    path = suite(tmp_path, {"object": POD, "expect": "allowed"}, policies=({"name": "p", "module": str(plugin)},))
    code, out, err = policy("test", path)
    assert (code, out) == (2, "")
    assert "edged: policy p: the module is a scheduler plugin: write it under [[scheduler.plugin]]\n" in err


def test_nothing_to_test_is_an_error(policy: Policy, tmp_path: Path):
    code, _, err = policy("test", str(tmp_path))
    assert (code, "no tests were found" in err) == (2, True)
