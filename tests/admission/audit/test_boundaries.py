"""What fails unexpectedly in an audit costs one object, kind or policy; another run can begin."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from edged.admission.audit import audit_run
from edged.admission.audit import scope as audit
from edged.admission.audit.audit_requests import Reader
from tests.admission.audit.test_auditor import World, loaded, run

ERRORS = [ValueError("odd"), RecursionError("too deep"), ExceptionGroup("both", [ValueError("a"), KeyError("b")])]
each_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


def is_at_rest(world: World) -> bool:
    return world.auditor.running is None and not world.auditor._turn.locked()


def counts(world: World) -> dict[str, int]:
    return world.auditor._log.internal_errors.counts


@each_error
def test_one_object(error: Exception) -> None:
    world = World()

    def fail() -> None:
        raise error

    world.admission.before_p3 = fail
    tally = world.scan()
    assert (tally.scanned, tally.errored, tally.written) == (6, 2, 5)
    name = type(error).__name__
    assert tally.problems == [f"pods.v1 one/p3 not audited: internal error of edged: {name}"]
    path = "/apis/wgpolicyk8s.io/v1alpha2/namespaces/one/policyreports"
    assert path not in world.cluster.deleted()  # its last report stays
    assert counts(world) == {"audited": 1} and is_at_rest(world)
    world.admission.before_p3 = lambda: None
    assert world.scan().problems == []


@each_error
def test_one_kind(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    each = Reader.each

    async def broken(self: Reader, resource: Any, namespace: str | None, visit: Any, restarted: Any) -> None:
        if namespace == "one":
            raise error
        await each(self, resource, namespace, visit, restarted)

    monkeypatch.setattr(Reader, "each", broken)
    world = World()
    tally = world.scan()
    assert tally.scanned == 1 and "in namespace one not read" in tally.problems[0]
    assert counts(world) == {"audited": 1} and is_at_rest(world)


@each_error
def test_one_policy(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    understand = audit_run.audit_policy

    def broken(policy: Any) -> audit.AuditPolicy:
        if policy.name == "bad":
            raise error
        return understand(policy)

    monkeypatch.setattr(audit_run, "audit_policy", broken)
    world = World(loaded("bad"), loaded("good"))
    tally = world.scan()
    assert tally.scanned == 6 and list(tally.unasked) == ["bad"] and is_at_rest(world)


@each_error
def test_a_whole_run(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def broken(*args: Any) -> Any:
        raise error

    world = World(audit_interval_s=100.0)
    monkeypatch.setattr(audit_run.audit, "needed", broken)
    tally = world.scan()
    assert tally.problems == [f"internal error of edged: {type(error).__name__}"]
    assert is_at_rest(world)

    async def main() -> None:
        with trio.move_on_after(450):
            await world.auditor.run()

    run(main)
    assert counts(world) == {"audit": 5} and is_at_rest(world)  # four more, at their intervals
