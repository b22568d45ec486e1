"""The cases of sample modules, asked by `edged policy test`."""

from __future__ import annotations

from tests.cli.policy.support import MODULES, Policy


def test_every_case_of_the_samples_passes(policy: Policy):
    code, out, err = policy("test", str(MODULES / "admission"))
    assert code == 0, out + err
    assert int(out.split()[0]) > 80
