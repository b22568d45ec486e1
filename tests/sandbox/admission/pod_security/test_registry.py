"""Which checks a level has in which version, and what they say."""

from __future__ import annotations

import pytest

from edged.sandbox.admission.pod_security.labels import LATEST, LevelVersion
from edged.sandbox.admission.pod_security.registry import BASELINE, RESTRICTED, details, evaluate, reasons


def spec(**fields):
    return {"containers": [{"name": "c", "image": "a"}], **fields}


def said(level, given, minor=LATEST):
    return details(evaluate(LevelVersion(level, minor), {}, given))


def test_findings_come_in_the_order_of_names():
    for rows in (BASELINE, RESTRICTED):
        names = [row.name for row in rows]
        assert names == sorted(names)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (spec(hostNetwork=True, hostIPC=True), "host namespaces (hostNetwork=true, hostIPC=true)"),
        (spec(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "v")'),
        (spec(securityContext={"sysctls": [{"name": "a.b"}]}), "forbidden sysctls (a.b)"),
        (spec(securityContext={"seLinuxOptions": {"type": "x", "user": "u"}}),
         'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "x"; user may not be set)'),
        (spec(), ""),
    ],
)  # fmt: skip
def test_baseline(given, expected):
    assert said("baseline", given) == expected


def test_restricted_wants_four_things():
    found = evaluate(LevelVersion("restricted"), {}, spec())
    assert reasons(found) == (
        "allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile"
    )
    assert evaluate(LevelVersion("privileged"), {}, spec(hostPID=True)) == []


def test_versions():
    sysctl = spec(securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem"}]})
    assert said("baseline", sysctl, 31) and not said("baseline", sysctl, 32)
    assert said("restricted", spec(), 7) == (
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)'
    )


def test_a_check_of_restricted_takes_the_place_of_one_of_baseline():
    given = spec(volumes=[{"name": "v", "hostPath": {"path": "/"}}])
    found = [each.reason for each in evaluate(LevelVersion("restricted"), {}, given)]
    assert "restricted volume types" in found and "hostPath volumes" not in found


@pytest.mark.parametrize("odd", [None, 5, "x", [None], [5], {"a": []}])
def test_odd_values_are_passed_over(odd):
    for field in ("containers", "volumes", "securityContext", "os"):
        evaluate(LevelVersion("restricted"), {}, {**spec(), field: odd})
    for field in ("securityContext", "ports", "livenessProbe", "lifecycle"):
        evaluate(LevelVersion("restricted"), {}, {"containers": [{"name": "c", field: odd}]})
