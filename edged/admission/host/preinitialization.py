"""Gives policies images to begin their reviews from (wasm/images.py), in the background and one at a time.

A policy answers from the moment on at which it is loaded; its reviews start fresh until there is an image. What an
image may be, and whether it pays, is decided by image_trials.py. A new one is made every day and after each start, so
that what a guest made of the moment in which it was initialised does not grow old.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import trio

from edged.admission.host.evaluation import REGO_MODES, question
from edged.admission.host.image_trials import NoImage, NoNeed, NotNow, Trials
from edged.admission.host.observers import Evaluation
from edged.admission.host.policy import Beginning, Group, Policy, guests_of
from edged.admission.rules import synthetic_requests
from edged.errors import GuestError
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger
from edged.wasm.images import Image
from edged.wasm.module import Module

RENEWED_S = 86400.0
AGAIN_S = 600.0
"""Where the trials did not come to an end, or failed unexpectedly."""
MOST_HELD = 64 << 20
"""Bytes of all policies' images: anybody who may write a custom resource may have some."""
OFF = 'preinitialize = "never"'
COMMAND = "a WASI command begins at its start each time"
REGO = "of a Rego policy only long settings are kept parsed (docs/rego.md)"


class Preinitialization:
    """An observer of admission: it is told of each new set of policies."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._policies: list[Policy] = []
        self._changed = trio.Event()
        self._present: tuple[Beginning, trio.CancelScope] | None = None  # which is tried now

    def evaluated(self, evaluation: Evaluation) -> None:
        """Nothing is learned from requests."""

    def loaded(self, policies: Iterable[Policy | Group]) -> None:
        """Images of policies that are gone go with them, and nobody waits for the trials of one. A policy that was
        loaded anew and is what it was keeps its image: a reload for another one's sake costs it nothing."""
        former = {policy.name: policy for policy in self._policies}
        self._policies = [guest for policy in policies for guest in guests_of(policy)]
        for policy in self._policies:
            before = former.get(policy.name)
            if before is not None and _begins_alike(policy, before):
                policy.beginning = before.beginning
        if self._present is not None and all(each.beginning is not self._present[0] for each in self._policies):
            self._present[1].cancel()
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            policy = next((each for each in self._policies if due_at(each) <= trio.current_time()), None)
            if policy is not None:
                await self._prepare(policy)
                continue
            self._changed = trio.Event()
            with trio.move_on_at(min(map(due_at, self._policies), default=math.inf)):
                await self._changed.wait()

    async def _prepare(self, policy: Policy) -> None:
        beginning = policy.beginning
        beginning.due_at = trio.current_time() + RENEWED_S
        with boundary(self._log, "preinitialization", policy.name) as unit, trio.CancelScope() as scope:
            self._present = beginning, scope
            try:
                image = await image_of(policy)
                self._check_room(beginning, image)
            except NoImage as error:
                beginning.image, beginning.reason = None, str(error)
                beginning.is_loss = not isinstance(error, NoNeed)
                self._log.debug("policy starts fresh", policy=policy.name, reason=str(error))
            except (NotNow, GuestError) as error:  # what there is stays
                beginning.reason, beginning.is_loss = str(error), True
                self._again(beginning)
            else:
                beginning.image, beginning.reason, beginning.pause_s = image, "", 0.0
                self._log.info("policy preinitialized", policy=policy.name, image_kib=image.held_bytes >> 10)
        self._present = None
        if unit.error is not None:
            self._again(beginning)

    def _check_room(self, beginning: Beginning, image: Image) -> None:
        """Raises NoImage where all images together would take too much."""
        held = sum(each.image.held_bytes for each in {policy.beginning for policy in self._policies} - {beginning}
                   if each.image is not None)
        if held + image.held_bytes > MOST_HELD:
            raise NoImage(f"all images together would take more than {MOST_HELD >> 20} MiB")

    def _again(self, beginning: Beginning) -> None:
        """Later, and ever more rarely: the trials cost as much as some reviews."""
        beginning.pause_s = min(max(AGAIN_S, 2 * beginning.pause_s), RENEWED_S)
        beginning.due_at = trio.current_time() + beginning.pause_s


def _begins_alike(policy: Policy, other: Policy) -> bool:
    """Whether what an image of one is made of is the same for the other."""
    return (
        policy.error is None
        and policy.template is other.template
        and policy.settings == other.settings
        and policy.budget == other.budget
        and policy.config.preinitialize == other.config.preinitialize
        and policy.rules == other.rules
    )


def due_at(policy: Policy) -> float:
    """When an image is to be made, on trio's clock; never for a policy that is not loaded."""
    return math.inf if policy.error is not None or policy.template is None else policy.beginning.due_at


def reason_against_image(mode: str, module: Module) -> str:
    """Why no policy of this execution mode with this module gets an image, "" where one may."""
    if mode == "wasi":
        return COMMAND
    return REGO if mode in REGO_MODES else module.image_support[0]


async def image_of(policy: Policy) -> Image:
    """The image from which this policy's reviews are to begin. Raises NoImage, NoNeed, NotNow, GuestError."""
    assert policy.template is not None
    mode = policy.metadata.execution_mode
    if policy.config.preinitialize == "never":
        raise NoNeed(OFF)
    if reason := reason_against_image(mode, policy.template.module):
        raise (NoNeed if mode in REGO_MODES else NoImage)(reason)
    asked = synthetic_requests.requests(policy.rules, raw=policy.metadata.policy_type == "raw")
    questions = [b"".join(question(policy, request)) for request in asked]
    return await Trials(policy, policy.template, questions, always=policy.config.preinitialize == "always").image()
