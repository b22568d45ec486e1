"""Rules for faults: `VERBS RESOURCES FAULT [OPTION=VALUE ...]`, such as `update,patch leases 409 chance=0.2`. Pure.

Which requests a rule hits depends on the seed and on the requests that it matches, in their order, and on nothing else:
the same test sees the same faults again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from edged.errors import ConfigError
from edged.sandbox.protocol.api_status import ApiStatus

READS: Final = ("get", "list", "watch")
WRITES: Final = ("create", "update", "patch", "delete", "deletecollection")
_GROUPS: Final = {"*": (*READS, *WRITES), "read": READS, "write": WRITES}
_CODES: Final = {
    409: ("Conflict", "the object has been modified; please apply your changes to the latest version and try again"),
    410: ("Expired", "The resourceVersion for the provided watch is too old."),
    429: ("TooManyRequests", "The request was throttled, please try again later."),
    500: ("InternalError", "Internal error occurred: a fault was asked for"),
    502: ("", "Bad Gateway"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "Timeout: request did not complete within requested timeout"),
}
_ENDS: Final = ("drop", "drop-after", "end")
FORM: Final = "VERBS RESOURCES FAULT [OPTION=VALUE ...]"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as rules see it. `resource` as in `pods`, `deployments.apps/scale`, or a path that is no resource's."""

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a request: `delay_s` first. Then `code` (0: none) in place of an answer, or `end`. "drop": the
    connection ends before the request is carried out; "drop-after": after it; "end": a watch ends in order, as
    when its time is over. `events`: a watch gets so many events before that."""

    delay_s: float = 0.0
    code: int = 0
    end: str = ""
    events: int | None = None
    retry_after_s: int | None = None

    def status(self) -> ApiStatus:
        """The refusal with that code."""
        reason, message = _CODES[self.code]
        details = {} if self.retry_after_s is None else {"retryAfterSeconds": self.retry_after_s}
        headers = [] if self.retry_after_s is None else [("Retry-After", str(self.retry_after_s))]
        return ApiStatus(self.code, reason, message, details or None, headers=headers)


@dataclass(slots=True)
class Rule:
    """`after` matching requests pass first, then of each `every` one is hit, with `chance`, `times` at most."""

    text: str
    verbs: tuple[str, ...]
    resources: tuple[str, ...]
    fault: Fault
    namespace: str = "*"
    name: str = "*"
    agent: str = "*"
    chance: float = 1.0
    after: int = 0
    every: int = 1
    times: int | None = None
    _random: random.Random = field(default_factory=random.Random)
    _seen: int = 0
    _hit: int = 0

    def seed(self, seed: str) -> None:
        self._random = random.Random(seed)

    def hits(self, asked: Asked) -> bool:
        """Whether this request is hit. Counts it if it matches."""
        if not self._matches(asked):
            return False
        self._seen += 1
        # Drawn for each matching request, so that what one rule's options change does not change later draws.
        drawn = self._random.random()
        due = self._seen > self.after and (self._seen - self.after - 1) % self.every == 0
        if not due or drawn >= self.chance or (self.times is not None and self._hit >= self.times):
            return False
        self._hit += 1
        return True

    def _matches(self, asked: Asked) -> bool:
        return (
            asked.verb in self.verbs
            and any(fnmatchcase(asked.resource, pattern) for pattern in self.resources)
            and fnmatchcase(asked.namespace, self.namespace)
            and fnmatchcase(asked.name, self.name)
            and fnmatchcase(asked.agent, self.agent)
        )


class Faults:
    """All rules; a request is hit by the first of them that applies."""

    def __init__(self, rules: Sequence[Rule], seed: int) -> None:
        self._rules = list(rules)
        for number, rule in enumerate(self._rules):
            rule.seed(f"{seed}/{number}/{rule.text}")

    def of(self, asked: Asked) -> Fault | None:
        # Every rule counts every request that it matches, whatever the others say.
        hit = [rule.fault for rule in self._rules if rule.hits(asked)]
        return hit[0] if hit else None


def parse(texts: Iterable[str]) -> list[Rule]:
    """Rules from their texts. Raises ConfigError that has the rule and says what is wrong about it."""
    return [_rule(" ".join(text.split())) for text in texts]


def lines(content: str) -> list[str]:
    """The rules of a file: one in a line, `#` begins a comment."""
    found = (line.partition("#")[0].strip() for line in content.splitlines())
    return [line for line in found if line]


def _rule(text: str) -> Rule:
    words = text.split(" ")
    if len(words) < 3:
        raise ConfigError(f"fault {text!r}: a rule is {FORM}, such as 'update leases 409 chance=0.1'")
    fault = _fault(text, words[2])
    rule = Rule(text, _verbs(text, words[0]), tuple(words[1].split(",")), fault)
    for word in words[3:]:
        name, equals, value = word.partition("=")
        option = _OPTIONS.get(name)
        if option is None or not equals:
            raise ConfigError(f"fault {text!r}: {word!r} is no option; there are {', '.join(_OPTIONS)}")
        try:
            option(rule, value)
        except ValueError as error:
            raise ConfigError(f"fault {text!r}: {word}: {error}") from None
    if (rule.fault.events is not None or rule.fault.end == "end") and rule.verbs != ("watch",):
        raise ConfigError(f"fault {text!r}: only watches have events and an end; the verb must be watch")
    return rule


def _verbs(text: str, word: str) -> tuple[str, ...]:
    verbs: list[str] = []
    for each in word.split(","):
        if each not in _GROUPS and each not in _GROUPS["*"]:
            known = ", ".join((*_GROUPS, *_GROUPS["*"]))
            raise ConfigError(f"fault {text!r}: {each!r} is no verb; there are {known}")
        verbs += _GROUPS.get(each, (each,))
    return tuple(verbs)


def _fault(text: str, word: str) -> Fault:
    if word in _ENDS:
        return Fault(end=word)
    if word.startswith("delay="):
        try:
            return Fault(delay_s=_duration(word.removeprefix("delay=")))
        except ValueError as error:
            raise ConfigError(f"fault {text!r}: {word}: {error}") from None
    if word.isdecimal() and int(word) in _CODES:
        return Fault(code=int(word))
    known = ", ".join(("delay=TIME", *_ENDS, *map(str, _CODES)))
    raise ConfigError(f"fault {text!r}: {word!r} is no fault; there are {known}")


def _duration(value: str) -> float:
    """`200ms`, `1.5s` -> seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", value)
    if match is None or float(match[1]) > 3_600_000:
        raise ValueError("must be a time such as 200ms or 1.5s")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def _whole(value: str, least: int) -> int:
    if not value.isdecimal() or not least <= int(value) <= 1_000_000_000:
        raise ValueError(f"must be a whole number from {least} on")
    return int(value)


def _chance(value: str) -> float:
    number = float(value)
    if not 0 <= number <= 1:
        raise ValueError("must be between 0 and 1")
    return number


def _changed(rule: Rule, **values: object) -> None:
    now = {name: getattr(rule.fault, name) for name in Fault.__dataclass_fields__}
    rule.fault = Fault(**{**now, **values})


_OPTIONS: Final[dict[str, Callable[[Rule, str], None]]] = {
    "chance": lambda rule, value: setattr(rule, "chance", _chance(value)),
    "after": lambda rule, value: setattr(rule, "after", _whole(value, 0)),
    "every": lambda rule, value: setattr(rule, "every", _whole(value, 1)),
    "times": lambda rule, value: setattr(rule, "times", _whole(value, 1)),
    "namespace": lambda rule, value: setattr(rule, "namespace", value),
    "name": lambda rule, value: setattr(rule, "name", value),
    "agent": lambda rule, value: setattr(rule, "agent", value),
    "delay": lambda rule, value: _changed(rule, delay_s=_duration(value)),
    "events": lambda rule, value: _changed(rule, events=_whole(value, 0)),
    "retry-after": lambda rule, value: _changed(rule, retry_after_s=_whole(value, 0)),
}
