"""Writes of custom resources: ever more rarely against others, again after a conflict, finalizers of others kept."""

from __future__ import annotations

from typing import Any

import trio
import trio.testing

from edged.admission.resources.kinds import FINALIZER
from edged.admission.resources.resource_status import ObjectWriter
from edged.kube.client import ApiError
from tests.admission.resources.scene import Object, policy
from tests.kube.support import quiet


class Client:
    """Keeps what is written; answers with `code`."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.code = 200

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> Object:
        await trio.lowlevel.checkpoint()
        if self.code != 200:
            raise ApiError(self.code, "", "scripted")
        self.bodies.append(body)
        return {}


def test_what_others_undo_is_written_again_ever_more_rarely() -> None:
    async def main() -> None:
        client = Client()
        writer = ObjectWriter(client, lambda: "now", quiet())  # type: ignore[arg-type]
        obj, status = policy("x"), {"policyStatus": "active", "conditions": []}
        for _ in range(24 * 60):  # a day, looked at every minute, undone every time
            await writer.status(obj, status)
            await trio.sleep(60)
        assert 3 < len(client.bodies) < 35
        written = len(client.bodies)
        await writer.status(obj, {**status, "policyStatus": "pending"})  # something new is said at once
        assert len(client.bodies) == written + 1
        guard = client.bodies[-1]["metadata"]
        assert (guard["resourceVersion"], guard["uid"]) == ("7", "uid-x")

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_conflict_is_tried_again_at_the_next_look() -> None:
    async def main() -> None:
        client = Client()
        writer = ObjectWriter(client, lambda: "now", quiet())  # type: ignore[arg-type]
        client.code = 409
        await writer.status(policy("x"), {"policyStatus": "active"})
        await writer.add_finalizer(policy("x"))
        client.code = 200
        await writer.status(policy("x"), {"policyStatus": "active"})
        await writer.add_finalizer(policy("x"))
        assert client.bodies[1]["metadata"]["finalizers"] == [FINALIZER]
        assert len(client.bodies) == 2
        same = replace_status(policy("x"), {"policyStatus": "active"})
        await writer.status(same, {"policyStatus": "active"})
        assert len(client.bodies) == 2

    trio.run(main)


def replace_status(obj: Object, status: Object) -> Object:
    return {**obj, "status": status}


def test_finalizers_of_others_stay() -> None:
    async def main() -> None:
        client = Client()
        writer = ObjectWriter(client, lambda: "now", quiet())  # type: ignore[arg-type]
        obj = policy("x")
        obj["metadata"]["finalizers"] = ["theirs", FINALIZER, "kubewarden"]
        await writer.remove_finalizers(obj)
        assert client.bodies[0]["metadata"]["finalizers"] == ["theirs"]

    trio.run(main)
