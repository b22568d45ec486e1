"""Which plugin keeps a Pod out of the queue."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.queue_gates import QueueGates
from edged.scheduling.objects.pods import PodInfo
from tests.scheduling.makers import pod_info


def gates(failures: list[Exception], **answers: Any) -> QueueGates:
    def method(answer: Any) -> Any:
        def ask(pod: PodInfo) -> Status | None:
            if isinstance(answer, Exception):
                raise answer
            assert answer is None or isinstance(answer, Status)
            return answer

        return ask

    calls = {"pre_enqueue": [SimpleNamespace(name=name, method=method(answer)) for name, answer in answers.items()]}
    profiles: Any = {"edged": SimpleNamespace(calls=calls)}
    return QueueGates(profiles, lambda pod, error: failures.append(error))


@pytest.mark.parametrize(
    ("answers", "holder"),
    [
        ({"A": None, "B": Status(Code.SUCCESS)}, ""),
        ({"A": None, "B": Status(Code.UNRESOLVABLE, ("closed",))}, "B"),
        ({"A": Status(Code.UNRESOLVABLE, ("closed",), "C"), "B": None}, "C"),
    ],
)
def test_the_first_plugin_that_objects_holds_the_pod_back(answers: dict[str, Any], holder: str) -> None:
    failures: list[Exception] = []
    assert gates(failures, **answers).holder(pod_info()) == holder
    assert not failures


def test_a_plugin_that_fails_holds_the_pod_back_and_is_told_of() -> None:
    error = ValueError("odd")
    failures: list[Exception] = []
    assert gates(failures, A=error, B=None).holder(pod_info()) == "A"
    assert failures == [error]
