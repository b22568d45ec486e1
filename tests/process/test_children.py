"""Exchanges with child processes: bounded in time and size, no child left behind, and its last words as the reason."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from edged.process import children
from edged.process.children import Child, ChildFailed, ChildTooSlow, Ended
from edged.process.files import in_memory
from tests.programs import ends_soon

PATIENT_S = 60.0


def program(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def run(code: str, **options: Any) -> Ended:
    async def main() -> Ended:
        return await children.run(program(code), **{"within_s": PATIENT_S, **options})

    return trio.run(main)


def with_child(main: Callable[[Child], Awaitable[None]], **options: Any) -> None:
    async def whole() -> None:
        child = Child("tests.process.echo_child", **options)
        try:
            await main(child)
        finally:
            await child.aclose()
            assert child.process is None

    trio.run(whole)


def is_running(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


# --- once


def test_what_goes_in_and_comes_out() -> None:
    ended = run("import sys; print(sys.stdin.read().upper())", stdin=b"abc")
    assert (ended.code, ended.output, ended.errors) == (0, b"ABC\n", b"")


def test_a_failure_has_its_last_words() -> None:
    assert run("raise SystemExit('one\\ntwo')").reason == "two"
    assert run("raise SystemExit(7)").reason == "exit code 7"


def test_much_input_that_nobody_reads() -> None:
    assert run("pass", stdin=b"x" * (4 << 20)).code == 0


def test_the_end_of_much_chatter_is_kept() -> None:
    ended = run("import sys; sys.stderr.write('x' * 1000000 + '\\nthe end\\n')")
    assert ended.reason == "the end" and len(ended.errors) == children.ERROR_BYTES


def test_too_much_output() -> None:
    with pytest.raises(ChildFailed, match="more than 1000 bytes"):
        run("while True: print('x' * 100)", most_bytes=1000)


def test_too_slow() -> None:
    with pytest.raises(ChildTooSlow, match=r"within 0\.2 s"):
        run("import time; time.sleep(1000)", within_s=0.2)


def test_a_child_of_the_program_does_not_keep_it_waiting() -> None:
    """It holds stderr open, as a daemon does that closed only its standard output."""
    code = "import os, time; child = os.fork(); child or os.close(1) or time.sleep(600); print(child)"
    ended = run(code)

    assert ended.code == 0
    assert ends_soon(int(ended.output))


def test_what_the_program_started_is_killed_with_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    forks = "import os, time; child = os.fork(); child or time.sleep(600)"
    code = f"{forks}; open({str(pid)!r}, 'w').write(str(child)); print('xxx', flush=True); time.sleep(600)"
    with pytest.raises(ChildTooSlow):
        run(code, within_s=3.0)
    assert ends_soon(int(pid.read_text()))
    with pytest.raises(ChildFailed, match="more than 2 bytes"):
        run(code, most_bytes=2)
    assert ends_soon(int(pid.read_text()))


@pytest.mark.parametrize(
    "command", [["a\0b"], ["cat", "\0"], ["cat", "\ud800"], [""], ["x" * 5000], ["cat", "x" * (1 << 24)]]
)
def test_commands_that_cannot_be_started(command: list[str]) -> None:
    async def main() -> None:
        await children.run(command, within_s=PATIENT_S)

    with pytest.raises(ChildFailed):
        trio.run(main)


@pytest.mark.parametrize("environment", [{"a=b": "c"}, {"A": "\0"}, {"\0": ""}, {"A": "\ud800"}])
def test_environments_that_cannot_be_given(environment: dict[str, str]) -> None:
    with pytest.raises(ChildFailed):
        run("pass", environment=environment)


def test_no_such_program() -> None:
    async def main() -> None:
        with pytest.raises(ChildFailed, match="No such file"):
            await children.run(["/nowhere/at/all"], within_s=1.0)

    trio.run(main)


def pour(code: str, take: Callable[[bytes], Awaitable[None]], source: bytes = b"", within_s: float = 30.0) -> Ended:
    async def main() -> Ended:
        with in_memory(source) as path, open(path, "rb") as file:
            return await children.pour(program(code), file.fileno(), take, within_s=within_s, environment={"A": "b"})

    return trio.run(main)


def test_large_output_goes_on_piece_by_piece() -> None:
    """As fast as it is taken: the program waits meanwhile."""
    pieces = []

    async def take(data: bytes) -> None:
        await trio.sleep(0.01)
        pieces.append(data)

    code = "import os, sys; d = sys.stdin.buffer.read(); os.write(2, b'x\\ny'); sys.stdout.buffer.write(d * 5)"
    ended = pour(f"{code}; sys.exit(7)", take, b"z" * 1_000_000)
    assert b"".join(pieces) == b"z" * 5_000_000 and max(map(len, pieces)) < 1_200_000
    assert (ended.code, ended.reason) == (7, "y")
    pour("import os; print(dict(os.environ))", take)
    assert b"'A': 'b'" in pieces[-1] and b"HOME" not in pieces[-1]


def test_who_takes_no_more_ends_it() -> None:
    async def full(data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        pour("while True: print('x' * 1000)", full)

    async def take(data: bytes) -> None: ...

    with pytest.raises(ChildTooSlow):
        pour("while True: print('x' * 1000)", take, within_s=1.0)


def test_a_cancelled_one_is_killed(tmp_path: Any) -> None:
    path = tmp_path / "pid"
    code = f"import os, time; open({str(path)!r}, 'w').write(str(os.getpid())); time.sleep(1000)"

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: children.run(program(code), within_s=PATIENT_S))
                while not (path.exists() and path.read_text()):
                    await trio.sleep(0.01)
                scope.cancel()
        assert not is_running(int(path.read_text()))

    trio.run(main)


# --- line by line


def test_one_process_answers_many_questions() -> None:
    async def main(child: Child) -> None:
        answers = [await child.ask({"n": n}, within_s=PATIENT_S) for n in range(20)]
        assert [answer["echo"]["n"] for answer in answers] == list(range(20))
        assert len({answer["pid"] for answer in answers}) == 1
        long = "x" * 500_000
        assert (await child.ask({"long": long}, within_s=PATIENT_S))["echo"]["long"] == long

    with_child(main)


def test_one_that_fails_says_why_and_is_replaced() -> None:
    async def main(child: Child) -> None:
        with pytest.raises(ChildFailed, match="ValueError: odd"):
            await child.ask({"fail": "odd"}, within_s=PATIENT_S)
        assert child.process is None
        first = await child.ask({}, within_s=PATIENT_S)
        assert child.process is not None
        child.process.kill()
        await child.process.wait()
        assert (await child.ask({}, within_s=PATIENT_S))["pid"] != first["pid"]

    with_child(main)


def test_one_that_is_too_slow_is_ended() -> None:
    async def main(child: Child) -> None:
        pid = (await child.ask({}, within_s=PATIENT_S))["pid"]
        with pytest.raises(ChildTooSlow, match=r"no answer within 0\.2 s"):
            await child.ask({"sleep": 1000}, within_s=0.2)
        assert not is_running(pid)
        assert (await child.ask({}, within_s=PATIENT_S))["echo"] == {}

    with_child(main)


def test_one_that_is_given_up_is_ended() -> None:
    async def main(child: Child) -> None:
        pid = (await child.ask({}, within_s=PATIENT_S))["pid"]
        with trio.move_on_after(0.2):
            await child.ask({"sleep": 1000}, within_s=PATIENT_S)
        assert child.process is None and not is_running(pid)

    with_child(main)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"raw": "no json\n"}, "is no JSON"),
        ({"raw": "[1]\n"}, "no JSON object"),
        ({"raw": "{}\n{}\n" + " " * 100 + "\n"}, "more than one line"),
        ({"raw": "x" * 4000}, "more than 2000 bytes"),
    ],
)
def test_answers_that_are_none(question: dict[str, Any], message: str) -> None:
    async def main(child: Child) -> None:
        with pytest.raises(ChildFailed, match=message):
            await child.ask(question, within_s=PATIENT_S)
        assert child.process is None

    with_child(main, most_bytes=2000)


def test_a_question_that_json_cannot_hold() -> None:
    async def main(child: Child) -> None:
        deep: dict[str, Any] = {}
        for _ in range(300):
            deep = {"deeper": deep}
        with pytest.raises(ChildFailed, match="cannot be written as JSON"):
            await child.ask(deep, within_s=PATIENT_S)

    with_child(main)


def test_chatter_beside_the_answers_does_not_stop_them() -> None:
    async def main(child: Child) -> None:
        for _ in range(5):
            await child.ask({"chatter": 20_000}, within_s=PATIENT_S)

    with_child(main)
