"""Whether the cluster is protected: what is known of a running daemon -> one sentence, and a list of problems. Pure.

edged/daemon/health.py collects the facts; `edged status`, `/readyz?verbose` and the metrics show what comes out here.
Every word is about this moment as far as edged knows it. What it cannot know, such as what an API server that does not
answer does, is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Literal, NamedTuple

from edged.kube.values.names import holder_name
from edged.records import dataclass

State = Literal["in_force", "answers", "outdated", "failing", "refusing", "unconfirmed", "not_enforced", "unregistered"]
"""Of one policy:

in_force      the API server asks it, and it answers
answers       it answers; with register = "none" nobody knows whether the API server asks it
outdated      the API server asks it, and an earlier version of it answers
failing       the API server asks it, and its last reviews ended in an error or a timeout
refusing      it cannot answer, or nobody reaches it: every request that it is for is denied
unconfirmed   it answers, and edged does not know whether the API server asks it
not_enforced  the API server does not ask it, or nothing comes of its answer: requests pass
unregistered  it is not to be registered: rules = [], or a policy for requests of other programs
"""
Rules = Literal["some", "none", "missing", "unknown"]
"""What a policy is registered for. none: that is wanted; missing: nobody says; unknown: its module cannot be read."""
Subject = Literal[
    "policies", "registration", "api-server", "custom-resources", "objects", "certificate", "reload", "scheduler",
    "controllers",
]
SUBJECTS: tuple[Subject, ...] = (
    "policies", "registration", "api-server", "custom-resources", "objects", "certificate", "reload", "scheduler",
    "controllers",
)  # fmt: skip
FAILURES = 3
"""So many reviews in a row that end in an error or a timeout are no accident."""
PHRASES = 3
"""Problems that the sentence names; the others it counts."""
PHRASE_CHARACTERS = 160
STALE_S = 150.0
DAY_S = 86400.0
NEAR_S = 14 * DAY_S
NEAR_SHARE = 0.1
"""A certificate is near its end in its last 14 days, or in the last tenth of a shorter life."""
IN_FORCE: frozenset[State] = frozenset({"in_force", "outdated"})


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """`object`: the custom resource that it comes from, "" for one of the configuration file. `served`: whether it
    answers under its name. `error`: why it, or its present version where an `earlier` one answers, cannot answer.
    `ignored`: its failurePolicy is Ignore. `waits`: that will be tried again. `why`: what else keeps it from being
    asked. `failures`: reviews in a row that failed, and the last one's reason."""

    name: str
    object: str = ""
    monitor: bool = False
    ignored: bool = False
    served: bool = True
    rules: Rules = "some"
    error: str = ""
    earlier: bool = False
    waits: bool = False
    why: str = ""
    failures: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class RegistrationFacts:
    """As admission/endpoint/registration.py has it. `waiting`: policies that are written and not known to be asked, and
    why. `told`: the API server was told of a set of policies by this process; `current`: of the last one. `settles_s`:
    seconds until it has surely noticed, at most."""

    mode: str
    phase: str = "pending"
    message: str = ""
    policies: frozenset[str] = frozenset()
    problems: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[str, str] = field(default_factory=dict)
    told: bool = False
    current: bool = False
    settles_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """`use` is its name in metrics, `name` that for a person. `owned`: edged renews it by itself. `error`: why another
    one is not in use."""

    use: Literal["serving", "client"]
    name: str
    begins: float
    ends: float
    owned: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class SchedulerFacts:
    """`error`: why none runs, or why the next one could not be built. `holder` of the Lease; "" without leader election
    or while nobody holds it. `problem`: why it cannot see Pods or Nodes, or cannot ask for its Lease."""

    runs: bool
    leads: bool = True
    holder: str = ""
    synced: bool = True
    profiles: tuple[str, ...] = ()
    error: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ControllerFacts:
    """`state` as controllers/run has it. `error`: why the module cannot be loaded or set up. `quarantined`: keys at
    which it failed so often by itself that they are tried seldom. `last_error`: of a reconcile."""

    name: str
    state: str
    error: str = ""
    last_error: str = ""
    quarantined: Sequence[str] = ()

    @property
    def works(self) -> bool:
        return not self.error and self.state in ("running", "standby")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at one moment. `registration` None: no [admission]. `scheduler` None: no [scheduler]. `contact`:
    why the API server does not answer, "" where it does or was not asked. `kubeconfig`: why the one that is needed
    cannot be used; `has_server`: whether an earlier one is in use. `listener`: why the admission listener does not
    complete a TLS handshake, "" where it does. `ages`: resource -> how many seconds old what is known of it may be."""

    now: float
    serving: bool = True
    starting: str = ""
    """How far a start is that loads policies."""
    listener: str = ""
    policies: Sequence[PolicyFacts] = ()
    registration: RegistrationFacts | None = None
    scheduler: SchedulerFacts | None = None
    controllers: Sequence[ControllerFacts] = ()
    certificates: Sequence[CertificateFacts] = ()
    resources_problem: str = ""
    unreadable: Mapping[str, Unreadable] = field(default_factory=dict)
    """By resource."""
    contact: str = ""
    ages: Mapping[str, float] = field(default_factory=dict)
    kubeconfig: str = ""
    has_server: bool = True
    reload_error: str = ""
    configured_at: str = ""
    """When the configuration in force was read."""


class Unreadable(NamedTuple):
    """Objects of the cluster that edged cannot read: how many, and one of them with the reason."""

    number: int
    first: str


@dataclass(frozen=True, slots=True)
class Problem:
    """`text` says what is wrong and where, `next_step` what mends it. `phrase`: the same in the sentence; "": not
    there, because another problem says it."""

    subject: Subject
    text: str
    next_step: str
    phrase: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """One policy. `why` is "" where nothing is wrong."""

    name: str
    state: State
    monitor: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Protection:
    """`sentence` answers "am I protected?". Without `problems` everything that is configured is in force."""

    sentence: str
    problems: tuple[Problem, ...]
    policies: tuple[Judged, ...]

    def about(self, subject: Subject) -> str:
        """The problems of one subject in one line; "" where there are none."""
        return "; ".join(problem.text for problem in self.problems if problem.subject == subject)


NOT_SERVING = Problem(
    "policies", "edged is starting or stopping and does not serve", "wait a moment; `journalctl -u edged` tells more"
)


def judge(facts: Facts) -> Protection:
    """What there is to say."""
    registration = facts.registration
    judged = (_judged(policy, registration, facts.listener) for policy in facts.policies) if registration else ()
    policies = tuple(judged)
    waits = replace(NOT_SERVING, text=facts.starting) if facts.starting else NOT_SERVING
    problems = tuple(_problems(facts, policies)) if facts.serving else (waits,)
    parts = [waits.text] if not facts.serving else [*_head(facts, policies), *_phrases(problems)]
    sentence = "; ".join(part for part in parts if part)
    end = "" if sentence.endswith("…") else "."
    return Protection(f"{sentence[:1].upper()}{sentence[1:]}{end}", problems, policies)


# --- policies
def _judged(policy: PolicyFacts, registration: RegistrationFacts, listener: str) -> Judged:
    state, why = _state(policy, registration)
    if listener and state not in ("not_enforced", "unregistered"):
        state = "not_enforced" if policy.monitor or policy.ignored else "refusing"
        why = policy.error if policy.error and not policy.earlier else listener
    return Judged(policy.name, state, policy.monitor, why)


def _state(policy: PolicyFacts, registration: RegistrationFacts) -> tuple[State, str]:
    is_called = None if policy.rules == "none" else _is_called(policy.name, registration)
    if not policy.served:
        is_called = False
    if is_called is False:
        return "not_enforced", _why_not_called(policy, registration)
    if policy.error and not policy.earlier:
        return ("not_enforced" if policy.monitor else "refusing"), policy.error
    if policy.rules == "none":
        return "unregistered", ""
    if policy.failures >= FAILURES:
        return "failing", f"the last {policy.failures} reviews failed: {policy.failure}"
    if is_called is None:
        why = policy.error or registration.waiting.get(policy.name, "")
        return ("answers", "") if registration.mode == "none" else ("unconfirmed", why)
    return ("outdated", policy.error or policy.why) if policy.error or policy.why else ("in_force", "")


def _is_called(name: str, registration: RegistrationFacts) -> bool | None:
    """Whether the API server asks the policy; None: edged does not know."""
    if registration.mode == "none" or not registration.told or registration.phase in ("refused", "contested"):
        return None
    return None if name in registration.waiting else name in registration.policies


def _why_not_called(policy: PolicyFacts, registration: RegistrationFacts) -> str:
    if policy.error:
        return policy.error
    if policy.rules == "missing":
        return "neither the configuration nor the module says which requests it is for (`rules`)"
    return registration.problems.get(policy.name) or policy.why or "the API server has not been told of it yet"


_WORDS: Mapping[State, str] = {
    "not_enforced": "not enforced",
    "refusing": "denies every request that it is asked about",
    "failing": "denies requests because it fails",
    "outdated": "an earlier version is in force",
}


def _policy_problems(facts: Facts, policies: Iterable[Judged]) -> Iterable[Problem]:
    for policy, judged in zip(facts.policies, policies, strict=True):
        words = _WORDS.get(judged.state)
        if words is None or (facts.listener and judged.why == facts.listener):
            continue  # nothing is wrong, or _listener_problems says it once for all
        if judged.state == "failing" and judged.monitor:
            words = "checks nothing because it fails"
        text = f"{judged.name}: {words}: {judged.why}"
        yield Problem("policies", text, _mend_policy(policy, judged), f"`{judged.name}`: {words}, {judged.why}")


def _mend_policy(policy: PolicyFacts, judged: Judged) -> str:
    if judged.state == "failing":
        return f"`edged reviews {policy.name}` shows what it is asked, `edged policy run` asks it by hand"
    if policy.object:
        return f"correct {policy.object}, or what it names; edged tries again by itself"
    if policy.waits:
        return "edged tries again by itself; `edged module pull` fetches a module by hand"
    return "correct the cause, test with `edged check`, then `systemctl reload edged`"


# --- everything else
def _problems(facts: Facts, policies: Sequence[Judged]) -> Iterable[Problem]:
    yield from _listener_problems(facts)
    yield from _policy_problems(facts, policies)
    yield from _contact_problems(facts)
    if facts.registration is not None:
        yield from _registration_problems(facts.registration, phrased=not (facts.contact or not facts.has_server))
    if facts.resources_problem and not facts.contact:
        text = f"policies of custom resources cannot be read: {facts.resources_problem}"
        yield Problem("custom-resources", text, "edged tries again by itself; `edged doctor` checks its rights", text)
    yield from _object_problems(facts.unreadable)
    for certificate in facts.certificates:
        yield from _certificate_problems(certificate, facts.now)
    if facts.reload_error:
        kept = f"the configuration of {facts.configured_at} stays in force"
        phrase = f"the last reload was refused, {kept}"
        next_step = "correct the file, test with `edged check`, then `systemctl reload edged`"
        yield Problem("reload", f"{phrase}: {facts.reload_error}", next_step, phrase)
    if facts.scheduler is not None:
        yield from _scheduler_problems(facts.scheduler, phrased=not (facts.contact or not facts.has_server))
    for controller in facts.controllers:
        yield from _controller_problems(controller)


def _listener_problems(facts: Facts) -> Iterable[Problem]:
    if facts.listener:
        text = f"the admission listener does not answer: {facts.listener}"
        next_step = "`edged doctor` looks at its certificate, `journalctl -u edged` says more"
        yield Problem("policies", text, next_step, text)


def _object_problems(unreadable: Mapping[str, Unreadable]) -> Iterable[Problem]:
    for resource, (count, first) in unreadable.items():
        phrase = f"{count} object{'s' * (count > 1)} of {resource} cannot be read"
        text = f"{phrase}, and {'are' if count > 1 else 'is'} as if not there or as before: {first}"
        yield Problem("objects", text, "look at it with `kubectl get -o yaml`; correct or delete it", phrase)


def _contact_problems(facts: Facts) -> Iterable[Problem]:
    if facts.kubeconfig:
        text = f"there is no usable kubeconfig: {facts.kubeconfig}"
        if facts.has_server:
            text = f"the kubeconfig cannot be used, the one that was read before is: {facts.kubeconfig}"
        yield Problem("api-server", text, "correct it; edged looks at it every few seconds", text)
    stale = _stale(facts.ages)
    if facts.contact:
        text = "; ".join(filter(None, (f"the API server does not answer: {facts.contact}", stale)))
        yield Problem("api-server", text, "see whether it runs; edged tries again by itself", text)
    elif stale:
        yield Problem("api-server", stale, "the log says why the watch does not work; edged tries again", stale)


def _stale(ages: Mapping[str, float]) -> str:
    """Of the oldest, what a watch that works cannot be: it proves itself once a minute."""
    resource, age_s = max(ages.items(), key=lambda entry: entry[1], default=("", 0.0))
    return f"what is known of {resource} may be {age_s:.0f} s old" if age_s > STALE_S else ""


def _registration_problems(registration: RegistrationFacts, *, phrased: bool) -> Iterable[Problem]:
    """`phrased`: whether it is a thing of its own, and not the same as an API server that does not answer."""
    mode, phase, message = registration.mode, registration.phase, registration.message
    is_known = not registration.waiting and not message
    if mode == "none" or (phase == "registered" and registration.told and is_known):
        return
    if registration.told and phase == "registered":
        yield _unconfirmed(registration, phrased=phrased)
        return
    if not registration.told:
        text = "the API server has not been told of the policies yet"
    elif phase == "contested":
        text = "something keeps changing edged's webhook objects, so nobody knows what the API server asks"
    elif registration.current:
        text = "what is registered cannot be verified"
    else:
        text = "the API server has not been told of the last change"
    text = f"{text}: {message}" if message else text
    yield Problem("registration", text, _mend_registration(registration), text if phrased else "")


def _unconfirmed(registration: RegistrationFacts, *, phrased: bool) -> Problem:
    """The manifests are written; nobody knows whether the API server goes by all of them."""
    count = len(registration.waiting)
    text = f"the API server is not known to ask {_policies(count)}" if count else \
        "the API server is not known to go by the manifests"  # fmt: skip
    why = registration.message or next(iter(registration.waiting.values()))
    text = f"{text}: {why}"
    next_step = _mend_registration(registration) if registration.message else "wait a moment: it reads them by itself"
    return Problem("registration", text, next_step, text * phrased)


def _mend_registration(registration: RegistrationFacts) -> str:
    if registration.phase == "contested":
        return "`kubectl get validatingwebhookconfiguration edged -o yaml --show-managed-fields` names who changes it"
    if registration.phase == "pending":
        return "wait a moment; `journalctl -u edged` tells of the registration"
    _, key, value = registration.message.rpartition("; set [admission] ")
    if key:
        return f"set [admission] {value}, then `systemctl restart edged`"
    _, run, command = registration.message.rpartition("; run `edged ")
    if run:  # rights are missing, and the message says what gives them
        return f"run `edged {command}; edged tries again by itself"
    return "edged tries again by itself; `edged doctor` looks for the cause"


def is_near(certificate: CertificateFacts, now: float) -> bool:
    """Whether it is to be renewed soon, or has ended."""
    return certificate.ends - now < min(NEAR_S, (certificate.ends - certificate.begins) * NEAR_SHARE)


def outside(certificate: CertificateFacts, now: float) -> str:
    """Why nobody accepts the certificate at this time, or ""."""
    if now < certificate.begins:
        return f"{certificate.name} is not valid yet: is the clock of this machine right?"
    return f"{certificate.name} has expired" if now >= certificate.ends else ""


def _certificate_problems(certificate: CertificateFacts, now: float) -> Iterable[Problem]:
    name, left_s = certificate.name, certificate.ends - now
    text = outside(certificate, now)
    if text:
        yield Problem("certificate", text, "set the clock" if now < certificate.begins else _renew(certificate), text)
    elif is_near(certificate, now):
        text = f"{name} expires in {_span(left_s)}"
        yield Problem("certificate", text, _renew(certificate), text)
    if certificate.error:
        text = f"{name} stays in use, because a new one cannot be: {certificate.error}"
        yield Problem("certificate", text, "correct the files; edged looks at them every few seconds", text)


def _renew(certificate: CertificateFacts) -> str:
    if certificate.owned:
        return "edged renews it by itself: `journalctl -u edged` says why it could not"
    return "renew it; edged takes up the new file by itself"


def _scheduler_problems(scheduler: SchedulerFacts, *, phrased: bool) -> Iterable[Problem]:
    if scheduler.error:
        what = "the scheduler could not be built again" if scheduler.runs else "the scheduler does not run"
        text = f"{what}: {scheduler.error}"
        again = "edged tries again by itself"
        next_step = again if scheduler.runs else f"{again}; where the configuration is wrong, correct it and reload"
        yield Problem("scheduler", text, next_step, text)
    elif scheduler.problem:
        text = f"the scheduler is hindered: {scheduler.problem}"
        yield Problem("scheduler", text, "edged tries again by itself; `edged doctor` checks its rights", text *
        phrased)


def _controller_problems(controller: ControllerFacts) -> Iterable[Problem]:
    name, kept = controller.name, controller.quarantined
    if controller.error:
        text = f"the controller {name} does not run: {_first_line(controller.error)}"
        next_step = "edged tries again by itself; where the configuration or the module is wrong, correct it and reload"
        yield Problem("controllers", text, next_step, text)
    elif controller.state == "parked":
        text = f"the controller {name} is parked, as it fails again and again: {_first_line(controller.last_error)}"
        yield Problem("controllers", text, "edged tries again by itself; the log has its errors", text)
    elif kept:
        keys = ", ".join(kept[:PHRASES]) + (f" and {len(kept) - PHRASES} more" if len(kept) > PHRASES else "")
        phrase = f"the controller {name} fails at {len(kept)} object{'s' * (len(kept) > 1)}"
        text = f"{phrase}, which it tries seldom from now on: {keys}: {_first_line(controller.last_error)}"
        yield Problem("controllers", text, "look at these objects, and at the log for its errors", phrase)


# --- the sentence
def _head(facts: Facts, policies: Sequence[Judged]) -> list[str]:
    parts = [_policies_phrase(facts.registration, policies)] if facts.registration is not None else []
    if facts.scheduler is not None:
        parts.append(_scheduler_phrase(facts.scheduler))
    if facts.controllers:
        good = sum(controller.works for controller in facts.controllers)
        count = len(facts.controllers)
        parts.append(f"{good} of {count} controller{'s' * (count > 1)} run{'s' * (count == 1)}")
    if facts.registration is None:
        parts.append("no admission is configured" if parts else "neither [admission] nor [scheduler] is configured")
    return parts


def _policies_phrase(registration: RegistrationFacts, policies: Sequence[Judged]) -> str:
    if not policies:
        return "no policy is configured, so nothing is checked"
    counted = [policy for policy in policies if policy.state != "unregistered"]
    unregistered = len(policies) - len(counted)
    good = [policy for policy in counted if policy.state in (IN_FORCE | {"answers"})]
    parts = []
    if counted:
        known = "known to be " * any(policy.state == "unconfirmed" for policy in counted)
        word = "answer" if registration.mode == "none" else f"{known}in force"
        parts.append(f"{len(good)} of {_policies(len(counted))} {word}{_monitored(good)}")
    if unregistered:
        parts.append(f"{_policies(unregistered)} not registered, as configured")
    if counted and registration.mode == "none":
        parts.append('with register = "none" edged cannot see whether the API server asks them')
    if counted and registration.mode == "static" and registration.settles_s > 0:
        parts.append(f"the API server reads its manifests within {_span(registration.settles_s)}")
    return "; ".join(parts)


def _monitored(good: Sequence[Judged]) -> str:
    count = sum(policy.monitor for policy in good)
    if not count:
        return ""
    return ", all in monitor mode: nothing is denied" if count == len(good) else f", {count} of them in monitor mode"


def _scheduler_phrase(scheduler: SchedulerFacts) -> str:
    if not scheduler.runs:
        return ""
    if not scheduler.leads:
        return f"not scheduling: {holder_name(scheduler.holder) or 'nobody'} leads"
    if not scheduler.synced:
        return "not scheduling yet: Pods and Nodes are being read"
    return f"scheduling Pods of {', '.join(scheduler.profiles)}"


def _phrases(problems: Iterable[Problem]) -> list[str]:
    phrases = [_cut(problem.phrase) for problem in problems if problem.phrase]
    shown, more = phrases[:PHRASES], len(phrases) - PHRASES
    return [*shown, f"{more} more problem{'s' * (more > 1)}"] if more > 0 else shown


def _policies(count: int) -> str:
    return "1 policy" if count == 1 else f"{count} policies"


def _first_line(text: str) -> str:
    first, *others = text.splitlines() or [""]
    return f"{first} and {len(others)} more" if others else first


def _cut(text: str) -> str:
    """Ends with a whole word where there is one."""
    text = _first_line(text)
    if len(text) <= PHRASE_CHARACTERS:
        return text
    kept = text[: PHRASE_CHARACTERS - 1]
    return f"{kept.rpartition(' ')[0].rstrip(' ,;:') or kept}…"


def _span(seconds: float) -> str:
    for size, unit in ((DAY_S, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} seconds"
