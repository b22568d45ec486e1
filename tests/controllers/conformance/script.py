"""The conformance script: steps of script.json, played with a guest through the host's own import table.

`Actor` stands for the host behind the imports: it expects what the step says, in that order, and answers as it says.
Clocks and random bytes are the step's `values`.
What a guest asks is also read by the parsers that the host reads it with.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edged.controllers.core import admits, codes, declarations, manifest, requests, results, writes
from edged.controllers.run.guest import ControllerModule, Guest, Reply, controller_template
from edged.errors import GuestError
from edged.telemetry.logs import Logger
from edged.wasm.account import Budget
from edged.wasm.compile import Compiler
from edged.wasm.engine import Engine
from edged.wasm.errors import GuestExit, GuestTrap

SCRIPT = Path(__file__).with_name("script.json")
NO_INPUT = ("edged_ctl_snapshot", "edged_ctl_stop")
SECONDS = 60.0
BUDGET = Budget(memory_mib=16, cpu_s=20.0)

PARSERS: dict[str, Callable[[bytes], object]] = {
    "get": requests.get_request,
    "list": requests.list_request,
    "write": writes.write_request,
    "watch_open": lambda data: declarations.declaration_of(json.loads(data), "watch_open"),
    "watch_close": requests.close_request,
    "enqueue": lambda data: requests.enqueue_request(data, ""),
    "event": requests.event_request,
    "metric": requests.metric_request,
    "ext": requests.ext_request,
}
"""What the host reads a request with; raises Refused where it is not as it should be."""

Step = dict[str, Any]
MakeGuest = Callable[["Actor"], Awaitable[Guest]]


def steps(path: Path = SCRIPT) -> list[Step]:
    """Of a script, with its large texts written out."""
    found: list[Step] = expanded(json.loads(path.read_text()))
    return found


def expanded(value: Any) -> Any:
    """`{"$repeat": [text, n]}` is that text n times."""
    if isinstance(value, list):
        return [expanded(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "$repeat" in value:
        text, times = value["$repeat"]
        return text * times
    return {name: expanded(each) for name, each in value.items()}


def encoded(value: object) -> bytes:
    """As the host writes JSON: UTF-8, without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Actor:
    """A `Desk` (edged/controllers/run/imports.py) that knows its part. What a guest does beside it is in `mistakes`."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []
        self._values = {"now_ms": 1, "mono_ms": 1, "random": 0}  # runtimes ask, too, at any time
        self._expected: list[dict[str, Any]] = []
        self._lines_are_free = False

    @contextmanager
    def playing(self, step: Step) -> Iterator[None]:
        """Expects the imports of a step, all of them."""
        self._values.update(step.get("values", {}))
        self._expected = list(step.get("imports", ()))
        self._lines_are_free = step.get("lines") == "free"
        yield
        for left in self._expected:
            self.mistakes.append(f"{left['import']} was not called: {short(left)}")

    def answer(self, name: str, data: bytes) -> bytes:
        expected = self._next(name, data)
        if expected is None:
            raise codes.Refused(codes.Code.INTERNAL, f"the script has no {name} here")
        try:
            request = json.loads(data)
        except ValueError as error:
            self.mistakes.append(f"{name}: the request is no JSON ({error}): {data[:300]!r}")
            raise codes.Refused(codes.Code.INVALID, f"{name}: no JSON") from error
        _fill(name, request)
        if request != expected["request"]:
            self.mistakes.append(f"{name}: asked {short(request)} instead of {short(expected['request'])}")
        PARSERS[name](data)
        if refused := expected.get("refused"):
            raise Scripted(refused)
        return encoded(expected["answer"]) if "answer" in expected else b""

    async def answer_later(self, name: str, data: bytes) -> bytes:
        return self.answer(name, data)

    def wall_ms(self) -> int:
        return self._values["now_ms"]

    def monotonic_ms(self) -> int:
        return self._values["mono_ms"]

    def random(self, length: int) -> bytes:
        return self._values["random"].to_bytes(4, "big").ljust(length, b"\0")[:length]

    def line(self, level: str, text: bytes) -> None:
        if self._lines_are_free:
            return
        expected = self._next("log", text)
        if expected and (level, text.decode()) != (expected["level"], expected["text"]):
            self.mistakes.append(f"log: {level} {text.decode()!r} instead of {expected}")

    def _next(self, name: str, data: bytes) -> dict[str, Any] | None:
        if not self._expected or self._expected[0]["import"] != name:
            self.mistakes.append(f"{name} was called out of turn: {data[:300]!r}")
            return None
        return self._expected.pop(0)


def _fill(name: str, request: dict[str, Any]) -> None:
    """What means the same, written in one way: an SDK may leave out what it need not say."""
    if name == "event":
        request.setdefault("type", "Normal")
    if name == "metric" and request.get("labels") == {}:
        del request["labels"]


class Scripted(codes.Refused):
    """A refusal with the latch of the script, byte by byte."""

    def __init__(self, refused: dict[str, Any]) -> None:
        super().__init__(codes.Code(refused["code"]), refused["message"])
        self._latch = encoded(refused)

    def latch(self) -> bytes:
        return self._latch


def short(value: object) -> str:
    text = encoded(value).decode()
    return text if len(text) < 400 else f"{text[:200]} ... {text[-200:]}"


async def maker(engine: Engine, wasm: Path, cache: Path) -> MakeGuest:
    """What makes instances of the module, with an actor for their host and the memory that controllers have."""
    compiled = await Compiler(engine, cache).load(wasm)
    module = ControllerModule(controller_template(engine, compiled))

    async def fresh(actor: Actor) -> Guest:
        return await module.guest(wasm.stem, actor, BUDGET, Logger(), _no_output)

    return fresh


def _no_output(text: bytes) -> None:
    """Runtimes write their last words to stderr when they trap."""


async def play(make_guest: MakeGuest, script: list[Step]) -> list[str]:
    """What a guest did otherwise than the script; empty if it passes. `make_guest` gives a new instance."""
    actor, guest, wrong = Actor(), None, []
    for number, step in enumerate(script, 1):
        if step.get("fresh"):
            if guest is not None:
                guest.close()
            guest = await make_guest(actor)
        assert guest is not None, "the script begins with a new instance"
        actor.mistakes = []
        with actor.playing(step):
            await _step(guest, step, actor)
        wrong += [f"step {number}, {step['about']}: {mistake}" for mistake in actor.mistakes]
    assert guest is not None
    guest.close()
    return wrong


async def _step(guest: Guest, step: Step, actor: Actor) -> None:
    given = step["inputText"].encode() if "inputText" in step else encoded(step.get("input"))
    export = step["export"]
    try:
        reply = await guest.call(export, None if export in NO_INPUT else given, SECONDS)
    except (GuestTrap, GuestExit) as error:
        if not step["expect"].get("trap"):
            actor.mistakes.append(f"it trapped: {error}")
        return
    except GuestError as error:
        actor.mistakes.append(f"{type(error).__name__}: {error}")
        return
    actor.mistakes += list(_differences(export, reply, step["expect"]))


def _differences(export: str, reply: Reply, expect: dict[str, Any]) -> Iterator[str]:
    if expect.get("trap"):
        yield f"it answered {reply} instead of trapping"
        return
    try:
        body = json.loads(reply.body) if reply.body else None
    except ValueError as error:
        yield f"its answer is no JSON ({error}): {reply.body[:300]!r}"
        return
    if (int(reply.code), body) != (expect["code"], expect.get("body")):
        yield f"it answered {reply.code} {short(body)} instead of {short(expect)}"
    if export == "edged_ctl_reconcile":
        results.result_of(reply.code, reply.body)
    elif export == "edged_ctl_setup" and reply.body:
        manifest.manifest_of(reply.body)
    elif export == "edged_ctl_admit":
        admits.verdict_of(reply.body)
