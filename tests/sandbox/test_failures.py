"""An error that nobody expected fails one request, one watch or one connection of the embedded API server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h11
import orjson
import pytest
import trio

from edged.sandbox import server
from edged.sandbox.reading import watches
from edged.sandbox.server import Sandbox
from edged.sandbox.writing import creates
from edged.telemetry.logs import Logger, LogStyle
from tests.sandbox.harness import config_map
from tests.sandbox.test_server import CM, Client, Connect, scenario

ODD: list[Exception] = [ValueError("odd"), RecursionError("deep"), ExceptionGroup("two", [KeyError("a"), OSError("b")])]
odd = pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)


class Lines:
    """A log that is kept."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.log = Logger(LogStyle(journal=False), write=self.lines.append)

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.log.internal_errors.counts)


def raising_for(name: str, error: BaseException, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, but for arguments in which that name occurs."""

    def wrapped(*arguments: Any, **options: Any) -> Any:
        if any(name in repr(argument) for argument in arguments):
            raise error
        return function(*arguments, **options)

    return wrapped


@odd
def test_a_request_that_fails_is_answered_and_the_next_one_works(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    kept = Lines()
    broken = raising_for("poison", error, creates.object_validation.check_create)
    monkeypatch.setattr(creates.object_validation, "check_create", broken)

    async def body(_sandbox: Sandbox, connect: Connect) -> None:
        client = Client(await connect())
        for _ in range(2):
            status, answer = await client.exchange("POST", CM, orjson.dumps(config_map("poison")))
            assert status == 500 and orjson.loads(answer)["reason"] == "InternalError"
            assert (await client.exchange("POST", CM, orjson.dumps(config_map("fine"))))[0] in (201, 409)
        assert (await client.exchange("GET", f"{CM}/poison"))[0] == 404

    scenario(body, log=kept.log)
    assert kept.counts == {"request": 2}
    assert b"Traceback" in kept.lines[0]


@odd
def test_a_watch_that_fails_ends_with_an_error_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    kept = Lines()
    monkeypatch.setattr(watches, "edge_of", raising_for("poison", error, watches.edge_of))

    async def body(sandbox: Sandbox, connect: Connect) -> None:
        configs, pods, writing = [Client(await connect()) for _ in range(3)]
        await configs.send("GET", f"{CM}?watch=true")
        await pods.send("GET", "/api/v1/pods?watch=true")
        for client in (configs, pods):
            assert (await client.next()).status_code == 200
        await writing.exchange("POST", CM, orjson.dumps(config_map("poison")))
        event = orjson.loads((await configs.next()).data)
        assert event["type"] == "ERROR" and event["object"]["code"] == 500
        assert isinstance(await configs.next(), h11.EndOfMessage)
        pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        status, _ = await writing.exchange("POST", "/api/v1/namespaces/default/pods", orjson.dumps(pod))
        assert status == 201
        assert orjson.loads((await pods.next()).data)["type"] == "ADDED"
        assert len(sandbox.storage._subscriptions) == 1
        # The connection of the watch that failed is still good.
        configs.http.start_next_cycle()
        assert (await configs.exchange("GET", "/livez"))[0] == 200

    scenario(body, log=kept.log)
    assert kept.counts == {"watch": 1}


@odd
@pytest.mark.parametrize("beside_cancellation", [False, True])
def test_a_connection_that_fails_gives_back_its_watch(
    monkeypatch: pytest.MonkeyPatch, error: Exception, beside_cancellation: bool
) -> None:
    kept = Lines()
    send = server._Connection._send

    async def broken(self: server._Connection, *events: Any) -> None:
        if isinstance(events[0], h11.Response) and ("transfer-encoding", "chunked") in [
            (name.decode(), value.decode()) for name, value in events[0].headers
        ]:
            if beside_cancellation:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(trio.sleep_forever)
                    raise error
            raise error
        await send(self, *events)

    monkeypatch.setattr(server._Connection, "_send", broken)

    async def body(sandbox: Sandbox, connect: Connect) -> None:
        watching, other = Client(await connect()), Client(await connect())
        await watching.send("GET", f"{CM}?watch=true")
        assert await watching.stream.receive_some(100) == b""
        assert (await other.exchange("GET", "/livez"))[0] == 200
        assert not sandbox.storage._subscriptions

    scenario(body, log=kept.log)
    assert kept.counts == {"connection": 1}
