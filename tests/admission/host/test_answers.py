"""Remembered answers: for how long, how many, how big, and who asks."""

import pytest
import trio
from trio.testing import MockClock

from edged.admission.host.answers import Answers


class Server:
    """Counts what it is asked; `gate` holds answers back."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = trio.Event()
        self.gate.set()
        self.fails = False

    async def __call__(self) -> bytes:
        self.asked += 1
        await self.gate.wait()
        if self.fails:
            raise ConnectionError("away")
        return b"answer %d" % self.asked


def run(main):
    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_remembered_for_so_long():
    async def main():
        answers, server = Answers(5.0, 10, 1000), Server()
        assert await answers.get("a", server) == b"answer 1"
        await trio.sleep(4.9)
        assert await answers.get("a", server) == b"answer 1"
        await trio.sleep(0.2)
        assert await answers.get("a", server) == b"answer 2"
        assert await answers.get("b", server) == b"answer 3"

    run(main)


def test_fresh_asks_and_renews():
    async def main():
        answers, server = Answers(5.0, 10, 1000), Server()
        await answers.get("a", server)
        assert await answers.get("a", server, fresh=True) == b"answer 2"
        assert await answers.get("a", server) == b"answer 2"

    run(main)


def test_failures_are_not_remembered():
    async def main():
        answers, server = Answers(5.0, 10, 1000), Server()
        server.fails = True
        with pytest.raises(ConnectionError):
            await answers.get("a", server)
        server.fails = False
        assert await answers.get("a", server) == b"answer 2"
        assert len(answers) == 1

    run(main)


def test_one_question_for_all_who_ask_the_same():
    async def main():
        answers, server, got = Answers(5.0, 10, 1000), Server(), []
        server.gate = trio.Event()

        async def client(key):
            got.append((key, await answers.get(key, server)))

        async with trio.open_nursery() as nursery:
            for key in ("a", "a", "a", "b"):
                nursery.start_soon(client, key)
            await trio.testing.wait_all_tasks_blocked()
            assert server.asked == 2
            server.gate.set()
        assert server.asked == 2
        assert sorted(key for key, _ in got) == ["a", "a", "a", "b"]
        assert not answers._asking

    run(main)


def test_the_next_one_asks_when_the_first_gives_up():
    async def main():
        answers, server, got = Answers(5.0, 10, 1000), Server(), []
        server.gate = trio.Event()

        async def impatient():
            with trio.move_on_after(1):
                await answers.get("a", server)

        async def patient():
            got.append(await answers.get("a", server))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(impatient)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(patient)
            await trio.sleep(2)
            server.gate.set()
        assert got == [b"answer 2"]
        assert not answers._asking

    run(main)


def test_bounded_in_number_and_in_bytes():
    async def main():
        answers = Answers(5.0, 3, 100)

        async def of(size):
            return b"x" * size

        for key in range(10):
            await answers.get(key, lambda: of(10))
        assert len(answers) == 3
        await answers.get("big", lambda: of(95))
        assert len(answers) == 1
        assert len(await answers.get("too big", lambda: of(101))) == 101
        assert len(answers) == 1

    run(main)


def test_old_answers_go_when_others_come():
    async def main():
        answers, server = Answers(5.0, 10, 1000), Server()
        await answers.get("a", server)
        await trio.sleep(6)
        await answers.get("b", server)
        assert len(answers) == 1

    run(main)


@pytest.mark.parametrize("error", [ValueError("odd"), RecursionError("deep")])
def test_a_question_that_fails_is_forgotten(error):
    """Nobody waits for it any more, and the next one asks again."""

    async def main():
        answers = Answers(60.0, 9, 99)

        async def fail() -> bytes:
            await trio.lowlevel.checkpoint()
            raise error

        for _ in range(2):
            with pytest.raises(type(error)):
                await answers.get("key", fail)
        assert not answers._asking and len(answers) == 0

        async def answer() -> bytes:
            return b"yes"

        assert await answers.get("key", answer) == b"yes"

    trio.run(main)


def test_what_nobody_asks_for_goes_in_time():
    async def main():
        answers, server = Answers(5.0, 10, 1000), Server()
        await answers.get("a", server)
        await trio.sleep(3)
        await answers.get("b", server)
        answers.drop_old(trio.current_time())
        assert len(answers) == 2
        await trio.sleep(2)
        answers.drop_old(trio.current_time())
        assert len(answers) == 1
        await trio.sleep(3)
        answers.drop_old(trio.current_time())
        assert len(answers) == 0 and answers._bytes == 0

    run(main)
