"""What a guest may use in a call, counted without a guest."""

from __future__ import annotations

import pytest

from edged.wasm.account import HOST_CALL_FLOOR_S, Account, Budget, GuestsMemory
from edged.wasm.errors import GuestBudget, GuestMemory

MIB = 1 << 20


def account(limit_mib: int = 64, **budget: float) -> Account:
    return Account(Budget(**budget), GuestsMemory(limit_mib * MIB))  # type: ignore[arg-type]


def test_a_call_may_use_its_cpu_time_and_no_more() -> None:
    used = account(cpu_s=0.01)
    used.charge_cpu(0.009)
    used.check_cpu()
    used.charge_cpu(0.002)
    with pytest.raises(GuestBudget, match="10 ms"):
        used.check_cpu()
    assert used.cpu_s == pytest.approx(0.011)


def test_each_host_call_costs_cpu_time_as_well() -> None:
    """Otherwise a guest could keep the host busy with calls that are too short to be measured."""
    used = account(cpu_s=3 * HOST_CALL_FLOOR_S)
    for _ in range(4):
        used.charge_host_call()
    with pytest.raises(GuestBudget, match="CPU"):
        used.check_cpu()


def test_host_calls_are_capped() -> None:
    used = account(host_calls=2)
    used.charge_host_call()
    used.charge_host_call()
    with pytest.raises(GuestBudget, match="more than 2 host calls"):
        used.charge_host_call()


def test_the_next_call_has_the_whole_budget_again() -> None:
    used = account(cpu_s=0.01, host_calls=1)
    used.charge_host_call()
    used.charge_cpu(0.02)
    used.begin()
    assert used.cpu_s == 0
    used.check_cpu()
    used.charge_host_call()


def test_all_guests_together_have_a_limit_that_large_ones_feel() -> None:
    """A guest that holds less than an eighth of it is not the reason, and goes on."""
    total = GuestsMemory(64 * MIB)
    large, small = Account(Budget(), total), Account(Budget(), total)
    large.count_memory(60 * MIB)
    small.count_memory(6 * MIB)
    with pytest.raises(GuestMemory, match="64 MiB, this one 60"):
        large.count_memory(60 * MIB)
    assert total.used == 66 * MIB


def test_memory_is_counted_once_and_given_back_once() -> None:
    total = GuestsMemory(64 * MIB)
    one = Account(Budget(), total)
    one.count_memory(2 * MIB)
    one.count_memory(3 * MIB)
    assert total.used == 3 * MIB
    one.close()
    one.close()
    assert total.used == 0


def test_windows_may_take_a_quarter_and_nothing_fails_for_them() -> None:
    total = GuestsMemory(64 * MIB)
    one, other = Account(Budget(), total), Account(Budget(), total)
    assert one.count_window(10 * MIB)
    assert not other.count_window(7 * MIB)
    assert other.count_window(6 * MIB)
    assert not one.count_window(11 * MIB)
    assert (total.windows, total.used) == (16 * MIB, 0)
    one.close()
    one.close()
    assert total.windows == 6 * MIB
    assert other.count_window(16 * MIB)
