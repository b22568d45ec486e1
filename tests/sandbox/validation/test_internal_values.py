"""Objects in messages: as kube-apiserver's own types print them."""

from __future__ import annotations

from edged.sandbox.kinds.internal_types import internal
from edged.sandbox.validation.internal_values import difference, internal_equal, invalid_value


def test_fields_have_their_go_names_and_order_and_are_all_there() -> None:
    shown = internal("core.SeccompProfile", {"localhostProfile": "p", "type": "Localhost"})
    assert list(shown.items()) == [("Type", "Localhost"), ("LocalhostProfile", "p")]
    assert internal("core.SeccompProfile", {}) == {"Type": "", "LocalhostProfile": None}


def test_embedded_structs_are_flat_and_amounts_canonical() -> None:
    volume = internal("core.Volume", {"name": "v", "emptyDir": {"sizeLimit": "1024Mi"}})
    assert volume["EmptyDir"]["SizeLimit"] == "1Gi"
    template = internal("core.PodTemplateSpec", {"metadata": {"labels": {"b": "1", "a": "2"}}})
    assert list(template["labels"]) == ["a", "b"]
    assert template["Spec"]["DeprecatedServiceAccount"] == ""


def test_values_in_messages() -> None:
    cause = invalid_value("f", "core.SeccompProfile", {"type": "x"}, "why")
    assert cause.message == 'Invalid value: {"Type":"x","LocalhostProfile":null}: why'


def test_differences_are_unified_with_indents_of_one() -> None:
    old, new = {"nodeName": "a"}, {"nodeName": "a", "nodeSelector": {"x": "<y>"}}
    lines = difference("core.PodSpec", old, new).split("\n")
    assert lines[0].startswith("@@ -")
    assert [line for line in lines if line[:1] in "+-"] == [
        '- "NodeSelector": null,', '+ "NodeSelector": {', '+  "x": "\\u003cy\\u003e"', "+ },", "",
    ]  # fmt: skip


def test_empty_and_missing_are_equal() -> None:
    assert internal_equal("core.PodSpec", {"tolerations": []}, {})
    assert not internal_equal("core.PodSpec", {"hostNetwork": True}, {})
