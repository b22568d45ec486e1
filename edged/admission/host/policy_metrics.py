"""Metrics of policies: Kubewarden's names and labels, and edged's own. No I/O.

An observer of admission/host/admission.py; telemetry/metrics.py keeps the series. An attribute that Kubewarden leaves
out is an empty label here; queries see no difference. The number of series is bounded: namespaces and kinds
come from requests. Buckets times namespaces would be most of a small daemon's memory and of a scrape, so histograms
have no namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edged.admission.host.observers import Evaluation
from edged.admission.host.policy import Group, Policy
from edged.telemetry.metrics import MAX_SERIES, MILLISECONDS, Distribution, MetricRegistry, Value, label

EVALUATION_LABELS = (
    "policy_name", "policy_mode", "resource_kind", "resource_request_operation", "accepted", "mutated",
    "request_origin", "error_code", "resource_namespace", "initialization_error",
)  # fmt: skip
LATENCY_LABELS = EVALUATION_LABELS[:-2]
POLICY_LABELS = ("name", "policy_server", "module", "mutating", "namespace", "failure_policy", "policy_status")
MAX_DISTRIBUTIONS = 500
ERROR_CHARACTERS = 160
_Series = tuple[Value, Distribution, Distribution, Value]


class PolicyMetrics:
    """The metrics of all policies. `policies` gives those of the moment, `server` the PolicyServer that they are of."""

    def __init__(
        self, metrics: MetricRegistry, policies: Callable[[], Iterable[Policy | Group]] = tuple, server: str = "default"
    ) -> None:
        self._total = metrics.counter(
            "kubewarden_policy_evaluations_total", "Policy evaluations.", EVALUATION_LABELS)  # fmt: skip
        self._latency = metrics.histogram(
            "kubewarden_policy_evaluation_latency_milliseconds", "Time of evaluations in milliseconds.",
            LATENCY_LABELS, MILLISECONDS, max_series=MAX_DISTRIBUTIONS)  # fmt: skip
        self._duration = metrics.histogram(
            "edged_policy_evaluation_duration_seconds", "Time of policy evaluations in seconds.",
            ("policy_name",), max_series=MAX_DISTRIBUTIONS)  # fmt: skip
        self._decisions = metrics.counter(
            "edged_policy_decisions_total",
            "What policies themselves said: accepted, mutated, rejected, timeout, error.",
            ("policy_name", "verdict", "request_origin"))  # fmt: skip
        self._policies = metrics.gauge("kubewarden_policy_total", "Policies that are served.", POLICY_LABELS)
        self._series: dict[tuple[object, ...], _Series] = {}
        self._list = policies
        self._server = server
        metrics.collectors.append(self._collect)

    def evaluated(self, evaluation: Evaluation) -> None:
        """Count one evaluation, as the policy itself answered it."""
        request, own, policy = evaluation.request, evaluation.own, evaluation.policy
        about = ("", "", "", "") if request.raw else (
            request.kind, request.text("operation"), evaluation.origin, request.text("namespace"),
        )  # fmt: skip
        code = (own.status or {}).get("code")
        key = (policy.name, policy.config.mode, own.allowed, bool(own.patch), code, evaluation.verdict, *about)
        total, latency, duration, decisions = self._series.get(key) or self._find(key, evaluation.origin)
        total.value += 1
        latency.observe(evaluation.seconds * 1000)
        duration.observe(evaluation.seconds)
        decisions.value += 1

    def _find(self, key: tuple[object, ...], origin: str) -> _Series:
        name, mode, accepted, mutated, code, verdict, kind, operation, shown_origin, namespace = map(label, key)
        labels = (name, mode, kind, operation, accepted, mutated, shown_origin, code)
        series = (
            self._total.series(*labels, namespace, ""),
            self._latency.series(*labels),
            self._duration.series(name),
            self._decisions.series(name, verdict, origin),
        )
        if len(self._series) >= MAX_SERIES:
            self._series.clear()
        self._series[key] = series
        return series

    def loaded(self, policies: Iterable[Policy | Group]) -> None:
        """A new set of policies: those that cannot answer are counted with their reason."""
        for policy in policies:
            if policy.error is not None and not policy.is_loading:
                nothing = [""] * (len(EVALUATION_LABELS) - 2)
                self._total.inc(policy.name, *nothing, policy.error[:ERROR_CHARACTERS])

    def _collect(self) -> None:
        self._policies.clear()
        for policy in self._list():
            config, origin = policy.config, policy.config.origin
            self._policies.set(
                1, policy.name, self._server, getattr(config, "module", ""),
                label(bool(getattr(config, "allowed_to_mutate", False))), origin.namespace if origin else "",
                config.failure_policy, "pending" if policy.error else "active",
            )  # fmt: skip
