"""The helper's socket: who may ask, what a request may be, and that no client holds up another."""

import os
import socket
import stat

import pytest
import trio

from edged.errors import ConfigError
from edged.fabric.errors import FabricError
from edged.fabric.interfaces import LocalInterface
from edged.fabric.memory import MemoryFabric
from edged.fabric.server import CLIENTS, LONGEST_REQUEST, Worker, serve
from edged.json_text import dumps, loads
from edged.telemetry.logs import Logger

A = LocalInterface(42, "10.0.0.5").to_json()


class Helper:
    """A server on a socket below `folder`, for the time of one test."""

    def __init__(self, folder, *, allowed=None, patience_s=10.0):
        self.path = str(folder / "fabric.sock")
        self.fabric = MemoryFabric()
        self.lines = []
        self._allowed = {os.geteuid()} if allowed is None else allowed
        self._patience_s = patience_s

    async def run(self, test):
        worker = Worker()
        log = Logger(write=self.lines.append)
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: serve(
                self.path, self.fabric, worker, log, allowed=self._allowed, patience_s=self._patience_s,
                task_status=task_status))  # fmt: skip
            with trio.fail_after(30):
                await test()
            nursery.cancel_scope.cancel()
        worker.close()

    async def ask(self, *requests):
        """On one connection; the answers until it ends or all are there."""
        async with await trio.open_unix_socket(self.path) as stream:
            return [await exchange(stream, request) for request in requests]


async def exchange(stream, request):
    await stream.send_all(request if isinstance(request, bytes) else dumps(request) + b"\n")
    return loads(await line_of(stream))


async def line_of(stream):
    received = b""
    while not received.endswith(b"\n"):
        chunk = await stream.receive_some(1 << 16)
        if not chunk:
            break
        received += chunk
    return received


def test_requests_are_answered_in_their_order_on_one_connection(tmp_path):
    helper = Helper(tmp_path)

    async def test():
        answers = await helper.ask({"op": "Name"}, {"op": "CreateLocalIfc", "args": A}, {"op": "ListLocalIfcs"})
        assert answers == [{"result": {"name": "memory", "hostIP": "127.0.0.1"}}, {"result": {"created": True}},
                           {"result": {"items": [A]}}]
        async with await trio.open_unix_socket(helper.path) as stream:
            await stream.send_all(b'{"op":"Name"}\n{"op":"ListLocalIfcs"}\n')
            received = b""
            while received.count(b"\n") < 2:
                received += await stream.receive_some(1 << 16)
        assert [set(loads(line)["result"]) for line in received.splitlines()] == [{"name", "hostIP"}, {"items"}]

    trio.run(helper.run, test)
    assert not os.path.exists(helper.path)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"\n", "INVALID"), (b"{\n", "INVALID"), (b"[]\n", "INVALID"), (b'{"op":"Name","x":1}\n', "INVALID"),
        (b"\xff\xfe\n", "INVALID"), ({"op": "Exec", "args": {}}, "UNSUPPORTED"), ({"args": {}}, "UNSUPPORTED"),
        ({"op": "CreateLocalIfc", "args": {**A, "name": "eth0"}}, "INVALID"), ({"op": "Name", "args": [1]}, "INVALID"),
    ],
)  # fmt: skip
def test_a_wrong_request_costs_nothing_but_its_answer(tmp_path, request_, code):
    helper = Helper(tmp_path)

    async def test():
        wrong, right = await helper.ask(request_, {"op": "Name"})
        assert wrong["error"]["code"] == code and wrong["error"]["message"]
        assert right["result"]["name"] == "memory"

    trio.run(helper.run, test)
    assert not helper.fabric.local


def test_a_request_without_end_is_refused_and_its_connection_ended(tmp_path):
    helper = Helper(tmp_path)

    async def test():
        async with await trio.open_unix_socket(helper.path) as stream:
            answer = await exchange(stream, b"x" * (LONGEST_REQUEST + 1))
            assert answer["error"]["code"] == "LIMIT"
            assert not await line_of(stream)

    trio.run(helper.run, test)


def test_another_user_is_refused(tmp_path):
    helper = Helper(tmp_path, allowed={os.geteuid() + 1})

    async def test():
        async with await trio.open_unix_socket(helper.path) as stream:
            answer = loads(await line_of(stream))
        assert answer["error"]["message"].startswith(f"user {os.geteuid()} may not use this socket")
        assert not helper.fabric.calls

    trio.run(helper.run, test)
    assert any(b"refused" in line and f"uid={os.geteuid()}".encode() in line for line in helper.lines)


def test_silent_and_slow_clients_hold_up_nobody(tmp_path):
    helper = Helper(tmp_path)

    async def test():
        silent = [await trio.open_unix_socket(helper.path) for _ in range(CLIENTS - 2)]
        for stream in silent:
            await stream.send_all(b'{"op":')
        deaf = await trio.open_unix_socket(helper.path)
        with trio.move_on_after(0.2):  # it reads no answer: its own requests stop being taken
            while True:
                await deaf.send_all(b'{"op":"Name"}\n' * 100)
        assert (await helper.ask({"op": "Name"}))[0]["result"]
        one_more = [await trio.open_unix_socket(helper.path) for _ in range(2)]
        said = loads(await line_of(one_more[1]))
        assert said["error"] == {"code": "LIMIT", "message": f"{CLIENTS} clients are connected already"}
        for stream in (*silent, deaf, *one_more):
            await trio.aclose_forcefully(stream)

    trio.run(helper.run, test)


def test_a_client_that_does_not_end_its_request_is_given_up(tmp_path):
    helper = Helper(tmp_path, patience_s=0.01)

    async def test():
        async with await trio.open_unix_socket(helper.path) as stream:
            await stream.send_all(b'{"op":')
            assert not await line_of(stream)

    trio.run(helper.run, test)


def test_an_unexpected_error_costs_its_request(tmp_path):
    helper = Helper(tmp_path)
    helper.fabric.list_local = lambda: 1 / 0

    async def test():
        broken, right = await helper.ask({"op": "ListLocalIfcs"}, {"op": "Name"})
        assert broken["error"]["code"] == "INTERNAL" and right["result"]

    trio.run(helper.run, test)
    assert any(b"ZeroDivisionError" in line for line in helper.lines)


def test_an_error_of_the_back_end_is_the_answer(tmp_path):
    helper = Helper(tmp_path)

    def fails():
        raise FabricError("UNAVAILABLE", "no default route")

    helper.fabric.host_ip = fails

    async def test():
        assert await helper.ask({"op": "Name"}) == [{"error": {"code": "UNAVAILABLE", "message": "no default route"}}]

    trio.run(helper.run, test)


def test_a_stale_socket_is_replaced_and_another_file_is_not(tmp_path):
    helper = Helper(tmp_path)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(helper.path)

    async def test():
        assert stat.S_IMODE(os.stat(helper.path).st_mode) == 0o666
        assert (await helper.ask({"op": "Name"}))[0]["result"]

    trio.run(helper.run, test)
    (tmp_path / "fabric.sock").write_text("not a socket")
    with pytest.raises(BaseExceptionGroup) as refused:
        trio.run(helper.run, test)
    assert refused.group_contains(ConfigError, match="exists and is not a socket")


def test_a_worker_ends_what_it_began():
    worker, ended = Worker(), []

    async def test():
        begun, go = trio.Event(), []
        token = trio.lowlevel.current_trio_token()

        def work():
            token.run_sync_soon(begun.set)
            while not go:
                pass
            ended.append(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.run, work)
            await begun.wait()
            nursery.cancel_scope.cancel()
        go.append(1)
        assert await worker.run(lambda: list(ended)) == [1]
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 / 0)

    trio.run(test)
    worker.close()
