"""Leader election on virtual time, against a Lease that behaves as an API server's does."""

from __future__ import annotations

import trio
import trio.testing

from edged.kube.client import ApiError, NoAnswer
from edged.kube.control.leases import LeaseTimes
from edged.kube.leader_election import LeaderElector
from edged.kube.values.names import NamespacedName
from edged.telemetry.logs import Logger, LogStyle

NAME = NamespacedName("kube-system", "scheduler")
PATH = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


class Leases:
    """One Lease, with resource versions; `down` names the clients that get no answer, `hang` those that wait,
    `odd` those that find what nobody expects."""

    def __init__(self):
        self.stored = None
        self.version = 0
        self.down = set()
        self.hang = set()
        self.odd = set()

    def client(self, name):
        return Client(self, name)


class Client:
    def __init__(self, leases, name):
        self.leases, self.name = leases, name

    async def request(self, method, path, *, query=None, body=None, **_):
        await trio.lowlevel.checkpoint()
        leases = self.leases
        if self.name in leases.hang:
            await trio.sleep_forever()
        if self.name in leases.down:
            raise NoAnswer("away")
        if self.name in leases.odd:
            raise ExceptionGroup("odd", [KeyError("metadata"), ValueError()])
        assert path == (PATH if method == "POST" else f"{PATH}/scheduler")
        if method == "POST":
            if leases.stored is not None:
                raise ApiError(409, "AlreadyExists", "there")
        elif leases.stored is None:
            raise ApiError(404, "NotFound", "not there")
        if method == "PUT" and body["metadata"]["resourceVersion"] != str(leases.version):
            raise ApiError(409, "Conflict", "changed")
        if method != "GET":
            leases.version += 1
            metadata = {**body["metadata"], "resourceVersion": str(leases.version)}
            leases.stored = {**body, "metadata": metadata}
        return leases.stored


def wall():
    return int((1_700_000_000 + trio.current_time()) * 1e9)


class Candidate:
    """Leads as often as it can; `terms` are (begin, end) of its leading."""

    def __init__(self, leases, name):
        self.name = name
        self.terms = []
        self.since = None
        self.log = log = Logger(LogStyle(journal=True), write=lambda line: None)
        self.elector = LeaderElector(
            leases.client(name), NAME, name, LeaseTimes(15, 10, 2), random=lambda: 0.5, clock=wall, log=log
        )

    async def run(self):
        while True:
            await self.elector.lead(self.term)

    async def term(self):
        self.since = trio.current_time()
        try:
            await trio.sleep_forever()
        finally:
            self.terms.append((self.since, trio.current_time()))
            self.since = None

    @property
    def leading(self):
        return self.since is not None


def play(script):
    trio.run(script, clock=trio.testing.MockClock(autojump_threshold=0))


def test_one_leads_and_the_other_waits():
    async def main():
        leases = Leases()
        a, b = Candidate(leases, "a"), Candidate(leases, "b")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.run)
            nursery.start_soon(b.run)
            for _ in range(600):
                await trio.sleep(1)
                assert [a.leading, b.leading].count(True) <= 1
            assert [a.leading, b.leading].count(True) == 1
            assert leases.stored["spec"]["leaseTransitions"] == 0
            assert a.elector.leads() == a.leading
            nursery.cancel_scope.cancel()

    play(main)


def test_a_holder_that_stops_gives_the_lease_back_at_once():
    async def main():
        leases = Leases()
        a, b = Candidate(leases, "a"), Candidate(leases, "b")
        async with trio.open_nursery() as nursery:
            life_of_a = trio.CancelScope()
            nursery.start_soon(within, life_of_a, a.run)
            await trio.sleep(1)
            nursery.start_soon(b.run)
            await trio.sleep(5)
            assert a.leading
            life_of_a.cancel()
            await trio.sleep(5)
            assert not a.leading
            assert b.leading
            assert leases.stored["spec"]["holderIdentity"] == "b"
            nursery.cancel_scope.cancel()

    async def within(scope, run):
        with scope:
            await run()

    play(main)


def test_a_dead_holder_is_replaced_after_the_lease_has_run_out():
    async def main():
        leases = Leases()
        a, b = Candidate(leases, "a"), Candidate(leases, "b")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.run)
            await trio.sleep(4)
            assert a.leading
            leases.hang.add("a")  # killed with -9: nothing is heard of it
            begin = trio.current_time()
            nursery.start_soon(b.run)
            while not b.leading:
                await trio.sleep(0.1)
            assert 12 < trio.current_time() - begin < 22
            nursery.cancel_scope.cancel()

    play(main)


def test_a_holder_that_cannot_renew_ends_before_anyone_may_begin():
    async def main():
        for trouble in ("down", "hang"):
            leases = Leases()
            a, b = Candidate(leases, "a"), Candidate(leases, "b")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(a.run)
                await trio.sleep(4)
                nursery.start_soon(b.run)
                await trio.sleep(4)
                assert a.leading
                getattr(leases, trouble).add("a")
                while not b.leading:
                    await trio.sleep(0.05)
                    assert not (a.leading and b.leading)
                end = a.terms[-1][1]
                assert b.since - end > 2.0
                getattr(leases, trouble).clear()
                await trio.sleep(60)
                assert b.leading and not a.leading
                assert leases.stored["spec"]["leaseTransitions"] == 1
                nursery.cancel_scope.cancel()

    play(main)


def test_a_lease_that_somebody_else_wrote_ends_leading():
    async def main():
        leases = Leases()
        a = Candidate(leases, "a")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.run)
            await trio.sleep(3)
            assert a.leading
            leases.version += 1
            spec = {**leases.stored["spec"], "holderIdentity": "intruder", "renewTime": "x"}
            metadata = {"name": "scheduler", "resourceVersion": str(leases.version)}
            leases.stored = {"metadata": metadata, "spec": spec}
            await trio.sleep(2.5)
            assert not a.leading
            nursery.cancel_scope.cancel()

    play(main)


def test_an_outage_of_all_ends_the_term_and_a_new_one_follows():
    async def main():
        leases = Leases()
        a = Candidate(leases, "a")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.run)
            await trio.sleep(3)
            leases.down.add("a")
            await trio.sleep(20)
            assert not a.leading and not a.elector.leads()
            leases.down.clear()
            await trio.sleep(10)
            assert a.leading
            nursery.cancel_scope.cancel()

    play(main)


def test_a_deleted_lease_is_made_anew():
    async def main():
        leases = Leases()
        a = Candidate(leases, "a")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.run)
            await trio.sleep(3)
            leases.stored = None
            await trio.sleep(30)
            assert a.leading
            assert leases.stored["spec"]["holderIdentity"] == "a"
            nursery.cancel_scope.cancel()

    play(main)


def test_a_round_that_fails_costs_the_lease_and_no_more():
    async def main():
        leases = Leases()
        a, b = Candidate(leases, "a"), Candidate(leases, "b")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.run)
            await trio.sleep(1)
            nursery.start_soon(b.run)
            await trio.sleep(1)
            assert a.leading
            leases.odd.add("a")
            await trio.sleep(30)
            assert b.leading and not a.leading and "internal error" in a.elector.problem
            assert a.log.internal_errors.counts["lease"] > 3
            leases.odd.clear()
            leases.odd.add("b")
            await trio.sleep(30)
            assert a.leading and not b.leading and a.elector.problem == ""
            nursery.cancel_scope.cancel()

    play(main)
