"""The document of data that a Rego policy gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edged.admission.rules.rego import ContextTree, data_document


@pytest.mark.parametrize(
    ("mode", "settings", "tree", "data"),
    [
        ("opa", b'{"a":1}', None, {"a": 1}),
        ("opa", b'{"a":1}', b'{"pods":{}}', {"a": 1, "kubernetes": {"pods": {}}}),
        ("opa", b"{}", b"{}", {"kubernetes": {}}),
        ("opa", b'{"kubernetes":"mine","a":1}', b"{}", {"a": 1, "kubernetes": {}}),
        ("opa", b'{"kubernetes":"mine"}', b"{}", {"kubernetes": {}}),
        ("opa", b'{"kubernetes":"mine"}', None, {"kubernetes": "mine"}),
        ("opa", b'{"a":{"kubernetes":2}}', b"{}", {"a": {"kubernetes": 2}, "kubernetes": {}}),
        ("gatekeeper", b'{"a":1}', None, {}),
        ("gatekeeper", b'{"a":1}', b'{"cluster":{}}', {"inventory": {"cluster": {}}}),
    ],
)
def test_data_document(mode: str, settings: bytes, tree: bytes | None, data: Any) -> None:
    assert json.loads(b"".join(data_document(mode, settings, tree))) == data


def test_empty_tree() -> None:
    assert ContextTree("opa").document() == b"{}"
