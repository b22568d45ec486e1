"""When a new certificate may be shown: virtual time, and API servers that are told late, refuse, or say nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from edged.admission.endpoint.registration import Registration
from edged.admission.host.admission import Admission
from edged.admission.host.policy_loader import PolicyLoader
from edged.daemon.served_policies import ANNOUNCE_S, LAST_S, ServedPolicies
from edged.errors import PeerError
from edged.telemetry.logs import GuestLines
from tests.admission.endpoint.fake_server import PEM, SPEC, FakeServer, ReadingServer, dynamic, run, static
from tests.kube.support import quiet
from tests.tls.test_validity import made

BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
SHOWN = made(BEGINS, BEGINS + timedelta(days=100))
END = (BEGINS + timedelta(days=100)).timestamp()
OLD, NEW = PEM % b"MQ==", PEM % b"Mg=="


class Rig:
    def __init__(self, registration: Registration, left_s: float = 50 * 86400.0) -> None:
        def loader() -> PolicyLoader:
            raise AssertionError("nothing is loaded")

        log = quiet()
        self.policies = ServedPolicies(Admission(log, GuestLines(log), None), loader, lambda: END - left_s)
        self.certificates: Any = SimpleNamespace(bundle=OLD, tls=SimpleNamespace(certificate=SHOWN))
        self.policies.certificates = self.certificates
        self.policies.registration = registration
        self.announced = False
        self.policies.register()

    async def announce(self) -> None:
        self.certificates.bundle = NEW
        await self.policies.announce_certificates()
        self.announced = True


def test_it_is_shown_as_soon_as_the_api_server_goes_by_it(tmp_path: Path) -> None:
    async def main(nursery: trio.Nursery) -> None:
        server, reader = FakeServer(), ReadingServer(tmp_path)
        for registration in (dynamic(server)[0], static(tmp_path, reader=reader)[0]):
            rig = Rig(registration)
            nursery.start_soon(registration.run)
            await trio.sleep(5)
            reader.read()
            await trio.sleep(60)
            nursery.start_soon(rig.announce)
            await trio.sleep(0.1)
            reader.read()
            await trio.sleep(5)
            assert rig.announced

    run(main)


@pytest.mark.parametrize("left_s", [50 * 86400.0, LAST_S - 1, -1.0])
def test_it_waits_for_an_api_server_that_cannot_be_told_while_the_present_one_is_valid(left_s: float) -> None:
    """It may well call: it is edged that has lost its rights, for one."""
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, _ = dynamic(server)
        rig = Rig(registration, left_s)
        nursery.start_soon(registration.run)
        await trio.sleep(5)

        def forbidden(method: str, path: str, body: Any) -> None:
            raise PeerError("403")

        server.deny = forbidden
        nursery.start_soon(rig.announce)
        await trio.sleep(ANNOUNCE_S - 1)
        assert not rig.announced
        await trio.sleep(86400)
        assert rig.announced is (left_s < LAST_S)
        server.deny = lambda method, path, body: None
        await trio.sleep(70)
        assert rig.announced

    run(main)


@pytest.mark.parametrize("refuses", [True, False])
def test_it_waits_for_an_api_server_that_refused_and_not_for_one_that_nobody_knows_of(
    tmp_path: Path, refuses: bool
) -> None:
    async def main(nursery: trio.Nursery) -> None:
        reader = ReadingServer(tmp_path)
        registration, _ = static(tmp_path, reader=reader)
        rig = Rig(registration)
        # One webhook, so that the file changes with the CA.
        registration.update([SPEC], OLD)
        nursery.start_soon(registration.run)
        await trio.sleep(1)
        nursery.start_soon(reader.run)
        await trio.sleep(60)
        assert registration.state.waiting == {} and not registration.goes_by_earlier
        rig.policies.register = lambda: registration.update([SPEC], rig.certificates.bundle)  # type: ignore[method-assign]
        if refuses:
            reader.refuses = lambda obj: True
        else:
            reader.deny = PeerError("no answer")
        nursery.start_soon(rig.announce)
        await trio.sleep(ANNOUNCE_S - 1)
        assert not rig.announced
        await trio.sleep(7200 if refuses else 2)
        assert rig.announced is not refuses
        reader.refuses = lambda obj: False
        await trio.sleep(70)
        assert rig.announced

    run(main)
