"""The status socket: both sides over a real Unix socket."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from edged.cli import status_client
from edged.cli.status_client import ask
from edged.errors import ConfigError, PeerError
from edged.process import status_socket as status
from edged.telemetry.logs import Logger, LogStyle
from tests.hostile_values import hostile_bytes, texts


async def echo(request: dict[str, Any], tell: status.Tell) -> dict[str, Any]:
    return {"node": "edge-1", "asked": request}


async def broken(request: dict[str, Any], tell: status.Tell) -> dict[str, Any]:
    raise ValueError("a bug")


async def refusing(request: dict[str, Any], tell: status.Tell) -> dict[str, Any]:
    raise PeerError("not now")


OPERATIONS: dict[str, status.Operation] = {
    "status": echo,
    "broken": broken,
    "refusing": refusing,
}


def with_server(
    path: Path,
    body: Callable[[str], Awaitable[None]],
    more: dict[str, status.Operation] | None = None,
) -> list[str]:
    """Runs `body` beside a server; gives back what the server logged."""
    lines: list[str] = []
    log = Logger(LogStyle(level="debug"), write=lambda line: lines.append(line.decode()))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(status.serve, str(path), OPERATIONS | (more or {}), log)
            await body(str(path))
            nursery.cancel_scope.cancel()

    trio.run(main)
    return lines


async def in_thread(path: str, operation: str, **arguments: Any) -> dict[str, Any]:
    return await trio.to_thread.run_sync(lambda: ask(path, operation, **arguments))


def test_a_request_and_its_answer(tmp_path: Path) -> None:
    async def body(path: str) -> None:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        answer = await in_thread(path, "status", pod="default/p")
        assert answer == {"node": "edge-1", "asked": {"operation": "status", "pod": "default/p"}}

    with_server(tmp_path / "s", body)
    assert list(tmp_path.iterdir()) == []


def test_failures_stay_with_their_request(tmp_path: Path) -> None:
    async def body(path: str) -> None:
        for operation, message in (
            ("refusing", "not now"),
            ("broken", "a bug"),
            ("none", "unknown operation"),
        ):
            with pytest.raises(PeerError, match=message):
                await in_thread(path, operation)
        assert (await in_thread(path, "status"))["node"] == "edge-1"

    lines = with_server(tmp_path / "s", body)
    assert any("unit=operation name=broken" in line for line in lines)


@pytest.mark.parametrize("request_line", [b"", b"\n", b"[]\n", b"{", b"x" * 70_000, b'{"operation": []}\n'])
def test_nonsense_gets_an_error(tmp_path: Path, request_line: bytes) -> None:
    async def body(path: str) -> None:
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(request_line)
            await stream.send_eof()
            assert (await stream.receive_some()).startswith(b'{"error":')

    with_server(tmp_path / "s", body)


def test_whatever_is_asked_the_next_one_is_answered(tmp_path: Path) -> None:
    asked = {"operation": "status", "pod": "default/p"}
    questions = [*(text for _, text in hostile_bytes(asked)), *(text for _, text in texts(asked, Random(1), each=20))]

    async def body(path: str) -> None:
        for question in questions:
            async with await trio.open_unix_socket(path) as stream:
                with contextlib.suppress(trio.BrokenResourceError):  # it was longer than is read
                    await stream.send_all(question[:200_000] + b"\n")
                    await stream.send_eof()
                    assert (await stream.receive_some()).startswith((b'{"error":', b'{"result":')), question
        assert (await in_thread(path, "status"))["node"] == "edge-1"

    lines = with_server(tmp_path / "s", body)
    assert not any("internal error" in line for line in lines)


def test_an_answer_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else than edged may listen there."""
    monkeypatch.setattr(status_client, "_LINE_BYTES", 1 << 20)
    path, sent = str(tmp_path / "s"), 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal sent
        with contextlib.suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"x" * 65536)
                sent += 65536

    async def main() -> None:
        listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        await listening.bind(path)
        listening.listen()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, serve, [trio.SocketListener(listening)])
            with pytest.raises(PeerError, match="a line of more than"):
                await in_thread(path, "status")
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert sent < 8 << 20


def test_a_client_that_hangs_up(tmp_path: Path) -> None:
    async def body(path: str) -> None:
        for _ in range(3):
            stream = await trio.open_unix_socket(path)
            await stream.send_all(b'{"operation": "status"}\n')
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            await stream.aclose()
        assert (await in_thread(path, "status"))["node"] == "edge-1"

    with_server(tmp_path / "s", body)


def test_a_long_operation_tells_of_progress_and_ends_when_the_client_hangs_up(tmp_path: Path) -> None:
    ended: list[int] = []

    async def count(request: dict[str, Any], send: status.Tell) -> dict[str, Any]:
        try:
            for number in range(request["to"]):
                await send({"at": number})
            if request["to"] > 2:
                await trio.sleep_forever()
            return {"done": True}
        finally:
            ended.append(request["to"])

    async def lines_of(path: str, to: int, number: int) -> list[bytes]:
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(b'{"operation": "count", "to": %d}\n' % to)
            received = b""
            while received.count(b"\n") < number:
                received += await stream.receive_some()
            return received.splitlines()

    async def body(path: str) -> None:
        assert await lines_of(path, 2, 3) == [
            b'{"progress":{"at":0}}', b'{"progress":{"at":1}}', b'{"result":{"done":true}}',
        ]  # fmt: skip
        assert len(await lines_of(path, 3, 3)) == 3
        with trio.fail_after(10):
            while ended != [2, 3]:
                await trio.lowlevel.checkpoint()
        assert (await in_thread(path, "status"))["node"] == "edge-1"

    assert with_server(tmp_path / "s", body, {"count": count}) == []


def test_failures_of_long_operations_stay_with_their_request(tmp_path: Path) -> None:
    async def refuse(request: dict[str, Any], send: status.Tell) -> dict[str, Any]:
        raise PeerError("not now")

    async def fail(request: dict[str, Any], send: status.Tell) -> dict[str, Any]:
        raise ValueError("a bug")

    async def body(path: str) -> None:
        for operation, message in (("refuse", "not now"), ("fail", "a bug")):
            with pytest.raises(PeerError, match=message):
                await in_thread(path, operation)
        assert (await in_thread(path, "status"))["node"] == "edge-1"

    lines = with_server(tmp_path / "s", body, {"refuse": refuse, "fail": fail})
    assert len(lines) == 1 and "unit=operation name=fail" in lines[0]


def test_a_stale_socket_is_replaced_and_a_live_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))

    async def body(path: str) -> None:
        with pytest.raises(ConfigError, match=rf"edged runs already, as pid {os.getpid()}"):
            await status.serve(path, OPERATIONS, Logger(LogStyle()))
        assert (await in_thread(path, "status"))["node"] == "edge-1"

    with_server(path, body)


def test_a_file_in_the_way_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="is not a socket"):
        trio.run(status.serve, str(path), OPERATIONS, Logger(LogStyle()))
    assert path.read_text() == "precious"


def test_no_directory_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[node\] socket: .*No such file"):
        trio.run(status.serve, str(tmp_path / "none" / "s"), OPERATIONS, Logger(LogStyle()))


def test_memory_is_read() -> None:
    memory = status.memory_kib()
    assert 5_000 < memory["rss"] <= memory["peak_rss"]
    assert 0 < memory["pss"] <= memory["rss"] + 1024
