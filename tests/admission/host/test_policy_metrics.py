"""Metrics of policies: Kubewarden's names and labels, a series per sort of answer, and an end to how many there are."""

from __future__ import annotations

from typing import Any

from edged.admission.config import PolicyConfig
from edged.admission.host.observers import Evaluation, RequestOrigin
from edged.admission.host.policy import Policy
from edged.admission.host.policy_metrics import PolicyMetrics
from edged.admission.rules.capabilities import Grants
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.admission.rules.verdict import TIMED_OUT
from edged.registry.origin import Origin
from edged.telemetry.metrics import MAX_SERIES, MetricRegistry
from edged.wasm.account import Budget
from tests.admission.host.support import request

LABELS = (
    'policy_name="p",policy_mode="protect",resource_kind="Pod",resource_request_operation="CREATE",'
    'accepted="{}",mutated="{}",request_origin="{}",error_code="{}"'
)


def policy(name: str = "p", error: str | None = None, **config: Any) -> Policy:
    settings = PolicyConfig(name=name, module="file:///m.wasm", **config)
    return Policy(settings, b"{}", Grants((), frozenset()), 2.0, Budget(), error=error)


def evaluate(
    measured: PolicyMetrics, own: AdmissionResponse, *, failure: str = "", origin: RequestOrigin = "validate",
    asked: AdmissionRequest | None = None, **fields: Any,
) -> None:  # fmt: skip
    measured.evaluated(Evaluation(policy(), asked or request(**fields), own, own, failure, origin, 0.003))


def text_of(metrics: MetricRegistry) -> str:
    return metrics.render().decode()


def test_an_evaluation_counts_under_kubewardens_names():
    registry = MetricRegistry()
    measured = PolicyMetrics(registry)
    for _ in range(2):
        evaluate(measured, AdmissionResponse("u", False, status={"code": 500}), failure="trap", namespace="ns")
    text, labels = text_of(registry), LABELS.format("false", "false", "validate", "500")
    rest = 'resource_namespace="ns",initialization_error=""'
    assert f"kubewarden_policy_evaluations_total{{{labels},{rest}}} 2\n" in text
    assert f'kubewarden_policy_evaluation_latency_milliseconds_bucket{{{labels},le="5"}} 2\n' in text
    assert 'edged_policy_evaluation_duration_seconds_count{policy_name="p"} 2\n' in text


def test_each_sort_of_answer_has_a_series():
    registry = MetricRegistry()
    measured = PolicyMetrics(registry)
    patch: list[dict[str, Any]] = [{"op": "add", "path": "/a", "value": 1}]
    evaluate(measured, AdmissionResponse("u", True))
    evaluate(measured, AdmissionResponse("u", True, patch))
    evaluate(measured, AdmissionResponse("u", False, status={"message": "no"}))
    evaluate(measured, AdmissionResponse("u", False), failure=TIMED_OUT)
    evaluate(measured, AdmissionResponse("u", False), failure="trap", origin="audit")
    text = text_of(registry)
    for word, origin in (
        ("accepted", "validate"), ("mutated", "validate"), ("rejected", "validate"), ("timeout", "validate"),
        ("error", "audit"),
    ):  # fmt: skip
        series = f'edged_policy_decisions_total{{policy_name="p",verdict="{word}",request_origin="{origin}"}} 1\n'
        assert series in text
    assert f"{{{LABELS.format('true', 'true', 'validate', '')}," in text


def test_raw_requests_have_no_resource():
    registry = MetricRegistry()
    raw = AdmissionRequest("u", {"kind": {"kind": "Pod"}, "operation": "x", "namespace": "n"}, None, raw=True)
    evaluate(PolicyMetrics(registry), AdmissionResponse("u", True), asked=raw)
    empty = 'resource_kind="",resource_request_operation="",accepted="true",mutated="false",request_origin="",'
    assert f'policy_mode="protect",{empty}error_code="",resource_namespace="",' in text_of(registry)


def test_policies_that_do_not_load_are_counted_with_their_reason():
    registry = MetricRegistry()
    PolicyMetrics(registry).loaded([policy("good"), policy("bad", "no such file: " + "x" * 999)])
    lines = [line for line in text_of(registry).splitlines() if line.startswith("kubewarden_policy_evaluations_total{")]
    assert len(lines) == 1 and 'policy_name="bad",policy_mode=""' in lines[0]
    assert 'initialization_error="no such file: xxx' in lines[0] and len(lines[0]) < 500


def test_the_policies_of_the_moment_are_told():
    registry = MetricRegistry()
    served = [
        policy("a", allowed_to_mutate=True, failure_policy="Ignore"),
        policy("b", "broken", origin=Origin("AdmissionPolicy", "shop", "b")),
    ]
    PolicyMetrics(registry, lambda: served, "edge")
    text = text_of(registry)
    rest = 'policy_server="edge",module="file:///m.wasm"'
    assert (
        f'kubewarden_policy_total{{name="a",{rest},mutating="true",namespace="",failure_policy="Ignore",'
        'policy_status="active"} 1\n'
    ) in text
    last = 'mutating="false",namespace="shop",failure_policy="Fail",policy_status="pending"'
    assert f'{{name="b",{rest},{last}}} 1\n' in text
    served.pop()
    assert 'name="b"' not in text_of(registry)


def test_namespaces_without_end_do_not_fill_memory():
    registry = MetricRegistry()
    measured = PolicyMetrics(registry)
    for n in range(MAX_SERIES + 100):
        evaluate(measured, AdmissionResponse("u", True), namespace=f"n{n}")
    text = text_of(registry)
    assert len(text.splitlines()) < MAX_SERIES + 100
    assert 'resource_namespace="_other",initialization_error="_other"} 100\n' in text
