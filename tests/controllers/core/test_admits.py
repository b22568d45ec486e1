from __future__ import annotations

import pytest

from edged.controllers.core.admits import (
    AdmissionVerdict,
    Admit,
    AdmitWebhook,
    admission_name,
    beyond,
    bound_of,
    verdict_of,
    webhook_of,
)
from edged.errors import GuestError
from edged.kube.values.names import GroupVersionResource

SUBNETS = GroupVersionResource("network.edged.dev", "v1alpha1", "subnets")
RULE = {
    "operations": ["CREATE", "UPDATE"], "apiGroups": ["network.edged.dev"], "apiVersions": ["*"],
    "resources": ["subnets"],
}  # fmt: skip


def admit(*operations, policy="Fail"):
    return Admit(operations, SUBNETS.api_version, "Subnet", policy)


def test_what_the_operator_allows():
    bounds = [bound_of(RULE, "Fail"), bound_of(RULE | {"operations": ["DELETE"]}, "Ignore")]
    assert beyond(admit("CREATE", "UPDATE"), SUBNETS, bounds) == ""
    assert beyond(admit("CREATE", "DELETE", policy="Ignore"), SUBNETS, bounds) == ""
    assert beyond(admit("CREATE", "DELETE"), SUBNETS, bounds) == (
        "it wants to admit DELETE of Subnet in network.edged.dev/v1alpha1 with failurePolicy Fail, which `admits` does "
        "not allow"
    )
    assert "CREATE" in beyond(admit("CREATE"), SUBNETS, [])
    assert beyond(admit("CREATE"), GroupVersionResource("", "v1", "pods"), bounds) != ""


def test_a_verdict():
    assert verdict_of(b'{"allowed":true}') == AdmissionVerdict(True)
    full = b'{"allowed":false,"status":{"code":422,"message":"no"},"patch":[{"op":"add"}],"warnings":["w"]}'
    assert verdict_of(full) == AdmissionVerdict(False, 422, "no", ({"op": "add"},), ("w",))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the answer to an admission"), (b"{}", "allowed: is missing"), (b'{"allowed":1}', "allowed: must be"),
        (b'{"allowed":true,"patch":[1]}', r"patch\[0\] must be an object"),
        (b'{"allowed":true,"patch":[{}]}', r"patch\[0\].op: is missing"),
        (b'{"allowed":true,"status":{"code":"x"}}', "status.code"), (b'{"allowed":true,"warnings":[1]}', "warnings"),
    ],
)  # fmt: skip
def test_an_answer_that_is_no_verdict(data, message):
    with pytest.raises(GuestError, match=message):
        verdict_of(data)


def rule(*operations, scope="*", resource="subnets"):
    return {
        "operations": list(operations), "apiGroups": ["network.edged.dev"], "apiVersions": ["v1alpha1"],
        "resources": [resource], "scope": scope,
    }  # fmt: skip


LOCKS = GroupVersionResource("network.edged.dev", "v1alpha1", "iplocks")


@pytest.mark.parametrize(
    ("admits", "rules", "strictest", "webhook"),
    [
        ([(admit("CREATE", "DELETE"), SUBNETS)], [RULE], "Fail", AdmitWebhook((rule("CREATE"),), "Fail")),
        ([(admit("CREATE", policy="Ignore"), SUBNETS)], [RULE], "Fail", AdmitWebhook((rule("CREATE"),), "Ignore")),
        ([(admit("CREATE", policy="Ignore"), SUBNETS)], [RULE], "Ignore", AdmitWebhook((rule("CREATE"),), "Ignore")),
        ([(admit("CREATE"), SUBNETS)], [RULE], "Ignore", None),
        ([(admit("CREATE"), LOCKS)], [RULE], "Fail", None),
        ([], [RULE], "Fail", None),
        (  # one webhook has one failurePolicy; scope is the operator's; what two rules allow is one rule
            [(admit("CREATE", "UPDATE", policy="Ignore"), SUBNETS), (admit("CREATE"), LOCKS)],
            [RULE | {"operations": ["UPDATE"]}, RULE, RULE | {"resources": ["*"], "scope": "Namespaced"}], "Fail",
            AdmitWebhook((rule("CREATE", "UPDATE"), rule("CREATE", "UPDATE", scope="Namespaced"),
                          rule("CREATE", scope="Namespaced", resource="iplocks")), "Fail"),
        ),
    ],
)  # fmt: skip
def test_what_an_entry_comes_to(admits, rules, strictest, webhook):
    assert webhook_of(admits, rules, strictest) == webhook


def test_each_entry_has_a_name():
    assert [admission_name("kos", number) for number in range(3)] == ["kos", "kos.2", "kos.3"]
