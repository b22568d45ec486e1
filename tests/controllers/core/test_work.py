"""The queue of a module; and against a naive model of what has to run when."""

from __future__ import annotations

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.keys import START, Key
from edged.controllers.core.results import DONE, ReconcileResult
from edged.controllers.core.work import Work

A, B = Key("Pod", "ns", "a"), Key("Pod", "ns", "b")
RETRY, TERMINAL = ReconcileResult(error="no"), ReconcileResult(error="no", terminal=True)


def taken(work, now, shard=0):
    """All keys that are due, each told to have succeeded."""
    keys = []
    while (key := work.take(shard, now)) is not None:
        keys.append(key)
        work.succeeded(key, DONE, now)
    return keys


def fail(work, now, result=RETRY):
    key = work.take(0, now)
    work.succeeded(key, result, now)
    return key


def trap(work, key, now):
    work.add(key, now)
    assert work.take(0, now) == key
    work.trapped(key, "unreachable", now)


def test_a_key_added_while_it_runs_runs_once_more():
    work = Work()
    work.add(A, 0.0)
    assert work.take(0, 0.0) == A
    for _ in range(3):
        work.add(A, 0.5)
    assert work.take(0, 0.5) is None
    work.succeeded(A, DONE, 1.0)
    assert taken(work, 1.0) == [A]


def test_pauses_double_to_the_longest_and_begin_anew_after_a_success():
    work = Work(base_s=0.005, longest_s=1000.0)
    now, pauses = 0.0, []
    work.add(A, now)
    for attempt in range(1, 22):
        assert work.attempt(A) == attempt
        assert fail(work, now) == A
        due = work.next_due(0, now)
        assert work.take(0, math.nextafter(due, 0.0)) is None
        pauses.append(due - now)
        now = due
    assert pauses == [pytest.approx(min(0.005 * 2**n, 1000.0)) for n in range(21)]
    assert taken(work, now) == [A]
    work.add(A, now)
    fail(work, now)
    assert work.next_due(0, now) == pytest.approx(now + 0.005)


def test_a_change_during_a_pause_runs_at_once():
    work = Work(base_s=10.0)
    work.add(A, 0.0)
    fail(work, 0.0)
    work.add(A, 1.0)
    assert taken(work, 1.0) == [A]
    assert taken(work, 100.0) == []


def test_an_error_beats_the_wish_to_run_later():
    work = Work(base_s=1.0)
    work.add(A, 0.0)
    fail(work, 0.0, ReconcileResult(requeue_after_s=60.0, error="no"))
    assert work.next_due(0, 0.0) == 1.0


def test_running_later():
    work = Work()
    work.add(A, 0.0)
    fail(work, 0.0, ReconcileResult(requeue_after_s=60.0))
    assert taken(work, 59.9) == []
    assert taken(work, 60.0) == [A]
    work.add(B, 60.0)
    fail(work, 60.0, ReconcileResult(requeue_after_s=0.0))
    assert taken(work, 60.0) == [B]


def test_a_terminal_error_waits_for_a_change():
    work = Work()
    work.add(A, 0.0)
    fail(work, 0.0)
    fail(work, 1.0, TERMINAL)
    assert work.next_due(0, 1e9) is None
    assert work.attempt(A) == 1
    work.add(A, 2.0)
    assert taken(work, 2.0) == [A]


def test_keys_that_wait_for_a_watch():
    work = Work()
    work.add(A, 0.0)
    fail(work, 0.0, ReconcileResult(requeue_on_sync=True))
    assert taken(work, 100.0) == []
    work.synced(100.0)
    assert taken(work, 100.0) == [A]
    work.synced(101.0)
    assert taken(work, 101.0) == []


def test_what_did_not_answer_is_tried_again():
    work = Work(base_s=1.0)
    work.add(A, 0.0)
    assert work.take(0, 0.0) == A
    work.failed(A, "internal error", 0.0)
    assert work.next_due(0, 0.0) == 1.0


# --- holds


def test_a_held_key_waits_whoever_adds_it_until_it_is_released():
    work = Work()
    work.add(A, 0.0)
    assert work.take(0, 0.0) == A
    work.hold(A, 5.0, 0.0)
    work.add(A, 1.0)
    assert taken(work, 1.0) == []
    work.release(B, 1.5)
    work.release(A, 2.0)
    assert taken(work, 2.0) == [A]
    assert taken(work, 10.0) == []


def test_a_held_key_waits_no_longer_than_said():
    work = Work()
    work.add(A, 0.0)
    work.take(0, 0.0)
    work.add(A, 0.0)
    work.hold(A, 5.0, 0.0)
    assert work.describe(1.0)["held"] == 1
    assert work.next_due(0, 0.0) == 5.0
    assert taken(work, 5.0) == [A]
    assert work.describe(5.0)["held"] == 0
    work.release(A, 6.0)
    assert taken(work, 6.0) == []


def test_holding_counts_neither_as_failure_nor_as_success():
    work = Work()
    work.add(A, 0.0)
    fail(work, 0.0)
    assert work.take(0, 1.0) == A
    work.hold(A, 2.0, 1.0)
    assert work.attempt(A) == 2


# --- traps


def test_a_key_that_traps_alone_goes_to_quarantine():
    work = Work(base_s=0.001, longest_s=1000.0)
    for n in range(5):
        trap(work, A, n * 100.0)
    assert work.describe(400.0)["quarantined"] == ["Pod/ns/a"]
    work.add(A, 500.0)
    work.add(B, 500.0)
    assert taken(work, 500.0) == [B]
    assert work.parked_until <= 500.0
    assert work.take(0, 1400.0) == A
    work.trapped(A, "unreachable", 1400.0)
    assert work.next_due(0, 1400.0) == 2400.0
    assert taken(work, 2400.0) == [A]
    work.add(A, 2401.0)
    assert taken(work, 2401.0) == [A]
    assert work.describe(2401.0)["quarantined"] == []


def test_a_key_that_is_added_while_it_traps_stays_in_quarantine():
    work = Work(longest_s=1000.0)
    for n in range(4):
        trap(work, A, n * 100.0)
    work.add(A, 400.0)
    assert work.take(0, 400.0) == A
    work.add(A, 400.0)
    work.trapped(A, "unreachable", 400.0)
    assert work.next_due(0, 400.0) == 1400.0


def test_a_module_whose_keys_trap_is_parked_longer_each_time():
    work = Work()
    keys = [Key("Pod", "ns", str(n)) for n in range(5)]
    now, pauses = 1000.0, []
    for _ in range(11):
        for key in keys:
            assert work.parked_until <= now
            trap(work, key, now)
        pauses.append(work.parked_until - now)
        work.add(B, now)
        assert work.take(0, now) is None
        assert work.next_due(0, now) == work.parked_until
        now = work.parked_until
        assert B in taken(work, now)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    now += 301.0
    for key in keys:
        trap(work, key, now)
    assert work.parked_until == now + 1.0


def test_traps_that_are_rare_park_nothing():
    work = Work()
    for n in range(20):
        taken(work, n * 15.1)
        trap(work, Key("Pod", "ns", str(n)), n * 15.1)
    assert work.parked_until == 0.0


def test_a_module_that_cannot_be_set_up_is_parked():
    work = Work()
    work.add(A, 0.0)
    work.park(0.0)
    assert work.take(0, 0.5) is None
    assert taken(work, 1.0) == [A]


# --- the first key, shards, limits


def test_the_start_runs_before_everything_else():
    work = Work(shards=2, base_s=1.0)
    keys = [Key("Pod", "ns", str(n)) for n in range(8)]
    for key in keys:
        work.add(key, 0.0)
    work.add(START, 0.0)
    assert work.take(1, 0.0) is None
    assert work.take(0, 0.0) == START
    assert work.take(0, 0.0) is None
    assert (work.next_due(0, 0.0), work.next_due(1, 0.0)) == (None, None)
    work.succeeded(START, RETRY, 0.0)
    assert (work.take(0, 0.5), work.take(1, 0.5)) == (None, None)
    assert work.next_due(0, 0.5) == 1.0
    assert work.take(0, 1.0) == START
    assert work.attempt(START) == 2
    work.succeeded(START, DONE, 1.0)
    assert sorted(taken(work, 1.0, 0) + taken(work, 1.0, 1)) == keys


def test_a_start_that_fails_for_good_holds_up_nothing():
    work = Work()
    work.start(0.0)
    work.add(A, 0.0)
    fail(work, 0.0, TERMINAL)
    assert taken(work, 0.0) == [A]


def test_a_key_belongs_to_one_shard():
    work = Work(shards=3)
    keys = {Key("Pod", "ns", str(n)) for n in range(60)}
    found = []
    for _ in range(2):
        for key in keys:
            work.add(key, 0.0)
        found.append([set(taken(work, 0.0, shard)) for shard in range(3)])
    assert found[0] == found[1]
    assert set.union(*found[0]) == keys
    assert all(len(each) > 5 for each in found[0])


def test_a_full_queue_takes_no_further_keys():
    work = Work(most_keys=2)
    work.add(A, 0.0)
    work.add_at(B, 5.0, 0.0)
    work.add(A, 0.0)
    work.add(B, 0.0)
    with pytest.raises(Refused, match="max_keys") as refused:
        work.add(Key("Pod", "ns", "c"), 0.0)
    assert refused.value.code == Code.LIMIT
    assert taken(work, 0.0) == [A, B]
    work.add(Key("Pod", "ns", "c"), 0.0)


def test_what_people_are_told():
    work = Work(base_s=1.0)
    work.add(A, 0.0)
    work.add(B, 0.0)
    fail(work, 0.0)
    told = work.describe(0.5)
    assert {name: told[name] for name in ("queue", "waiting", "in_work", "failing", "parked_for_s")} == {
        "queue": 1, "waiting": 1, "in_work": 0, "failing": 1, "parked_for_s": 0.0,
    }  # fmt: skip
    assert told["errors"] == [{"key": "Pod/ns/a", "error": "no", "attempts": 1, "trap": False, "age_s": 0.5}]
    taken(work, 1.0)
    assert work.describe(1.0)["errors"] == []
    assert dict(work.pending()) == {}


def test_only_the_last_errors_are_kept():
    work = Work()
    for n in range(30):
        work.add(Key("Pod", "ns", str(n)), 0.0)
        fail(work, 0.0)
    assert [each["key"] for each in work.describe(0.0)["errors"]] == [f"Pod/ns/{n}" for n in range(29, 9, -1)]


def test_a_successor_takes_over_what_is_pending():
    work = Work()
    work.add(A, 0.0)
    work.add_at(B, 9.0, 0.0)
    assert dict(work.pending()) == {A: None, B: 9.0}
    successor = Work(most_keys=2)
    successor.inherit([*work.pending(), (Key("Pod", "ns", "c"), None)], 1.0)
    assert dict(successor.pending()) == {A: None, B: 9.0}


def test_a_start_that_always_traps_parks_the_module_whatever_pauses_it_wants():
    work, now = Work(base_s=0.001, longest_s=0.001), 0.0
    work.start(now)
    for _ in range(5):
        assert work.take(0, now) == START
        work.trapped(START, "unreachable", now)
        now += 0.001
    assert work.parked_until > now and work.take(0, now) is None


def test_no_module_makes_its_quarantine_short():
    work, now = Work(base_s=0.001, longest_s=0.001), 0.0
    work.add(A, now)
    for _ in range(5):
        assert work.take(0, now) == A
        work.trapped(A, "unreachable", now)
        now += 0.001
    work.add(A, now)
    assert taken(work, now + 59.0) == [] and taken(work, now + 60.0) == [A]


def test_keys_that_wait_for_a_sync_are_bounded_too():
    work = Work(most_keys=3)
    for n in range(10):
        work.add(Key("Pod", "ns", str(n)), 0.0)
        assert work.take(0, 0.0) is not None
        work.succeeded(Key("Pod", "ns", str(n)), ReconcileResult(requeue_on_sync=True), 0.0)
    work.synced(1.0)
    assert len(taken(work, 1.0)) == 3


# --- against a model

KEYS = tuple(Key("Pod", "ns", name) for name in "abc")


class WorkMachine(RuleBasedStateMachine):
    """`pending`: when each key has to run, at the earliest time that anybody asked for."""

    def __init__(self):
        super().__init__()
        self.work, self.now = Work(shards=2, base_s=1.0, longest_s=8.0), 0.0
        self.pending, self.running, self.failures = {}, {}, {}

    def want(self, key, due):
        self.pending[key] = min(self.pending.get(key, math.inf), max(due, self.now))

    @rule(key=st.sampled_from(KEYS))
    def add(self, key):
        self.work.add(key, self.now)
        self.want(key, self.now)

    @rule(key=st.sampled_from(KEYS), after=st.integers(0, 5))
    def add_later(self, key, after):
        self.work.add_at(key, self.now + after, self.now)
        self.want(key, self.now + after)

    @rule(seconds=st.integers(1, 6))
    def wait(self, seconds):
        self.now += seconds

    @rule(shard=st.integers(0, 1))
    def take(self, shard):
        due = self.work.next_due(shard, self.now)
        key = self.work.take(shard, self.now)
        assert (key is not None) == (due is not None and due <= self.now)
        if key is None:
            return
        assert key not in self.running, "a key runs twice at once"
        assert self.pending.pop(key) <= self.now, "a key runs that nobody asked for"
        self.running[key] = shard

    @rule(key=st.sampled_from(KEYS), outcome=st.sampled_from(("done", "later", "error", "terminal", "failed")))
    def finish(self, key, outcome):
        if self.running.pop(key, None) is None:
            return
        if outcome == "failed":
            self.work.failed(key, "no", self.now)
        else:
            results = {"done": DONE, "later": ReconcileResult(3.0), "error": RETRY, "terminal": TERMINAL}
            self.work.succeeded(key, results[outcome], self.now)
        if outcome in ("error", "failed"):
            self.failures[key] = self.failures.get(key, 0) + 1
            self.want(key, self.now + min(2.0 ** (self.failures[key] - 1), 8.0))
        else:
            self.failures.pop(key, None)
            if outcome == "later":
                self.want(key, self.now + 3.0)

    @rule()
    def drain(self):
        """Everything that is due runs now, each key once."""
        for key in list(self.running):
            self.finish(key, "done")
        due = {key for key, at in self.pending.items() if at <= self.now}
        ran = [key for shard in (0, 1) for key in taken(self.work, self.now, shard)]
        assert sorted(ran) == sorted(due)
        for key in ran:
            del self.pending[key]
            self.failures.pop(key, None)

    @invariant()
    def attempts_are_failures_in_a_row(self):
        assert all(self.work.attempt(key) == self.failures.get(key, 0) + 1 for key in KEYS)

    @invariant()
    def nothing_is_forgotten(self):
        assert {key for key, _ in self.work.pending()} == set(self.pending)


WorkMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
test_work_against_a_model = WorkMachine.TestCase


def test_a_start_that_wants_to_come_again_later_lets_the_other_keys_go():
    work = Work(shards=1)
    work.start(0.0)
    work.add(A, 0.0)
    assert work.take(0, 0.0) == START
    work.succeeded(START, ReconcileResult(requeue_after_s=60.0), 0.0)
    assert taken(work, 0.0) == [A] and work.next_due(0, 0.0) == 60.0
    assert taken(work, 60.0) == [START] and work.next_due(0, 60.0) is None


def test_a_successor_takes_over_what_waits_for_a_watch():
    work = Work()
    work.add(A, 0.0)
    assert work.take(0, 0.0) == A
    work.succeeded(A, ReconcileResult(requeue_on_sync=True), 0.0)
    assert dict(work.pending()) == {A: None}
