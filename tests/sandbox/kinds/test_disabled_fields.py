"""Fields of features that are off by default are dropped."""

from __future__ import annotations

from typing import Any

from edged.sandbox.kinds.disabled_fields import drop


def test_fields_go_from_pods_and_templates_wherever_they_are() -> None:
    def spec(*, full: bool) -> dict[str, Any]:
        more = {"mode": "TLS"} if full else {}
        container = {"name": "c", "readinessProbe": {"grpc": {"port": 1, **more}}}
        volume = {"name": "v", "emptyDir": {"mode": 1} if full else {}}
        return {"containers": [container], "volumes": [volume], **({"schedulingGroup": {}} if full else {})}

    pod, job = ({"spec": spec(full=True)}, {"spec": {"template": {"spec": spec(full=True)}}})
    drop("pods", pod)
    drop("jobs.batch", job)
    assert pod["spec"] == job["spec"]["template"]["spec"] == spec(full=False)


def test_a_lifecycle_of_which_nothing_stays_goes() -> None:
    pod = {"spec": {"containers": [{"lifecycle": {"stopSignal": "SIGTERM"}}, {"lifecycle": {}}]}}
    drop("pods", pod)
    assert pod == {"spec": {"containers": [{}, {"lifecycle": {}}]}}


def test_other_kinds_and_strange_forms_stay() -> None:
    obj: dict[str, Any] = {"spec": {"schedulingGroup": 1}}
    drop("configmaps", obj)
    assert obj == {"spec": {"schedulingGroup": 1}}
    for strange in ({}, {"spec": None}, {"spec": {"containers": None, "volumes": [None]}}):
        drop("pods", strange)
