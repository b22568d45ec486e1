"""Grants, host call payloads, field masks."""

import pytest

from edged.abi.wapc import HostCallError
from edged.admission.rules.capabilities import Grants, check_patterns, mask, parse_can_i, parse_get, parse_list
from edged.errors import ConfigError


@pytest.mark.parametrize(
    ("patterns", "allowed"),
    [((), False), (("*",), True), (("kubernetes/*",), True), (("kubernetes/can_i",), True),
     (("kubernetes/get_resource",), False), (("oci/*",), False)],
)  # fmt: skip
def test_capabilities(patterns, allowed):
    grants = Grants(patterns)
    if allowed:
        grants.check_capability("kubernetes", "can_i")
    else:
        with pytest.raises(
            HostCallError, match="not been granted access to the 'kubernetes/can_i' host capability"
        ):
            grants.check_capability("kubernetes", "can_i")


def test_kinds_match_exactly():
    grants = Grants(kinds=frozenset({("v1", "Namespace")}))
    grants.check_kind("v1", "Namespace")
    for api_version, kind in (("v1", "namespace"), ("V1", "Namespace"), ("v1", "Secret")):
        with pytest.raises(HostCallError, match="has not been granted access to Kubernetes"):
            grants.check_kind(api_version, kind)


@pytest.mark.parametrize(
    "pattern", ["", "oci", "oci/v1", "net/x", "kube*", "*/*", "oci/v1/*/x", "kubernetes/"]
)
def test_patterns_that_can_match_nothing_are_refused(pattern):
    with pytest.raises(ConfigError):
        check_patterns((pattern,))


def test_patterns_that_can_match():
    check_patterns(("*", "oci/*", "oci/v1/*", " net/v1/dns_lookup_host ", "kubernetes/get_resource"))


def test_masks_keep_what_they_name_and_metadata():
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i", "env": []}], "nodeName": "n"}, "status": {"phase": "x"},
    }  # fmt: skip
    head = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    assert mask(pod, ()) is pod
    assert mask(pod, ("spec.containers.image",)) == head | {"spec": {"containers": [{"image": "i"}]}}
    assert mask(pod, ("spec", "spec.nodeName")) == head | {"spec": {"nodeName": "n"}}
    assert mask(pod, ("spec.nodeName", "spec")) == head | {"spec": {"nodeName": "n"}}
    assert mask(pod, ("status.absent",)) == head | {"status": {}}


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{}", b'{"api_version":"v1"}', b'{"api_version":"v1","kind":1,"name":"x"}']
)
def test_bad_payloads_are_told_to_the_guest(payload):
    with pytest.raises(HostCallError):
        parse_get(payload)
    with pytest.raises(HostCallError):
        parse_list(payload, by_namespace=False)
    with pytest.raises(HostCallError):
        parse_can_i(payload)


def test_optional_keys_may_be_null():
    get = parse_get(
        b'{"api_version":"v1","kind":"Pod","name":"p","namespace":null,"field_masks":null,"disable_cache":true}'
    )
    assert (get.namespace, get.field_masks, get.disable_cache) == (None, (), True)


def test_access_reviews_are_camel_cased():
    spec, fresh = parse_can_i(
        b'{"subject_access_review":{"user":"u","groups":["g"],"resource_attributes":'
        b'{"resource":"pods","verb":"get","namespace":"n","odd":1}},"disable_cache":false}'
    )
    assert spec == {
        "user": "u",
        "groups": ["g"],
        "resourceAttributes": {"namespace": "n", "resource": "pods", "verb": "get"},
    }
    assert fresh is False
