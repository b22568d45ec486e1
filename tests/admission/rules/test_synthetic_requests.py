"""What policies are asked before anybody asked them."""

import pytest

from edged.admission.rules import synthetic_requests
from edged.admission.rules.synthetic_requests import requests


def rule(*resources, operations=("CREATE",), groups=("",), versions=("v1",)):
    return {"apiGroups": list(groups), "apiVersions": list(versions), "resources": list(resources),
            "operations": list(operations)}  # fmt: skip


def test_a_request_is_one_that_the_rules_select():
    (made,) = requests([rule("deployments", groups=["apps"], operations=["UPDATE"])])
    payload = made.payload
    assert payload["kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert payload["resource"]["resource"] == "deployments"
    assert payload["operation"] == "UPDATE"
    assert payload["object"]["apiVersion"] == "apps/v1"
    assert payload["oldObject"]["spec"]["template"]["spec"]["containers"]


def test_a_deletion_has_only_an_old_object():
    (made,) = requests([rule("pods", operations=["DELETE"])])
    assert made.payload["object"] is None
    assert made.payload["oldObject"]["kind"] == "Pod"


def test_each_resource_comes_before_further_operations():
    made = [request.payload for request in requests([rule("pods", "services", operations=["*"])])]
    assert [(each["resource"]["resource"], each["operation"]) for each in made[:3]] == [
        ("pods", "CREATE"), ("services", "CREATE"), ("pods", "UPDATE"),
    ]  # fmt: skip
    assert len(made) == synthetic_requests.MOST


@pytest.mark.parametrize("rules", [[], [rule("*")], [rule("*/*", groups=["*"], versions=["*"])], [{}]])
def test_where_rules_name_nothing_it_is_a_pod(rules):
    payload = requests(rules)[0].payload
    assert payload["kind"] == {"group": "", "version": "v1", "kind": "Pod"}
    assert payload["operation"] == "CREATE"


def test_a_subresource_is_named():
    (made,) = requests([rule("pods/exec", operations=["CONNECT"])])
    assert made.payload["subResource"] == "exec"


def test_raw_policies_get_any_json():
    assert all(request.raw for request in requests([], raw=True))


def test_cluster_scoped_objects_have_no_namespace():
    payload = requests([rule("namespaces")])[0].payload
    assert "namespace" not in payload
    assert "namespace" not in payload["object"]["metadata"]
