"""Leader election: waits for a Lease, runs what only the holder may do, ends it when the Lease is lost.

    elector = LeaderElector(client, NamespacedName("kube-system", "edged-scheduler"), identity, LeaseTimes(), ...)
    await elector.lead(term)      # returns when the lease was lost and `term` has ended

The rules are in kube/control/leases.py. A holder stops at `renew_s`, others begin at `lease_s` at the earliest:
in between nobody acts. `leads()` is asked before every write that must not be made twice, so that a process
which was asleep for minutes does not act on what it believed before. Used by scheduling/run/scheduling.py.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from edged.errors import PeerError
from edged.kube import writes as api
from edged.kube.client import ApiClient, ApiError
from edged.kube.control.leases import Election, LeaseTimes, lease, this_lease
from edged.kube.values.names import GroupVersionResource, NamespacedName
from edged.process.boundary import boundary, describe
from edged.telemetry.logs import Logger

LEASES = GroupVersionResource("coordination.k8s.io", "v1", "leases")
JITTER = 1.2
RELEASE_S = 2.0


class LeaderElector:
    """`identity` must be this process's alone. `clock` gives wall time as nanoseconds since 1970. `annotations`: what
    the holder writes into the Lease beside its name, for others to read."""

    def __init__(
        self,
        client: ApiClient,
        name: NamespacedName,
        identity: str,
        times: LeaseTimes,
        *,
        random: Callable[[], float],
        clock: Callable[[], int],
        log: Logger,
        annotations: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.name = name
        self._annotations = annotations
        self._client = client
        self._election = Election(identity, times)
        self._times = times
        self._random = random
        self._clock = clock
        self._log = log
        self._stored: dict[str, Any] = {}
        self.problem = ""

    @property
    def identity(self) -> str:
        """This process's."""
        return self._election.identity

    @property
    def holder(self) -> str:
        """Who holds the lease as far as we know; "" for nobody."""
        return self._election.holder

    @property
    def annotations(self) -> Mapping[str, str]:
        """Those of the Lease as we know it."""
        return self._stored.get("metadata", {}).get("annotations") or {}

    def leads(self) -> bool:
        """Whether this process may act at this moment."""
        return self._election.leads(trio.current_time())

    async def lead(self, term: Callable[[], Awaitable[None]]) -> None:
        """Until leading has ended. Cancelled: gives the lease back once `term` has ended."""
        await self._acquire()
        self._log.info("leading", lease=str(self.name), identity=self._election.identity)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._renew, nursery.cancel_scope)
                await term()
                nursery.cancel_scope.cancel()
        finally:
            await self._release()

    async def _acquire(self) -> None:
        while not await self._try():
            await trio.sleep(self._times.retry_s * (1 + JITTER * self._random()))

    async def _renew(self, term: trio.CancelScope) -> None:
        """Ends the term when renewing has not succeeded in time; others are then about to take over."""
        election = self._election
        while True:
            with trio.move_on_at(election.expires_at):
                await trio.sleep(self._times.retry_s)
                while not await self._try():
                    if election.holder != election.identity:
                        break
                    await trio.sleep(self._times.retry_s)
            if not self.leads():
                self._log.warning("not leading any more", lease=str(self.name), holder=self.holder, error=self.problem)
                term.cancel()
                return

    async def _try(self) -> bool:
        """One attempt to get or keep the lease."""
        holder = self._election.holder
        won = False
        with boundary(self._log, "lease", str(self.name)) as unit:
            try:
                won = await self._claim()
                self.problem = ""
            except PeerError as error:
                self.problem = str(error)
        if unit.error is not None:
            self.problem = f"internal error: {describe(unit.error)}"
        if self._election.holder != holder:
            self._log.info("leader", lease=str(self.name), holder=self._election.holder)
        return won

    async def _claim(self) -> bool:
        election = self._election
        if not election.leads(trio.current_time()):
            # A holder goes by what it wrote last; a candidate looks first.
            try:
                stored = await self._request(lambda: api.get(self._client, LEASES, self.name.name, self.name.namespace))
            except ApiError as error:
                if error.code != 404:
                    raise
                return await self._write(create=True)
            self._stored = stored
            election.observe(stored, trio.current_time())
            if not election.may_take(trio.current_time()):
                return False
        try:
            return await self._write(create=False)
        except ApiError as error:
            if error.code in (404, 409):
                await self._look_again()
            raise

    async def _look_again(self) -> None:
        """Somebody else wrote, or deleted it: know what is there before the next attempt."""
        try:
            stored = await self._request(lambda: api.get(self._client, LEASES, self.name.name, self.name.namespace))
        except ApiError as error:
            if error.code != 404:
                raise
            self._election.observe({}, trio.current_time())
            self._election.lost()
            return
        self._stored = stored
        self._election.observe(stored, trio.current_time())

    async def _write(self, *, create: bool) -> bool:
        sent_at = trio.current_time()
        spec = self._election.claim(self._wall())
        written = await self._request(lambda: self._put(spec, create))
        self._stored = written
        self._election.claimed(written, sent_at, trio.current_time())
        return True

    async def _put(self, spec: Mapping[str, object], create: bool) -> dict[str, Any]:
        """What others keep in the object, labels and the like, stays."""
        stored = lease(self.name.name, self.name.namespace, spec) if create else self._stored
        metadata = stored["metadata"]
        if annotations := {**(metadata.get("annotations") or {}), **self._annotations()}:
            metadata = {**metadata, "annotations": annotations}
        body = {**stored, "metadata": metadata, "spec": spec}
        write = api.create if create else api.update
        return await write(self._client, LEASES, body, self.name.namespace)

    async def _request(self, request: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Half the time in which to renew: a request that hangs must leave room for another. Raises PeerError."""
        with trio.move_on_after(self._times.renew_s / 2):
            return this_lease(await request(), self.name)
        raise PeerError(f"no answer about lease {self.name} within {self._times.renew_s / 2:g} s")

    async def _release(self) -> None:
        """Let the next candidate begin at once. Where that fails, it waits until the lease runs out."""
        holds = self.leads()
        self._election.lost()
        if not holds:
            return
        with (
            boundary(self._log, "lease", str(self.name)),
            trio.CancelScope(shield=True),
            trio.move_on_after(RELEASE_S),
        ):
            try:
                spec = self._election.release(self._wall())
                written = this_lease(await self._put(spec, create=False), self.name)
                self._election.observe(written, trio.current_time())
            except PeerError as error:
                self._log.warning("lease not given back", lease=str(self.name), error=str(error))

    def _wall(self) -> str:
        now_ns = self._clock()
        moment = datetime.datetime.fromtimestamp(now_ns // 1_000_000_000, datetime.UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{now_ns % 1_000_000_000 // 1000:06}Z"
