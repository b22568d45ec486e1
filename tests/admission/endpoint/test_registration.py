"""What the ways of registering share."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from edged.admission.endpoint.registration import join_bundles
from edged.errors import ConfigError
from tests.admission.endpoint.fake_server import MWC, OTHER, PEM, SPEC, FakeServer, dynamic, run, static


def test_a_policy_whose_rules_cannot_be_read_keeps_its_registration(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        unknown = [replace(SPEC, rules=None), replace(OTHER, rules=None)]
        for registration, _ in (dynamic(server), static(tmp_path)):
            registration.update([replace(SPEC, mutating=True)], b"")
            await registration.settle()
            registration.update(unknown, b"")
            await registration.settle()
            assert registration.state.policies == ("a",) and list(registration.state.problems) == ["b"]
        assert server.names(MWC) == ["a.policy.edged.dev"]
        assert (tmp_path / "mutating/edged.json").exists()
    run(main)


def test_bundles_are_joined_without_repetitions():
    assert join_bundles([PEM % b"MQ==", PEM % b"Mg==" + PEM % b"MQ=="]) == PEM % b"MQ==" + PEM % b"Mg=="
    with pytest.raises(ConfigError):
        join_bundles([b"no certificate"])
