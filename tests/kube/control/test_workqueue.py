from __future__ import annotations

import random

from edged.kube.control.workqueue import WorkQueue


def test_each_key_once_first_come_first_served() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b", "a", "c"):
        queue.add(key, now=0.0)
    assert len(queue) == 3
    assert [queue.take(now=0.0) for _ in range(4)] == ["a", "b", "c", None]
    assert (len(queue), queue.in_work) == (0, 3)


def test_key_added_while_in_work_is_taken_once_more_after_it() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", now=0.0)
    assert queue.take(now=0.0) == "a"
    queue.add("a", now=1.0)
    queue.add("a", now=1.0)
    assert queue.take(now=1.0) is None and queue.next_due(now=1.0) is None
    queue.done("a", now=2.0)
    assert queue.take(now=2.0) == "a"
    queue.done("a", now=3.0)
    assert queue.take(now=3.0) is None


def test_later_keys_come_when_they_are_due_the_earliest_time_wins() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_at("a", 10.0, now=0.0)
    queue.add_at("a", 20.0, now=0.0)
    queue.add_at("a", 5.0, now=0.0)
    queue.add_at("b", 7.0, now=0.0)
    assert queue.waiting == 2 and queue.next_due(now=0.0) == 5.0
    assert queue.take(now=4.9) is None
    assert queue.take(now=5.0) == "a" and queue.next_due(now=5.0) == 7.0
    assert queue.take(now=7.0) == "b"
    queue.done("a", now=8.0)
    assert queue.take(now=100.0) is None and queue.next_due(now=100.0) is None


def test_added_now_overrides_a_later_time() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_at("a", 10.0, now=0.0)
    queue.add("a", now=1.0)
    queue.add_at("a", 20.0, now=1.0)
    assert queue.take(now=1.0) == "a"
    queue.done("a", now=2.0)
    assert queue.take(now=50.0) is None
    queue.add_at("a", 1.0, now=60.0)  # due already
    assert queue.take(now=60.0) == "a"


def test_due_while_in_work_waits_for_done() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", now=0.0)
    queue.take(now=0.0)
    queue.add_at("a", 1.0, now=0.0)
    assert queue.take(now=2.0) is None
    queue.done("a", now=3.0)
    assert queue.take(now=3.0) == "a"


def test_forgotten_keys_are_not_handed_out() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("queued", now=0.0)
    queue.add_at("waiting", 1.0, now=0.0)
    queue.forget("queued")
    queue.forget("waiting")
    queue.forget("unknown")
    assert queue.take(now=5.0) is None
    queue.add("in work", now=5.0)
    queue.take(now=5.0)
    queue.add("in work", now=6.0)
    queue.forget("in work")
    queue.done("in work", now=7.0)
    assert queue.take(now=7.0) is None


def test_closed_queue_takes_and_gives_nothing() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", now=0.0)
    queue.add("b", now=0.0)
    assert queue.take(now=0.0) == "a"
    queue.add("a", now=0.0)
    queue.close()
    queue.add("c", now=0.0)
    queue.add_at("d", 0.5, now=0.0)
    queue.done("a", now=0.0)
    assert queue.closed and queue.take(now=9.0) is None and queue.next_due(now=9.0) is None
    assert (len(queue), queue.in_work, queue.waiting) == (0, 0, 0)


def test_keys_that_are_pending_and_when() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("now", 0.0)
    queue.add_at("later", 5.0, 0.0)
    queue.add("running", 0.0)
    assert "later" in queue and "now" in queue and "never" not in queue
    assert dict(queue.pending()) == {"now": None, "running": None, "later": 5.0}
    assert [queue.take(0.0), queue.take(0.0)] == ["now", "running"]
    assert "running" not in queue
    queue.add("running", 1.0)
    assert dict(queue.pending()) == {"running": None, "later": 5.0}


def test_random_use_never_runs_a_key_twice_at_once_and_loses_no_add() -> None:
    numbers = random.Random(7)
    queue: WorkQueue[int] = WorkQueue()
    in_work: set[int] = set()
    unseen: set[int] = set()  # added and not taken since
    now = 0.0
    for _ in range(20_000):
        now += numbers.random()
        key = numbers.randrange(8)
        match numbers.randrange(4):
            case 0:
                queue.add(key, now)
                unseen.add(key)
            case 1:
                queue.add_at(key, now + numbers.random() * 5, now)
                unseen.add(key)
            case 2:
                taken = queue.take(now)
                if taken is not None:
                    assert taken not in in_work
                    in_work.add(taken)
                    if taken not in queue._due:
                        unseen.discard(taken)
            case _ if key in in_work:
                in_work.discard(key)
                queue.done(key, now)
    for key in in_work:
        queue.done(key, now)
    while (key := queue.take(now + 10)) is not None:  # type: ignore[assignment]
        unseen.discard(key)
        queue.done(key, now + 10)
    assert unseen == set()


def test_times_that_move_leave_nothing_behind():
    """A key that is wanted in a week, then a moment earlier, or that runs and is wanted in a week again."""
    queue = WorkQueue()
    for n in range(10_000):
        queue.add_at("a", 600_000.0 - n, 0.0)
    for _ in range(10_000):
        queue.add_at("b", 600_000.0, 0.0)
        queue.add("b", 0.0)
        queue.done(queue.take(0.0), 0.0)
    assert len(queue._heap) < 200
    assert queue.next_due(0.0) == 590_001.0
