"""The process's health as metrics: what it is, what is in force, and what it last heard of the API server.

Everything is read when somebody asks, from edged/daemon/health.py. config/alerts.yaml has rules for these metrics.
"""

from __future__ import annotations

import platform
from collections import Counter
from typing import get_args

from edged import __version__
from edged.daemon.health import DaemonHealth
from edged.daemon.protection import SUBJECTS, Facts, Protection, State, judge
from edged.kube.control.comparison import Result
from edged.telemetry.metrics import MetricRegistry
from edged.wasm.bindings import WASMTIME_VERSION


def health_metrics(metrics: MetricRegistry, health: DaemonHealth) -> None:
    """Adds them to a registry."""
    build = metrics.gauge("edged_build_info", "Versions: always 1.", ["version", "python", "wasmtime"])
    build.set(1, __version__, platform.python_version(), WASMTIME_VERSION)
    for add in (_protection_metrics, _registration_metrics, _reload_metrics, _contact_metrics, _watch_metrics):
        add(metrics, health)


def _protection_metrics(metrics: MetricRegistry, health: DaemonHealth) -> None:
    ready = metrics.gauge("edged_ready", "Whether /readyz answers 200.")
    policies = metrics.gauge("edged_policies", "Policies and groups, by what becomes of requests to them.", ["state"])
    problems = metrics.gauge("edged_problems", "Problems as `edged status --check` lists them.", ["subject"])
    scheduling = metrics.gauge("edged_scheduler_active", "Whether this process schedules: it leads and sees all Nodes.")
    certificates = metrics.gauge(
        "edged_certificate_expiration_timestamp_seconds", "When a certificate expires, Unix seconds.", ["certificate"]
    )

    def collect() -> None:
        facts = health.facts()
        protection = judge(facts)
        ready.set(int(health.is_ready()))
        states = Counter(policy.state for policy in protection.policies)
        for state in get_args(State) if facts.registration is not None else ():
            policies.set(states[state], state)
        for subject, count in _problems(protection).items():
            problems.set(count, subject)
        if facts.scheduler is not None:
            scheduling.set(int(_is_scheduling(facts)))
        certificates.clear()
        for certificate in facts.certificates:
            certificates.set(certificate.ends, certificate.use)

    metrics.collectors.append(collect)


def _problems(protection: Protection) -> dict[str, int]:
    counts = Counter(problem.subject for problem in protection.problems)
    return {subject: counts[subject] for subject in SUBJECTS}


def _is_scheduling(facts: Facts) -> bool:
    scheduler = facts.scheduler
    return scheduler is not None and scheduler.runs and scheduler.leads and scheduler.synced


def _registration_metrics(metrics: MetricRegistry, health: DaemonHealth) -> None:
    registered = metrics.gauge("edged_registered", "Whether the policies are registered as they should be.", ["mode"])
    told = metrics.gauge(
        "edged_registration_last_success_timestamp_seconds",
        "When the registration was last written or found to be right, Unix seconds.",
    )

    def collect() -> None:
        registration = health.registration
        if registration is None or registration.mode == "none":
            return
        state = registration.state
        is_good = state.phase == "registered" and not state.waiting and not state.message
        registered.set(int(is_good), registration.mode)
        if registration.told_at is not None:
            told.set(registration.told_at)

    metrics.collectors.append(collect)


def _reload_metrics(metrics: MetricRegistry, health: DaemonHealth) -> None:
    reloads = metrics.counter("edged_config_reloads_total", "Reloads of the configuration.", ["result"])
    good = metrics.gauge("edged_config_last_reload_successful", "Whether the last reload was applied.")
    read_at = metrics.gauge(
        "edged_config_last_reload_success_timestamp_seconds", "When the configuration in force was read, Unix seconds."
    )

    def collect() -> None:
        reload = health.reload
        reloads.series("applied").value = reload.count
        reloads.series("refused").value = reload.refused
        good.set(int(not reload.error))
        read_at.set(reload.succeeded_at)

    metrics.collectors.append(collect)


def _contact_metrics(metrics: MetricRegistry, health: DaemonHealth) -> None:
    reachable = metrics.gauge("edged_api_server_reachable", "Whether the last request to the API server was answered.")
    heard_at = metrics.gauge(
        "edged_api_server_last_contact_timestamp_seconds", "When the API server last answered, Unix seconds."
    )

    def collect() -> None:
        contact = health.contact
        if contact.is_tried:
            reachable.set(int(not contact.failure))
        if contact.heard_at is not None:
            heard_at.set(contact.heard_at)

    metrics.collectors.append(collect)


def _watch_metrics(metrics: MetricRegistry, health: DaemonHealth) -> None:
    age = metrics.gauge(
        "edged_watch_age_seconds", "How old what is known of a resource may be: since the last proof.", ["resource"]
    )
    comparisons = metrics.counter(
        "edged_watch_comparisons_total", "Comparisons of what is known with the API server's lists.", ["result"]
    )

    def collect() -> None:
        age.clear()
        for resource, age_s in health.ages().items():
            age.set(age_s, resource)
        for result in get_args(Result):
            comparisons.series(result).value = health.comparisons[result]

    metrics.collectors.append(collect)
