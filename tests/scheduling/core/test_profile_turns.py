"""Profiles whose cycles take long, and how long others come first."""

from edged.scheduling.core.profile_turns import LONG_CYCLE_S, SHORTEST_REST_S, ProfileTurns


def test_a_long_cycle_is_followed_by_a_rest_that_has_room_for_all_others():
    turns = ProfileTurns(profiles=3)
    turns.took("slow", 20.0, now=100.0)
    assert turns.rests_until("slow", 100.0) == turns.rests_until("slow", 159.0) == 160.0
    assert turns.rests_until("slow", 160.0) == 0.0
    assert turns.rests_until("other", 100.0) == 0.0


def test_a_short_cycle_changes_nothing_and_no_rest_is_too_short_to_matter():
    turns = ProfileTurns(profiles=2)
    turns.took("edged", LONG_CYCLE_S, now=10.0)
    assert turns.rests_until("edged", 10.0) == 0.0
    turns.took("edged", LONG_CYCLE_S * 2, now=10.0)
    assert turns.rests_until("edged", 10.0) == 10.0 + SHORTEST_REST_S


def test_nobody_is_asked_once_all_rests_are_over():
    turns = ProfileTurns(profiles=2)
    assert turns.all_ready(0.0)
    turns.took("slow", 20.0, now=100.0)
    turns.took("other", 10.0, now=100.0)
    assert not turns.all_ready(120.0)
    assert not turns.all_ready(139.0)
    assert turns.all_ready(140.0)
    assert turns.rests_until("slow", 140.0) == 0.0


def test_a_profile_alone_never_rests():
    turns = ProfileTurns(profiles=1)
    turns.took("edged", 20.0, now=0.0)
    assert turns.rests_until("edged", 0.0) == 0.0
