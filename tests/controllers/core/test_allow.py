from __future__ import annotations

import pytest

from edged.controllers.core.allow import AllowList, rule_of
from edged.controllers.core.codes import Code, Refused
from edged.errors import ConfigError

GROUP = "network.edged.dev"


def rule(resources, verbs, **more):
    return rule_of({"apiGroups": [GROUP], "resources": resources, "verbs": verbs, **more})


ALLOW = AllowList([
    rule(["subnets"], ["get", "list", "watch"]),
    rule(["subnets/status"], ["update"], namespaces=["a", "b"]),
    rule(["iplocks"], ["*"], resourceNames=["one"]),
])  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        (("list", GROUP, "subnets", None), True), (("get", GROUP, "subnets", "x", "n"), True),
        (("update", GROUP, "subnets", "a", "n"), False), (("update", GROUP, "subnets/status", "a", "n"), True),
        (("update", GROUP, "subnets/status", "c", "n"), False), (("update", GROUP, "subnets/status", None), False),
        (("delete", GROUP, "iplocks", "a", "one"), True), (("delete", GROUP, "iplocks", "a", "two"), False),
        (("list", GROUP, "iplocks", "a"), False), (("list", "", "subnets", None), False),
        (("update", GROUP, "iplocks/status", "a", "one"), False),
    ],
)  # fmt: skip
def test_what_rules_grant(request_, allowed):
    assert ALLOW.allows(*request_) is allowed


def test_a_denial_says_what_to_add():
    with pytest.raises(Refused) as refused:
        ALLOW.check("create", GROUP, "subnets", "a", "n")
    assert refused.value.code == Code.DENIED
    assert str(refused.value) == (
        "create subnets n in the namespace a is not allowed; `allow` of this controller needs "
        '{ apiGroups = ["network.edged.dev"], resources = ["subnets"], verbs = ["create"] }'
    )
    assert ALLOW.check("list", GROUP, "subnets", None) is None


def test_without_rules_nothing_is_allowed():
    nothing = AllowList([])
    assert not nothing.allows("get", "", "pods", "a", "n")
    assert nothing.groups == frozenset()


def test_stars():
    everything = AllowList([rule_of({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})])
    assert everything.allows("patch", "", "pods/status", None)
    assert everything.knows_group("apps")
    statuses = AllowList([rule(["*/status"], ["patch"])])
    assert statuses.allows("patch", GROUP, "subnets/status", "a", "n")
    assert not statuses.allows("patch", GROUP, "subnets", "a", "n")


def test_kinds_of_other_groups_are_known_to_be_denied():
    assert ALLOW.groups == {GROUP}
    assert not ALLOW.knows_group("")


def test_selectors_are_forced_where_every_rule_forces_them():
    forcing = rule(["attachments"], ["list", "watch"], fieldSelector="spec.node=n1", labelSelector="a=b")
    allow = AllowList([forcing])
    assert allow.forced(GROUP, "attachments") == ("a=b", "spec.node=n1")
    assert allow.forced(GROUP, "attachments").joined("", "status.ipv4!=") == ("a=b", "spec.node=n1,status.ipv4!=")
    assert allow.forced(GROUP, "subnets") == ("", "")
    also_free = rule(["attachments"], ["list"], namespaces=["open"])
    both = AllowList([forcing, also_free])
    assert both.forced(GROUP, "attachments", "open") == ("", "")
    assert both.forced(GROUP, "attachments", "other") == ("a=b", "spec.node=n1")
    assert both.forced(GROUP, "attachments") == ("a=b", "spec.node=n1")


def test_two_selectors_for_the_same_objects_are_a_mistake():
    one = rule(["attachments"], ["list"], fieldSelector="spec.node=n1")
    with pytest.raises(ConfigError, match="two rules for attachments"):
        AllowList([one, rule(["attachments"], ["list"], fieldSelector="spec.node=n2")])
    AllowList([one, rule(["subnets"], ["list"], fieldSelector="spec.vni=2")])
    apart = [rule(["x"], ["list"], fieldSelector=f"spec.node={n}", namespaces=[n]) for n in "ab"]
    assert AllowList(apart).forced(GROUP, "x", "b") == ("", "spec.node=b")
