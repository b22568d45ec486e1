"""When native handles are freed, and in which order: by fakes, since the wrong order corrupts memory."""

from __future__ import annotations

import pytest

from edged.wasm import handles as handles_module
from edged.wasm.handles import Handles, free_orphans
from edged.wasm.stacks import Stacks


class Freed:
    """Stands for wasmtime: notes what is freed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.order: list[str] = []
        monkeypatch.setattr(handles_module, "free_future", lambda future: self.order.append(f"future {future}"))
        monkeypatch.setattr(handles_module, "holding", self)

    def wasmtime_store_delete(self, store: int) -> None:
        self.order.append(f"store {store}")

    def wasmtime_linker_delete(self, linker: int) -> None:
        self.order.append(f"linker {linker}")

    def wasm_engine_delete(self, engine: int) -> None:
        self.order.append(f"engine {engine}")


@pytest.fixture
def freed(monkeypatch: pytest.MonkeyPatch) -> Freed:
    return Freed(monkeypatch)


@pytest.fixture
def handles(freed: Freed) -> Handles:
    handles = Handles(9, Stacks(), 2, pooled=True)
    handles.free_slots.acquire_nowait()  # of the store 7
    handles.stacks.call_begins()  # of the future 5
    return handles


def test_dooming_frees_nothing(handles: Handles, freed: Freed) -> None:
    handles.doom(5, 0)
    handles.doom(0, 7)
    assert freed.order == [] and handles.free_slots.value == 1


def test_a_future_goes_before_its_linker_and_its_store(handles: Handles, freed: Freed) -> None:
    handles.doom(5, 7, 6)
    handles.bury()
    assert freed.order == ["future 5", "linker 6", "store 7"]
    assert handles.free_slots.value == 2 and handles.stacks.pending == 0
    handles.bury()
    assert len(freed.order) == 3


def test_the_end_of_a_call_frees_what_was_doomed_meanwhile(handles: Handles, freed: Freed) -> None:
    handles.doom(0, 7)
    handles.delete_future(5)
    assert freed.order == ["future 5", "store 7"]


def test_a_closed_engine_goes_once_and_after_what_was_doomed(handles: Handles, freed: Freed) -> None:
    handles.doom(5, 7)
    handles.close()
    handles.close()
    assert freed.order == ["future 5", "store 7", "engine 9"]


def test_what_outlives_its_engine_is_freed_when_the_next_one_is_made(handles: Handles, freed: Freed) -> None:
    free_orphans()
    handles.close()
    freed.order.clear()
    handles.doom(5, 7)
    assert freed.order == []
    free_orphans()
    assert freed.order == ["future 5", "store 7"]
