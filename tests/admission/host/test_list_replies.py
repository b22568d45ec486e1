"""Lists for guests: what they hold, who shares them, how many bytes there are at once, and how long they stay."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing

from edged.abi.wapc import HostCallError
from edged.admission.host import list_replies
from edged.admission.host.list_replies import UNUSED_S, ListReplies
from edged.admission.rules.capabilities import ListRequest, list_reply
from edged.http.budget import Reservation
from edged.kube.values.names import NamespacedName

PODS = ListRequest("v1", "Pod", None, "", "", ())


class FakeInformer:
    """As kube.informers.Informer, filled by hand; counts what is read."""

    def __init__(self, count: int = 0, **fields: Any) -> None:
        self.objects: dict[NamespacedName, bytes] = {}
        self.generation = 0
        self.reads = 0
        for number in range(count):
            self.put(f"p{number}", **fields)

    def put(self, name: str, **fields: Any) -> None:
        obj = {"metadata": {"name": name}, "spec": fields}
        self.objects[NamespacedName("ns", name)] = json.dumps(obj, separators=(",", ":")).encode()
        self.generation += 1

    def keys(self) -> Iterator[NamespacedName]:
        return iter(list(self.objects))

    def raw(self, key: NamespacedName) -> bytes | None:
        self.reads += 1
        return self.objects.get(key)

    def size_bytes(self) -> int:
        return sum(map(len, self.objects.values()))

    def __len__(self) -> int:
        return len(self.objects)


def masked(number: int) -> ListRequest:
    return replace(PODS, field_masks=("metadata.name", f"spec.field{number}"))


def run(work: Callable[[ListReplies], Awaitable[None]]) -> None:
    async def main() -> None:
        replies = ListReplies()
        await work(replies)
        assert (replies.budget.used, replies.budget.waiting) == (0, 0)
        assert not replies._locks

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize("masks", [(), ("spec.a",), ("spec.b.c", "status")])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_a_list_holds(masks: tuple[str, ...], count: int) -> None:
    """The same as when all of it is there as values."""

    async def work(replies: ListReplies) -> None:
        informer, request = FakeInformer(count, a=1, b={"c": [1, 2], "d": "é"}), replace(PODS, field_masks=masks)
        values = [json.loads(data) for data in informer.objects.values()]
        assert await replies.get(request, informer) == list_reply(request, values)  # type: ignore[arg-type]

    run(work)


def test_who_asks_the_same_shares_one_list() -> None:
    async def work(replies: ListReplies) -> None:
        informer = FakeInformer(300, text="x" * 2000)
        texts: list[bytes] = []

        async def ask() -> None:
            texts.append(await replies.get(PODS, informer))  # type: ignore[arg-type]

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask)
        assert len(texts) == 20 and len(set(map(id, texts))) == 1 and informer.reads == 300
        informer.put("new")
        assert b'"new"' in await replies.get(PODS, informer)  # type: ignore[arg-type]

    run(work)


def test_64_field_masks_at_once() -> None:
    """Each makes another copy of the list. On their way to guests they wait for each other, and few are kept."""

    async def work(replies: ListReplies) -> None:
        informer = FakeInformer(1000, **{f"field{number}": "x" * 60 for number in range(64)})
        size = informer.size_bytes()
        assert size > 3 << 20
        done = 0

        async def guest(number: int) -> None:
            nonlocal done
            held: list[Reservation] = []
            for _ in range(3):
                assert b"field%d" % number in await replies.get(masked(number), informer, held.append)  # type: ignore[arg-type]
                await trio.sleep(1)  # the guest reads it
                held.pop().release()
            done += 1

        async with trio.open_nursery() as nursery:
            for number in range(64):
                nursery.start_soon(guest, number)
        assert done == 64
        assert replies.budget.peak <= list_replies.IN_FLIGHT
        assert replies.kept_bytes <= list_replies.KEPT

    run(work)


def test_in_flight_means_until_the_guest_has_it() -> None:
    async def work(replies: ListReplies) -> None:
        informer = FakeInformer(1000, text="x" * 20_000)  # 20 MB: not kept
        held: list[Reservation] = []
        for number in range(2):
            await replies.get(masked(number), informer, held.append)  # type: ignore[arg-type]
        for number in range(2):
            await replies.get(replace(PODS, namespace=f"n{number}"), informer, held.append)  # type: ignore[arg-type]
        assert 40 << 20 > replies.budget.used > 38 << 20
        with trio.move_on_after(5) as scope:
            await replies.get(PODS, informer, held.append)  # type: ignore[arg-type]
        assert scope.cancelled_caught and len(held) == 4
        held.pop().release()
        await replies.get(PODS, informer, held.append)  # type: ignore[arg-type]
        assert replies.kept_bytes < 1 << 20
        for reservation in held:
            reservation.release()

    run(work)


@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("grown", [1, 500])
def test_what_changed_during_a_wait_for_memory_is_in_the_reply(is_kept: bool, grown: int) -> None:
    """And the memory is reserved for what it became."""

    async def work(replies: ListReplies) -> None:
        informer = FakeInformer(3, text="x" * 2000)
        if is_kept:
            await replies.get(PODS, informer)  # type: ignore[arg-type]
        others = replies.budget.reserve_nowait(list_replies.IN_FLIGHT)
        held: list[Reservation] = []
        texts: list[bytes] = []

        async def ask() -> None:
            texts.append(await replies.get(PODS, informer, held.append))  # type: ignore[arg-type]

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(1)
            for number in range(grown):
                informer.put(f"new{number}", text="x" * 2000)
            others.release()
        assert len(json.loads(texts[0])["items"]) == 3 + grown
        assert [reserved.size for reserved in held] == [len(texts[0])]
        held[0].release()

    run(work)


def test_a_kept_reply_that_is_still_right_is_not_written_again_after_a_wait() -> None:
    async def work(replies: ListReplies) -> None:
        informer = FakeInformer(3)
        text = await replies.get(PODS, informer)  # type: ignore[arg-type]
        others = replies.budget.reserve_nowait(list_replies.IN_FLIGHT)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(replies.get, PODS, informer)
            await trio.sleep(1)
            others.release()
        assert await replies.get(PODS, informer) is text and informer.reads == 3  # type: ignore[arg-type]

    run(work)


def test_unused_replies_go_in_time() -> None:
    async def work(replies: ListReplies) -> None:
        informer = FakeInformer(3)
        await replies.get(PODS, informer)  # type: ignore[arg-type]
        await replies.get(masked(1), informer)  # type: ignore[arg-type]
        await trio.sleep(UNUSED_S - 1)
        await replies.get(PODS, informer)  # type: ignore[arg-type]
        await trio.sleep(2)
        replies.drop_unused(trio.current_time())
        assert list(replies._kept) == [PODS]
        await trio.sleep(UNUSED_S)
        replies.drop_unused(trio.current_time())
        assert replies.kept_bytes == 0

    run(work)


def test_what_is_too_large() -> None:
    async def work(replies: ListReplies) -> None:
        huge = FakeInformer(2600, text="x" * 20_000)
        with pytest.raises(HostCallError, match=r"the list of Pod has about 49 MiB; at most 48 MiB are handed to"):
            await replies.get(PODS, huge)  # type: ignore[arg-type]
        odd = FakeInformer()
        odd.objects[NamespacedName("ns", "p")] = b'{"spec":' + b"[" + b",".join([b"[[]]"] * 900_000) + b"]}"
        with pytest.raises(HostCallError, match=r"a Pod takes \d+ MiB of memory"):
            await replies.get(PODS, odd)  # type: ignore[arg-type]

    run(work)


def test_who_gives_up_leaves_nothing_behind() -> None:
    async def work(replies: ListReplies) -> None:
        informer = FakeInformer(1000, text="x" * 2000)

        async def ask(number: int) -> None:
            await replies.get(masked(number % 3), informer, lambda reserved: reserved.release())  # type: ignore[arg-type]

        for passes in range(12):
            async with trio.open_nursery() as nursery:
                for number in range(9):
                    nursery.start_soon(ask, number)
                for _ in range(passes):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            assert replies.budget.used == 0 and not replies._locks

    run(work)
