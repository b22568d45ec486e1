"""Room for the webhooks of namespaces: limits, and fair shares where there is too little."""

from __future__ import annotations

from random import Random

from edged.admission.rules.webhook_budget import ENTRY_BYTES, NAMESPACE_BYTES, Entry, left_out


def test_there_is_room_for_what_is_usual():
    entries = [Entry(f"p{number}", f"ns{number % 50}", 900) for number in range(500)]
    assert left_out(entries, 1_000_000) == {}


def test_a_policy_that_is_too_large_costs_itself():
    found = left_out([Entry("a", "x", ENTRY_BYTES + 1), Entry("b", "x", 10), Entry("c", "", 10 * ENTRY_BYTES)], 1 << 20)
    assert list(found) == ["a"] and str(ENTRY_BYTES) in found["a"]


def test_a_namespace_that_asks_for_too_much_costs_itself():
    crowd = [Entry(f"big{number:02}", "big", ENTRY_BYTES) for number in range(10)]
    found = left_out([*crowd, Entry("other", "small", 1000)], 100 << 20)
    assert set(found) == {f"big{number:02}" for number in range(NAMESPACE_BYTES // ENTRY_BYTES, 10)}
    assert "namespace big" in found["big09"]


def test_those_that_ask_for_little_get_all_and_the_rest_is_shared():
    entries = [Entry(f"{name}{number}", name, 100) for name in ("a", "b") for number in range(20)]
    found = left_out([*entries, Entry("c0", "c", 100), Entry("admin", "", 500)], 1600)
    assert sorted(found) == sorted(f"{name}{number}" for name in ("a", "b") for number in range(5, 20))


def test_administrators_are_not_limited_and_leave_what_is_left():
    assert left_out([Entry("admin", "", 10_000), Entry("a", "x", 1)], 5000).keys() == {"a"}


def test_what_is_in_never_exceeds_the_room_and_no_small_namespace_suffers():
    for seed in range(200):
        rng = Random(seed)
        whole = rng.randrange(1000, 50_000)
        entries = [Entry(f"p{i}", f"ns{rng.randrange(8)}", rng.randrange(1, 4000)) for i in range(rng.randrange(40))]
        found = left_out(entries, whole)
        kept = [entry for entry in entries if entry.policy not in found]
        assert sum(entry.size for entry in kept) <= whole
        for name in {entry.namespace for entry in entries}:
            wanted = sum(entry.size for entry in entries if entry.namespace == name)
            if wanted <= whole // 8:
                assert not {entry.policy for entry in entries if entry.namespace == name} & found.keys()
