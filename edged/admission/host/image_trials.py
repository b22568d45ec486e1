"""Takes images of waPC policies, and tries whether reviews that begin from one end as they do without.

Everything that a guest is asked here is of our own making, and of the host it gets nothing but its settings: calls that
would read the cluster or a registry fail. So nothing of a request, and nothing that was read for one, is in an image.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from os import urandom
from random import Random
from time import monotonic_ns, perf_counter, time_ns

import trio

from edged.abi.wapc import HostCallError, WapcCall, WapcFailure
from edged.admission.host import wapc_policy
from edged.admission.host.policy import Policy
from edged.admission.rules.capabilities import PATHS
from edged.errors import GuestError
from edged.records import dataclass
from edged.wasm import images
from edged.wasm.account import Budget
from edged.wasm.errors import BadModule, GuestBudget, GuestMemory, GuestTimeout, GuestTrap
from edged.wasm.images import Image
from edged.wasm.instance import Instance, Template
from edged.wasm.output import Output
from edged.wasm.wasi import Wasi

PATIENCE_S = 60.0  # for one trial: everybody else goes first
LEAST_SAVING = 0.05
"""Of a review's CPU time. Putting an image into an instance costs some itself."""
CLEAR_SAVING = 0.5
"""Where an image saves so much, no other one is tried."""
COST_TRIES, COST_S = 9, 0.1  # to measure what one answer costs: so often, or until so much time is spent
_HOUR_NS, _STEP_NS = 3_600_000_000_000, 1_000_000


class NoImage(Exception):
    """The policy's reviews start fresh: why."""


class NoNeed(NoImage):
    """And nothing would be gained: the user wants it so, or all the time goes into the answer itself."""


class NotNow(Exception):
    """The trials did not come to an end: why."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How far an image goes: what was done before it was taken."""

    name: str
    settings: bool
    review: bool


DEPTHS = (
    Depth("its first review", settings=True, review=True),
    Depth("its settings", settings=True, review=False),
    Depth("its start", settings=False, review=False),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """All that the host sees of a guest that is asked, as digests: there is no end to what a guest can say."""

    reply: bytes
    error: bytes
    said: bytes
    """Its host calls and what it logged, in order."""
    output: bytes


def _failure(error: GuestError) -> str:
    """In words of ours: the guest's own may tell of its settings."""
    if isinstance(error, GuestTrap):
        return f"it traps: {error.kind}"
    return "it reports an error" if isinstance(error, WapcFailure) else f"it fails: {type(error).__name__}"


class Trial:
    """The host of one instance: watches what it draws, reads and asks for."""

    def __init__(self, clock: Clock, random: Callable[[int], bytes], began: tuple[int, int]) -> None:
        """`began`: real and monotonic time of when the trials began."""
        self.drew_random = self.read_clock = False
        self.is_plain = clock == PLAIN
        self.asked = ""  # the first host call that was refused
        self._said = hashlib.blake2b()
        self._output = Output()
        self._clock, self._random, self._began = replace(clock), random, began
        self.call = WapcCall(self._dispatch, lambda text: self._note(text.encode()))
        self.wasi = Wasi(
            output=self._output, realtime_ns=self._realtime, monotonic_ns=self._monotonic, random=self._draw
        )

    def forget(self) -> None:
        """What came until now was of the initialisation."""
        self._said = hashlib.blake2b()
        self._output.take()

    def answer(self, reply: bytes, error: str = "") -> Answer:
        return Answer(_digest(reply), _digest(error.encode()), self._said.digest(), _digest(self._output.take()))

    def _note(self, *parts: bytes) -> None:
        self._said.update(b"%d" % len(parts))
        for part in parts:
            self._said.update(b" %d " % len(part))
            self._said.update(part)

    def _realtime(self) -> int:
        self.read_clock = True
        return self._began[0] + self._clock.now()

    def _monotonic(self) -> int:
        self.read_clock = True
        return max(0, self._began[1] + self._clock.now())

    def _draw(self, length: int) -> bytes:
        self.drew_random = True
        return self._random(length)

    def _dispatch(self, binding: str, namespace: str, operation: str, payload: bytes) -> bytes:
        self._note(binding.encode(), namespace.encode(), operation.encode(), payload)
        if (binding, namespace, operation) == ("kubewarden", "tracing", "log"):
            return b""
        called = f"{namespace}/{operation}"
        self.asked = self.asked or (called if called in PATHS else "the host")
        raise HostCallError("not available before the first review")


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content).digest()


@dataclass(slots=True)
class Clock:
    """What the time is to a guest: nanoseconds before (-) or after the trials began, more with each time it is read."""

    offset: int
    step: int

    def now(self) -> int:
        self.offset += self.step
        return self.offset


PLAIN = Clock(_HOUR_NS, _STEP_NS)  # reviews come after the image
CLOCKS = {
    "is a day ahead": Clock(24 * _HOUR_NS, _STEP_NS),
    "stands still": Clock(_STEP_NS, 0),
    "runs backwards": Clock(0, -_STEP_NS),
}


def seeded(seed: int) -> Callable[[int], bytes]:
    """Random bytes that depend on their number alone: it does not matter how many were drawn before."""
    return lambda length: Random(seed * 1_000_003 + length).randbytes(length)


class Trials:
    """One policy's, from the first to the choice of an image. `questions`: payloads of `validate`, the first one for
    the image."""

    def __init__(self, policy: Policy, template: Template, questions: Sequence[bytes], *, always: bool) -> None:
        """`always`: random bytes that are the same in every review are what the user wants."""
        self._template = template
        self._settings = policy.settings
        self._questions = questions
        self._always = always
        self._budget: Budget = replace(policy.budget, background=True)
        self._began = time_ns(), monotonic_ns()

    async def image(self) -> Image:
        """The image to begin reviews from. Raises NoImage, NoNeed, NotNow."""
        reason, exposed = self._template.module.image_support
        if reason:
            raise NoImage(reason)
        fresh, again = await self._answers(None, PLAIN, 1), await self._answers(None, PLAIN, 2)
        if fresh != again and not self._always:
            raise NoImage("two fresh instances answer the same request differently")
        expected = fresh if fresh == again else None
        fresh_s = await self._cost(None)
        found: list[tuple[float, Image]] = []
        reasons = []
        for depth in DEPTHS:
            try:
                image, read_clock = await self._take(depth, exposed)
                if expected is not None:
                    await self._compare(image, expected, read_clock=read_clock)
            except NoImage as error:
                reasons.append(f"{error} (image after {depth.name})")
                continue
            found.append((await self._cost(image), image))
            if found[-1][0] < CLEAR_SAVING * fresh_s:
                break
        if not found:
            raise NoImage(reasons[0])
        spent_s, best = min(found, key=lambda each: each[0])
        if spent_s > (1 - LEAST_SAVING) * fresh_s and not self._always:
            saving = f"no image saves CPU time: {spent_s * 1000:.2f} ms with the best, {fresh_s * 1000:.2f} ms fresh"
            raise (NoImage if reasons else NoNeed)("; ".join([saving, *reasons]))
        return best

    async def _compare(self, image: Image, fresh: list[Answer], *, read_clock: bool) -> None:
        """Raises NoImage where any question is answered in another way than by a fresh instance."""
        if await self._answers(image, PLAIN, 1) != fresh:
            raise NoImage("its answers would be others")
        for name, clock in (CLOCKS if read_clock else {}).items():
            if await self._answers(image, clock, 1) != await self._answers(None, clock, 1):
                raise NoImage(f"its answers would be others with a clock that {name}")

    async def _cost(self, image: Image | None) -> float:
        """Seconds of CPU for the first question: the least of some tries, since everything else only adds to it."""
        least, total = math.inf, 0.0
        for _ in range(COST_TRIES):
            _, spent_s = await self._answer(self._trial(PLAIN, seeded(1)), image, self._questions[0])
            least, total = min(least, spent_s), total + spent_s
            if total > COST_S:
                break
        return least

    async def _answers(self, image: Image | None, clock: Clock, seed: int) -> list[Answer]:
        answers = []
        for question in self._questions:
            answers.append((await self._answer(self._trial(clock, seeded(seed)), image, question))[0])
            await trio.lowlevel.checkpoint()
        return answers

    async def _answer(self, trial: Trial, image: Image | None, question: bytes) -> tuple[Answer, float]:
        instance = None
        spent_s = 0.0
        try:
            instance = await self._instance(trial)
            if image is not None:
                begun = perf_counter()
                await wapc_policy.begin(instance, image)
                spent_s = perf_counter() - begun
            else:
                for export in filter(instance.has, wapc_policy.STARTS):
                    await instance.start(export)
                    spent_s += instance.cpu_s
            trial.forget()
            reply = await wapc_policy.ask(instance, trial.call, b"validate", question)
            return trial.answer(reply), spent_s + instance.cpu_s
        except (GuestTimeout, GuestMemory) as error:  # on a busy machine, perhaps
            raise NotNow(str(error)) from error
        except GuestError as error:
            if isinstance(error, GuestBudget) and trial.is_plain:  # elsewhere it may wait for a time that never comes
                raise NotNow(str(error)) from error
            return trial.answer(b"", f"{type(error).__name__}: {error}"), spent_s
        finally:
            if instance is not None:
                instance.close()

    async def _take(self, depth: Depth, exposed: Sequence[str]) -> tuple[Image, bool]:
        """(an image, whether the clock was read before it was taken). Raises NoImage, NotNow."""
        trial = self._trial(Clock(0, 1000), urandom)
        instance = fresh = None
        try:
            instance = await self._instance(trial)
            await wapc_policy.begin(instance, None)
            if depth.settings:
                await wapc_policy.ask(instance, trial.call, b"validate_settings", self._settings)
            if depth.review:
                await wapc_policy.ask(instance, trial.call, b"validate", self._questions[0])
            if trial.asked:
                raise NoImage(f"it calls {trial.asked}")
            if trial.drew_random and not self._always:
                raise NoImage('it draws random bytes, which would be the same in every review (preinitialize = "always"'
                              " allows that)")
            fresh = await self._instance(self._trial(Clock(0, 1000), urandom))
            return await _image(instance, fresh, exposed), trial.read_clock
        except (GuestTimeout, GuestBudget, GuestMemory) as error:
            raise NotNow(str(error)) from error
        except GuestError as error:
            raise NoImage(_failure(error)) from error
        finally:
            for each in (instance, fresh):
                if each is not None:
                    each.close()

    def _trial(self, clock: Clock, random: Callable[[int], bytes]) -> Trial:
        return Trial(clock, random, self._began)

    async def _instance(self, trial: Trial) -> Instance:
        return await self._template.instantiate(
            trial.call, self._budget, trial.wasi, trio.current_time() + PATIENCE_S
        )


async def _image(initialised: Instance, fresh: Instance, exposed: Sequence[str]) -> Image:
    """Raises NoImage, GuestMemory."""
    try:
        return await images.take(initialised, fresh, exposed)
    except BadModule as error:
        raise NoImage(str(error)) from error
