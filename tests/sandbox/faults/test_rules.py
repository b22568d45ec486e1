"""Rules of faults: what they say, whom they hit, and what is wrong about wrong ones."""

from __future__ import annotations

import pytest

from edged.errors import ConfigError
from edged.sandbox.faults.rules import Asked, Fault, Faults, lines, parse

UPDATE = Asked("update", "leases.coordination.k8s.io", "default", "lock", "edged/1")


def hits(rule: str, *asked: Asked, seed: int = 0) -> list[bool]:
    faults = Faults(parse([rule]), seed)
    return [faults.of(each) is not None for each in asked]


def test_a_rule_has_verbs_resources_and_a_fault() -> None:
    (rule,) = parse(["update,patch  leases.coordination.k8s.io 429  retry-after=2 delay=50ms"])
    assert rule.verbs == ("update", "patch")
    assert rule.fault == Fault(delay_s=0.05, code=429, retry_after_s=2)
    assert rule.fault.status().headers == (("Retry-After", "2"),)


@pytest.mark.parametrize(
    ("rule", "hit"),
    [
        ("update leases.coordination.k8s.io 409", True),
        ("write * 409", True),
        ("* *.k8s.io 409", True),
        ("read * 500", False),
        ("update leases 409", False),
        ("update leases.* 409 namespace=kube-*", False),
        ("update leases.* 409 namespace=def* name=lock agent=edged/*", True),
        ("update pods,leases.coordination.k8s.io drop", True),
        ("update */status drop", False),
    ],
)
def test_whom_it_matches(rule: str, hit: bool) -> None:
    assert hits(rule, UPDATE) == [hit]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("times=2", "XX......"),
        ("after=3", "...XXXXX"),
        ("every=3", "X..X..X."),
        ("after=1 every=2 times=2", ".X.X...."),
        ("chance=0", "........"),
        ("chance=1", "XXXXXXXX"),
    ],
)
def test_how_often_it_hits(options: str, expected: str) -> None:
    found = hits(f"update * 409 {options}", *[UPDATE] * 8)
    assert "".join("X" if hit else "." for hit in found) == expected


def test_the_same_seed_hits_the_same_requests_whatever_comes_between() -> None:
    many = [UPDATE] * 200
    first = hits("update * 409 chance=0.3", *many, seed=7)
    assert 30 < sum(first) < 90
    between = [each for asked in many for each in (asked, Asked("get", "pods"))]
    assert hits("update * 409 chance=0.3", *between, seed=7)[::2] == first
    assert hits("update * 409 chance=0.3", *many, seed=8) != first


def test_the_first_rule_decides_and_the_others_count_on() -> None:
    faults = Faults(parse(["update * 409 times=1", "update * 500 after=1"]), 0)
    found = [faults.of(UPDATE) for _ in range(3)]
    assert [fault.code if fault else 0 for fault in found] == [409, 500, 500]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("update 409", "a rule is VERBS RESOURCES FAULT"),
        ("change * 409", "'change' is no verb; there are"),
        ("update * 404", "'404' is no fault; there are delay=TIME, drop, drop-after, end, 409"),
        ("update * delay=5", "must be a time such as 200ms or 1.5s"),
        ("update * 409 chance=2", "must be between 0 and 1"),
        ("update * 409 chance=x", "chance=x"),
        ("update * 409 times=0", "must be a whole number from 1 on"),
        ("update * 409 often", "'often' is no option; there are chance"),
        ("update * 409 color=red", "'color=red' is no option"),
        ("update * end", "only watches have events and an end"),
        ("* * 410 events=3", "only watches have events and an end"),
    ],
)
def test_a_wrong_rule_is_refused(rule: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"fault '") as caught:
        parse([rule])
    assert said in str(caught.value)
    assert rule in str(caught.value)


def test_a_file_of_rules() -> None:
    assert lines("# all\nupdate * 409   # sometimes\n\n  read * delay=1s\n") == ["update * 409", "read * delay=1s"]
