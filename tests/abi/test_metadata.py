"""What a policy's metadata says, what is refused in it, and which policies may not be loaded because of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from edged.abi.metadata import BadMetadata, Metadata, check_loadable, parse

RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
LEAST = {"protocolVersion": "v1", "rules": [RULE], "mutating": False}


def test_a_module_without_the_section_has_defaults():
    assert parse(None) == Metadata()
    with pytest.raises(BadMetadata, match="found: none"):
        check_loadable(parse(None))
    with pytest.raises(BadMetadata, match=r"^the module is a scheduler plugin: write it under \[\[scheduler"):
        check_loadable(parse(None), ["k8s.io/api"], ["filter", "memory"])
    check_loadable(parse(orjson.dumps(LEAST | {"executionMode": "wasi"})), [], ["filter", "memory"])


def test_what_is_left_out_has_kubewardens_defaults():
    metadata = parse(orjson.dumps(LEAST))
    assert (metadata.execution_mode, metadata.policy_type, metadata.background_audit) == (
        "kubewarden-wapc", "kubernetes", True,
    )  # fmt: skip
    assert (metadata.context_aware, metadata.host_capabilities) == ((), None)
    assert metadata.rules == (RULE,)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rules": None}, "policy metadata lacks rules"),
        ({"mutating": None}, "policy metadata lacks mutating"),
        ({"mutating": "no"}, "policy metadata: mutating is not a bool"),
        ({"executionMode": "javy"}, "policy metadata: executionMode is 'javy', not one of kubewarden-wapc, wasi"),
        ({"protocolVersion": "v2"}, "policy metadata: protocolVersion is 'v2'"),
        ({"rules": ["x"]}, "policy metadata: rules[0] is not an object"),
        ({"rules": [RULE, {**RULE, "operations": [1]}]}, "policy metadata: rules[1].operations is not a list of"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], said: str):
    with pytest.raises(BadMetadata) as caught:
        parse(orjson.dumps(LEAST | change))
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(("section", "said"), [(b"{", "is not JSON"), (b"[]", "is not a JSON object")])
def test_a_section_that_is_none(section: bytes, said: str):
    with pytest.raises(BadMetadata, match=said):
        parse(section)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"minimumKubewardenVersion": "v1.36.2"}, ""),
        ({"minimumKubewardenVersion": "1.4"}, ""),
        ({"minimumKubewardenVersion": "1.37"}, "needs Kubewarden 1.37 or newer"),
        ({"minimumKubewardenVersion": "v2.0.0"}, "needs Kubewarden v2.0.0 or newer"),
        ({"minimumKubewardenVersion": "soon"}, "'soon' is not a version"),
        ({"protocolVersion": None}, "protocol version v1; found: none"),
        ({"protocolVersion": "Unknown"}, "protocol version v1; found: Unknown"),
        ({"protocolVersion": "Unknown", "executionMode": "opa"}, ""),
    ],
)
def test_which_policies_may_be_loaded(change: dict[str, Any], said: str):
    metadata = parse(orjson.dumps(LEAST | change))
    if said:
        with pytest.raises(BadMetadata, match=said):
            check_loadable(metadata)
    else:
        check_loadable(metadata)


def test_a_rego_module_whose_metadata_does_not_say_so_is_told_what_it_lacks():
    for section in (None, orjson.dumps(LEAST)):
        with pytest.raises(BadMetadata, match="does not say executionMode opa or gatekeeper"):
            check_loadable(parse(section), ["env"], ["opa_json_parse", "opa_eval_ctx_new"])
    check_loadable(parse(orjson.dumps(LEAST | {"executionMode": "gatekeeper"})), ["env"], ["opa_json_parse"])
