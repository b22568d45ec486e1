"""Which media type an Accept header leads to."""

from __future__ import annotations

import pytest

from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.protocol.negotiation import JSON, YAML, Form, TableForm, check_route, encoded, negotiate
from edged.sandbox.protocol.request import Request, json_response

TABLE = "application/json;as=Table;v={};g=meta.k8s.io"


def asked(accept: str, **query: str) -> Request:
    return Request("GET", "/", query, {"accept": accept})


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form()),
        ("*/*", Form()),
        ("application/yaml", Form(media=YAML)),
        ("application/json;q=0.5,application/yaml;q=0.9", Form(media=YAML)),
        ("text/html, */*;q=0.1", Form()),
        ("application/json;q=x", Form()),
        (TABLE.format("v1"), Form("table")),
        (TABLE.format("v1beta1"), Form("table", TableForm(version="v1beta1"))),
        (TABLE.format("v9") + ",application/json", Form()),
    ],
)
def test_forms(accept: str, form: Form) -> None:
    assert negotiate(asked(accept)) == form


@pytest.mark.parametrize("accept", ["text/html", "application/cbor", TABLE.format("v9"), "application/json;stream=x"])
def test_nothing_can_be_agreed_on(accept: str) -> None:
    with pytest.raises(ApiStatus) as caught:
        negotiate(asked(accept))
    assert caught.value.code == 406


def test_the_router_judges_first() -> None:
    check_route(asked("text/html, application/json;as=Nope"), streams=False)
    with pytest.raises(ApiStatus, match="Available representations: application/json, application/yaml"):
        check_route(asked("application/*"), streams=False)


def test_custom_resources_have_no_protobuf() -> None:
    with pytest.raises(ApiStatus, match=r"accepted: application/json, application/yaml$"):
        negotiate(asked("application/vnd.kubernetes.protobuf"), custom=True)


def test_what_a_table_includes_is_checked() -> None:
    with pytest.raises(ApiStatus, match="Unable to convert to Table"):
        negotiate(asked(TABLE.format("v1"), includeObject="Nope"))


def test_yaml_is_sorted() -> None:
    answer = encoded(asked("application/yaml"), json_response(200, {"kind": "A", "apiVersion": "v1"}))
    assert (answer.content_type, answer.body) == (YAML, b"apiVersion: v1\nkind: A\n")
    assert encoded(asked("text/html"), json_response(200, {})).content_type == JSON
