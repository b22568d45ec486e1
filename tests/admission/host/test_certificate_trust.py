"""Whether a certificate is trusted: asked of a process beside this one, which comes and goes."""

import time

import pytest
import trio
import trio.testing

from edged.abi.wapc import HostCallError
from edged.admission.host import certificate_trust
from edged.process import children
from tests.admission.host.services import Rig
from tests.admission.host.x509_chains import DAY, NOW, issue

ROOT = issue("root", ca=True)
LEAF = issue("leaf", ROOT)
AT = NOW.isoformat().replace("+00:00", "Z")


def run(main):
    """With the task that ends idle processes."""
    trio.run(main)


def certificate(content: bytes, encoding: str = "Pem") -> dict:
    return {"encoding": encoding, "data": list(content)}


def test_certificates_are_checked_by_one_process(tmp_path):
    async def main():
        rig = Rig(tmp_path)
        path = "crypto/v1/is_certificate_trusted"
        good = {"cert": certificate(LEAF.pem), "cert_chain": [certificate(ROOT.der, "Der")], "not_after": AT}
        late = good | {"not_after": (NOW + 11 * DAY).isoformat()}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.host.run)
            await trio.testing.wait_all_tasks_blocked()
            assert await rig.call(path, good) == {"trusted": True, "reason": ""}
            first = rig.host._trust._child.process
            answer = await rig.call(path, late)
            assert answer == {"trusted": False, "reason": "Certificate is being used after its expiration date"}
            alone = {"cert": certificate(LEAF.pem), "cert_chain": None, "not_after": AT}
            assert (await rig.call(path, alone))["trusted"] is False
            now = await rig.call(path, {key: value for key, value in good.items() if key != "not_after"})
            assert now["trusted"] is (LEAF.certificate.not_valid_after_utc.timestamp() > time.time())
            with pytest.raises(HostCallError, match="not a certificate"):
                await rig.call(path, good | {"cert": certificate(b"\x30\x03abc", "Der")})
            assert rig.host._trust._child.process is first
            nursery.cancel_scope.cancel()
        assert first is not None and first.returncode is not None

    run(main)


def test_a_process_that_is_gone_is_replaced(tmp_path):
    async def main():
        rig = Rig(tmp_path)
        path = "crypto/v1/is_certificate_trusted"
        good = {"cert": certificate(LEAF.pem), "cert_chain": [certificate(ROOT.pem)], "not_after": AT}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.host.run)
            await trio.testing.wait_all_tasks_blocked()
            await rig.call(path, good)
            process = rig.host._trust._child.process
            process.kill()
            await process.wait()
            assert (await rig.call(path, good))["trusted"]
            nursery.cancel_scope.cancel()

    run(main)


def test_without_the_task_each_question_has_a_process_of_its_own(tmp_path):
    async def main():
        rig = Rig(tmp_path)
        good = {"cert": certificate(LEAF.pem), "cert_chain": [certificate(ROOT.pem)], "not_after": AT}
        assert (await rig.call("crypto/v1/is_certificate_trusted", good))["trusted"]
        assert rig.host._trust._child.process is None

    run(main)


def test_whoever_gives_up_leaves_the_process_alone(tmp_path):
    """Starting it may take longer than an evaluation has: the next one finds it started."""

    async def main():
        rig = Rig(tmp_path)
        good = {"cert": certificate(LEAF.pem), "cert_chain": [certificate(ROOT.pem)], "not_after": AT}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.host.run)
            await trio.testing.wait_all_tasks_blocked()
            with trio.CancelScope() as scope:
                nursery.start_soon(_cancel_when_started, rig, scope)
                await rig.call("crypto/v1/is_certificate_trusted", good)
            assert scope.cancelled_caught
            started = rig.host._trust._child.process
            assert (await rig.call("crypto/v1/is_certificate_trusted", good))["trusted"]
            assert rig.host._trust._child.process is started
            nursery.cancel_scope.cancel()

    run(main)


async def _cancel_when_started(rig, scope) -> None:
    while rig.host._trust._child.process is None:
        await trio.lowlevel.checkpoint()
    scope.cancel()


def test_a_process_that_ends_in_the_middle(tmp_path, monkeypatch):
    """Whoever asked gets an error; the next one a new process."""

    async def main():
        rig = Rig(tmp_path)
        path = "crypto/v1/is_certificate_trusted"
        good = {"cert": certificate(LEAF.pem), "cert_chain": [certificate(ROOT.pem)], "not_after": AT}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.host.run)
            await trio.testing.wait_all_tasks_blocked()
            with monkeypatch.context() as patch:
                patch.setattr(children.sys, "executable", "/bin/true")
                with pytest.raises(HostCallError, match="cannot be checked"):
                    await rig.call(path, good)
            assert (await rig.call(path, good))["trusted"]
            nursery.cancel_scope.cancel()

    run(main)


def test_an_idle_process_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(certificate_trust, "IDLE_S", 0.0)

    async def main():
        rig = Rig(tmp_path)
        good = {"cert": certificate(LEAF.pem), "cert_chain": [certificate(ROOT.pem)], "not_after": AT}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.host.run)
            await trio.testing.wait_all_tasks_blocked()
            assert (await rig.call("crypto/v1/is_certificate_trusted", good))["trusted"]
            with trio.fail_after(20):
                while rig.host._trust._child.process is not None:
                    await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()

    run(main)


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"[]", "not a JSON object"),
        ({}, "cert is not"),
        ({"cert": {"encoding": "pem", "data": []}}, "cert is not"),
        ({"cert": {"encoding": "Der", "data": [256]}}, "cert.data is not a list of bytes"),
        ({"cert": {"encoding": "Der", "data": ["a"]}}, "cert.data is not a list of bytes"),
        ({"cert": certificate(LEAF.der, "Pem")}, "cert is not Pem"),
        ({"cert": certificate(LEAF.pem, "Der")}, "cert is not Der"),
        ({"cert": certificate(LEAF.pem), "cert_chain": {}}, "cert_chain is not a list"),
        ({"cert": certificate(LEAF.pem), "cert_chain": [{}]}, r"cert_chain\[0\] is not"),
        ({"cert": certificate(LEAF.pem), "cert_chain": [certificate(b"")] * 65}, "at most 64"),
        ({"cert": certificate(LEAF.pem), "not_after": "tomorrow"}, "not an RFC 3339 time"),
        ({"cert": certificate(LEAF.pem), "not_after": "2026-01-01T00:00:00"}, "not an RFC 3339 time"),
        ({"cert": certificate(LEAF.pem), "not_after": "2026-13-01T00:00:00Z"}, "month"),
        ({"cert": certificate(LEAF.pem), "not_after": 5}, "not_after is missing or not a string"),
    ],
)
def test_questions_about_certificates_that_make_no_sense(tmp_path, payload, problem):
    async def main():
        with pytest.raises(HostCallError, match=problem):
            await Rig(tmp_path).call("crypto/v1/is_certificate_trusted", payload)

    run(main)
