"""What a running daemon tells: metrics, traces, log lines, rejections of late, whole reviews. No cluster is needed.

Each of them works without the others: that is looked at from outside, where configuration and environment meet.
"""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import closing

import pytest

from edged.cli.demo.stage import free_port
from tests.cluster.edged import PROGRAM, Edged, pod, policy, wait_for
from tests.telemetry.otlp_receiver import Receiver, attributes

POLICIES = [
    policy("no-privileged", "pod-privileged"),
    policy("watching", "pod-privileged", mode="monitor"),
    policy("absent", "absent", rules=[]),
]


class Observed(Edged):
    """With variables of its own."""

    variables: dict[str, str]

    def __init__(self, **variables: str) -> None:
        self.variables = variables
        super().__init__(kubeconfig=None, policies=POLICIES, register="none")

    def _environment(self) -> dict[str, str]:
        return super()._environment() | self.variables

    def metrics(self) -> str:
        with closing(http.client.HTTPConnection("127.0.0.1", self.health_port, timeout=5)) as connection:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_decisions_are_logged_counted_remembered_and_traced(collector: Receiver) -> None:
    with Observed(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_EXPORTER_OTLP_HEADERS="tenant=edge") as edged:
        assert edged.review("no-privileged", pod("p", privileged=True))["allowed"] is False
        assert edged.review("watching", pod("q", privileged=True))["allowed"] is True
        assert edged.review("no-privileged", pod("r"))["allowed"] is True

        lines = [line for line in edged.log.splitlines() if "msg=review" in line]
        assert [line.count("uid=705ab4f5-") for line in lines] == [1, 1, 1]
        assert "policy=watching verdict=rejected mode=monitor" in lines[1] and "allowed=true" in lines[1]

        found = edged.status()["rejections"]
        assert [(each["policy"], each["mode"], each["name"]) for each in found] == [
            ("no-privileged", "protect", "p"), ("watching", "monitor", "q"),
        ]  # fmt: skip

        metrics = edged.metrics()
        for series, value in (
            ('edged_policy_decisions_total{policy_name="watching",verdict="rejected",request_origin="validate"}', 1),
            ('edged_policy_evaluation_duration_seconds_count{policy_name="no-privileged"}', 2),
        ):
            assert f"{series} {value}\n" in metrics
        assert 'initialization_error="' in metrics and 'policy_name="absent",policy_mode=""' in metrics
        assert 'policy_status="pending"} 1\n' in metrics and metrics.count('policy_status="active"} 1\n') == 2
        edged.stop()  # sends what is left

    spans = [attributes(span[9]) for _, span in collector.spans()]
    assert [(each["policy_id"], each["name"], each["allowed"]) for each in spans] == [
        ("no-privileged", "p", False), ("watching", "q", True), ("no-privileged", "r", True),
    ]  # fmt: skip
    assert collector.headers[0]["tenant"] == "edge"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"}, "traces not sent"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "grpc://collector"}, "no traces"),
    ],
    ids=["a collector that is away", "nonsense"],
)
def test_traces_that_fail_cost_nothing_else(variables: dict[str, str], said: str) -> None:
    with Observed(**variables) as edged:
        assert edged.review("no-privileged", pod("p"))["allowed"] is True
        wait_for(lambda: said in edged.log, said)
        assert edged.review("no-privileged", pod("p"))["allowed"] is True
        assert "kubewarden_policy_evaluations_total{" in edged.metrics() and "msg=review" in edged.log


def test_whole_reviews_are_shown_while_somebody_asks() -> None:
    with Observed() as edged:
        options = ["--rejected", "--count", "1", "--config", str(edged.config)]
        command = [str(PROGRAM), "reviews", "no-privileged", *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:

            def shown() -> bool:
                edged.review("no-privileged", pod("p", privileged=True))
                return watching.poll() is not None

            wait_for(shown, "a review is shown")
            assert watching.returncode == 0 and watching.stdout is not None
            review = json.loads(watching.stdout.read())
        assert review["verdict"] == "rejected" and review["request"]["object"]["metadata"]["name"] == "p"
        assert review["response"]["status"]["code"] == 403
        assert edged.command("reviews", "nobody", check=False).returncode == 1
