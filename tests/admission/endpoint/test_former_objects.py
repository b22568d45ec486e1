"""Another `registration_name`: the former objects go when the new ones are in force, and not before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.admission.endpoint.dynamic_registration import DynamicRegistration
from edged.admission.endpoint.registration import State
from edged.admission.endpoint.registration_memory import RegistrationMemory, encoded
from edged.admission.endpoint.revisions import Key
from edged.admission.endpoint.static_registration import StaticRegistration
from tests.admission.endpoint.fake_server import MWC, OTHER, SPEC, TARGET, VWC, FakeServer, Status, run
from tests.kube.support import quiet

SPECS = [SPEC, replace(OTHER, mutating=True)]
NEW = (f"{VWC}/zz", f"{MWC}/zz")


class Remembered(RegistrationMemory):
    """Written at once: a thread does not know of virtual time."""

    async def remember(self, keys: Iterable[Key]) -> None:
        self._file._write(encoded(keys, self.objects))


def named(server: FakeServer, folder: Path, name: str) -> DynamicRegistration:
    """A life of the daemon with that name."""
    memory = Remembered(folder, quiet())
    target = replace(TARGET, name=name)
    return DynamicRegistration(target, lambda state: None, quiet(), server, memory)  # type: ignore[arg-type]


async def first_life(server: FakeServer, folder: Path) -> None:
    before = named(server, folder, "edged")
    before.update(SPECS, b"")
    await before.settle()
    assert set(server.objects) == {VWC, MWC}


def test_the_former_objects_go_after_the_new_ones_are_in_force(tmp_path: Path) -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        await first_life(server, tmp_path)
        registration = named(server, tmp_path, "zz")
        registration.update(SPECS, b"")
        nursery.start_soon(registration.run)
        await trio.sleep(1)
        assert set(server.objects) == {VWC, MWC, *NEW}
        await trio.sleep(11)
        assert set(server.objects) == set(NEW)
        assert registration.state == State("dynamic", "registered", "", ("a", "b"))
        memory = RegistrationMemory(tmp_path, quiet())
        memory.recall()
        assert memory.objects == ("zz",)

    run(main)


def test_nothing_goes_while_the_new_ones_cannot_be_written(tmp_path: Path) -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        await first_life(server, tmp_path)

        def deny(method: str, path: str, body: Any) -> None:
            if method == "POST":
                raise Status(403)

        server.deny = deny
        registration = named(server, tmp_path, "zz")
        registration.update(SPECS, b"")
        nursery.start_soon(registration.run)
        await trio.sleep(300)
        assert set(server.objects) == {VWC, MWC}
        assert registration.state.phase == "failing"
        assert all(obj["webhooks"] for obj in server.objects.values())

    run(main)


@pytest.mark.parametrize("readable", [True, False])
def test_without_the_right_to_delete_they_are_emptied_or_it_is_said(tmp_path: Path, readable: bool) -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        await first_life(server, tmp_path)

        def deny(method: str, path: str, body: Any) -> None:
            if method == "DELETE" or (not readable and path.endswith("/edged")):
                raise Status(403)

        server.deny = deny
        registration = named(server, tmp_path, "zz")
        registration.update(SPECS, b"")
        nursery.start_soon(registration.run)
        await trio.sleep(30)
        assert registration.state.phase == "registered"
        assert bool(registration.state.message) == (not readable)
        assert [bool(server.objects[kind]["webhooks"]) for kind in (VWC, MWC, *NEW)] == [not readable] * 2 + [True] * 2

    run(main)


def test_another_owners_objects_stay(tmp_path: Path) -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        await first_life(server, tmp_path)
        server.objects[VWC]["metadata"]["annotations"] = {"edged.dev/owner": "edge-2/def"}
        registration = named(server, tmp_path, "zz")
        registration.update(SPECS, b"")
        nursery.start_soon(registration.run)
        await trio.sleep(30)
        assert set(server.objects) == {VWC, *NEW}

    run(main)


def test_manifests_under_another_name_do_not_forget_the_objects(tmp_path: Path) -> None:
    """They stay in the cluster until `edged webhook remove`, or until they are objects again."""

    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        await first_life(server, tmp_path)
        target = replace(TARGET, name="zz")
        for _ in range(2):
            manifests = StaticRegistration(
                target, lambda state: None, quiet(), tmp_path / "static", memory=Remembered(tmp_path, quiet())
            )
            manifests.update(SPECS, b"")
            await manifests.settle()
            memory = RegistrationMemory(tmp_path, quiet())
            memory.recall()
            assert memory.objects == ("edged",)
        again = named(server, tmp_path, "zz")
        again.update(SPECS, b"")
        nursery.start_soon(again.run)
        await trio.sleep(12)
        assert set(server.objects) == set(NEW)

    run(main)
