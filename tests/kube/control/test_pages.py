"""Pages of lists: what is one, and that an item that cannot be read keeps no other from being read."""

from __future__ import annotations

from typing import Any

import pytest

from edged.json_text import dumps
from edged.kube.control.pages import Undecodable, page_of

DEEP = b"[" * 2000 + b"]" * 2000
META = b'"metadata":{"resourceVersion":"1"}'


@pytest.mark.parametrize(
    ("data", "page"),
    [
        (b'{%s,"items":null}' % META, {"metadata": {"resourceVersion": "1"}, "items": []}),
        (b"{%s}" % META, {"metadata": {"resourceVersion": "1"}, "items": []}),
        (b'{%s,"items":{}}' % META, None),
        (b'{"items":[]}', None),
        (b"[]", None),
        (b"{", None),
        (b"", None),
        (b"null", None),
    ],
)
def test_what_is_a_page(data: bytes, page: Any) -> None:
    assert page_of(data) == page


@pytest.mark.parametrize("before", [b"", b'"x":"items",', b'"o":{"items":[1,2]},', b'"s":"\\"items\\":[",'])
@pytest.mark.parametrize("after", [b"", b',"z":[1]'])
def test_an_item_that_is_too_deep_is_named_in_its_place(before: bytes, after: bytes) -> None:
    good = [{"a": "],[\\\"", "b": [[1, 2], {}]}, 5, None]
    items = b" , ".join([dumps(good[0]), DEEP, *map(dumps, good[1:])])
    page = page_of(b'{%s%s,"items" : [ %s ]%s}' % (before, META, items, after))
    assert page is not None
    first, deep, *rest = page["items"]
    assert [first, *rest] == good
    assert isinstance(deep, Undecodable) and "depth limit" in deep.detail and len(deep.detail) < 400
    assert page["metadata"] == {"resourceVersion": "1"}


@pytest.mark.parametrize(
    "data",
    [
        b'{%s,"deep":%s,"items":[]}' % (META, DEEP),  # not an item's fault
        b'{%s,"items":[%s' % (META, DEEP),
        b'{%s,"items":[%s,{]}' % (META, DEEP),
        b'{%s,"items":7,"x":%s}' % (META, DEEP),
        DEEP,
    ],
)
def test_what_is_no_page_at_all(data: bytes) -> None:
    assert page_of(data) is None
