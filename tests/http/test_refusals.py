"""Refusals: every one is counted, and a flood of them is a line a second for each reason."""

from __future__ import annotations

import json
from typing import Any

import trio
from trio.testing import MockClock

from edged.http.messages import Peer, Request, Response
from edged.http.refusals import Refusals
from edged.telemetry.logs import Logger, LogStyle
from edged.telemetry.metrics import MetricRegistry


def refusals_and_lines() -> tuple[Refusals, list[dict[str, Any]]]:
    lines: list[dict[str, Any]] = []
    return Refusals(Logger(LogStyle("json"), write=lambda line: lines.append(json.loads(line)))), lines


def test_a_flood_is_a_line_a_second_for_each_reason_and_says_what_it_left_out():
    refusals, lines = refusals_and_lines()

    async def main() -> None:
        for second in range(3):
            for number in range(100):
                refusals.note("413", peer=f"10.0.0.{number}")
                refusals.note("evicted", during="handshake")
                await trio.sleep(0.00999)
            assert len(lines) == 2 * (second + 1)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert refusals.counts == {"413": 300, "evicted": 300}
    first, _, later, _ = lines[:4]
    assert (first["msg"], first["level"], first["reason"], first["peer"]) == ("refused", "warning", "413", "10.0.0.0")
    assert "suppressed" not in first
    assert later["suppressed"] >= 99
    told = sum(1 + line.get("suppressed", 0) for line in lines if line["reason"] == "413")
    assert told + 99 >= 300, "what is kept back at the end is told later"


def test_what_was_kept_back_is_told_when_nothing_follows():
    refusals, lines = refusals_and_lines()

    async def main() -> None:
        for number in range(5):
            refusals.note("415", peer=f"10.0.0.{number}")
        refusals.say_kept_back()
        assert len(lines) == 1 and refusals.keeps_back
        await trio.sleep(1)
        refusals.say_kept_back()
        refusals.say_kept_back()
        assert not refusals.keeps_back

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert [(line["peer"], line.get("suppressed")) for line in lines] == [("10.0.0.0", None), ("10.0.0.4", 3)]


def test_answers_of_a_handler_count_from_400_on():
    refusals, lines = refusals_and_lines()
    answers = iter([200, 415, 422, 429, 500, 503, 399, 404])

    async def handler(request: Request) -> Response:
        return Response(next(answers))

    async def main() -> None:
        counted = refusals.counting(handler)
        for _ in range(8):
            await counted(Request("POST", b"/validate/p%20q", "1.1", [], b"", True, Peer("192.0.2.1")))

    trio.run(main)
    assert refusals.counts == {str(status): 1 for status in (415, 422, 429, 500, 503, 404)}
    assert {(line["peer"], line["path"]) for line in lines} == {("192.0.2.1", "/validate/p q")}


def test_the_metric():
    refusals, _ = refusals_and_lines()
    metrics = MetricRegistry()
    refusals.measure(metrics)

    async def main() -> None:
        refusals.note("handshake_timeout")
        refusals.note("handshake_timeout")

    trio.run(main)
    assert b'edged_refusals_total{reason="handshake_timeout"} 2\n' in metrics.render()
