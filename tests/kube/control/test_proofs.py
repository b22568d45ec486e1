"""When a revision is in doubt, and how old what is known may be."""

from __future__ import annotations

import math

from edged.kube.control.proofs import SOON_S, TRUST_S, Proofs

HOUR = 3600.0


def read(at: float = 0.0) -> Proofs:
    proofs = Proofs(stall_s=100.0, compare_s=4 * HOUR, random=lambda: 0.5)
    proofs.read(begun=at - 2.0, now=at)
    return proofs


def test_nothing_is_proven_before_the_first_list() -> None:
    proofs = Proofs(100.0, HOUR, lambda: 0.0)
    assert proofs.proven_at == -math.inf and proofs.in_doubt(0.0)


def test_a_list_shows_what_there_was_when_it_began() -> None:
    proofs = read(10.0)
    assert proofs.proven_at == 8.0 and not proofs.in_doubt(10.0)
    proofs.heard(30.0)
    assert proofs.proven_at == 30.0
    proofs.read(begun=29.0, now=31.0)
    assert proofs.proven_at == 30.0


def test_silence_proves_nothing() -> None:
    proofs = read()
    proofs.heard(50.0)
    assert proofs.proven_at == 50.0  # whatever the clock says
    proofs.left(151.0, cut=False)  # half open for longer than a minute of bookmarks: nobody knows since when
    assert proofs.in_doubt(151.0)


def test_a_watch_that_is_renewed_or_cut_goes_on_unless_the_server_was_away() -> None:
    for cut in (False, True):
        proofs = read()
        proofs.heard(340.0)
        proofs.left(400.0, cut=cut)
        assert not proofs.in_doubt(400.0) and not proofs.in_doubt(400.0 + TRUST_S)
        assert proofs.in_doubt(400.1 + TRUST_S)


def test_it_is_compared_now_and_then_and_sooner_after_a_cut() -> None:
    def doubted(cut: bool, now: float) -> bool:
        proofs = read()
        proofs.heard(100.0)
        proofs.left(100.0, cut=cut)
        proofs.heard(now)
        proofs.left(now, cut=False)
        return proofs.in_doubt(now)

    assert not doubted(False, 5.99 * HOUR) and doubted(False, 6 * HOUR)
    assert not doubted(True, 100.0 + 1.4 * SOON_S) and doubted(True, 100.0 + 1.5 * SOON_S)


def test_it_is_compared_soon_after_something_that_was_not_understood() -> None:
    proofs = read()
    proofs.doubted(100.0)
    proofs.doubted(300.0)  # many of them put nothing off
    for now, is_in_doubt in ((100.0 + 1.4 * SOON_S, False), (100.0 + 1.5 * SOON_S, True)):
        proofs.heard(now)
        proofs.left(now, cut=False)
        assert proofs.in_doubt(now) == is_in_doubt


def test_a_comparison_puts_the_next_one_off() -> None:
    proofs = read()
    proofs.left(1.0, cut=True)
    proofs.read(2.0, 2.0)
    proofs.heard(5 * HOUR)
    proofs.left(5 * HOUR, cut=False)
    assert not proofs.in_doubt(5 * HOUR)
