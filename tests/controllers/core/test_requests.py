"""Requests of the imports, and with them how fields are read."""

from __future__ import annotations

import pytest

from edged.controllers.core import requests
from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.keys import Key
from edged.controllers.core.pointers import pointer_of
from edged.controllers.core.requests import (
    EnqueueRequest,
    EventRequest,
    ExtRequest,
    GetRequest,
    ListRequest,
    MetricRequest,
    Regarding,
)  # fmt: skip

POD = b'"apiVersion":"v1","kind":"Pod"'


def test_a_get_as_short_and_as_long_as_it_may_be():
    assert requests.get_request(b'{%b,"name":"n"}' % POD) == GetRequest("v1", "Pod", "", "n")
    full = b'{%b,"namespace":"a","name":"n","live":true,"watch":"w","more":1}' % POD
    assert requests.get_request(full) == GetRequest("v1", "Pod", "a", "n", live=True, watch="w")


def test_a_list_as_short_and_as_long_as_it_may_be():
    assert requests.list_request(b"{%b}" % POD) == ListRequest("v1", "Pod")
    full = (
        b'{%b,"namespace":"a","labelSelector":"l","fieldSelector":"f","index":{"name":"i","value":"v"},"watch":"w",'
        b'"fields":["/spec/ipv4"],"limit":10,"continue":"c"}' % POD
    )
    assert requests.list_request(full) == ListRequest(
        "v1", "Pod", "a", "l", "f", ("i", "v"), "w", (pointer_of("/spec/ipv4"),), 10, "c"
    )


def test_the_other_requests():
    assert requests.close_request(b'{"id":"w"}') == "w"
    assert requests.enqueue_request(b'{"key":{"name":"n"},"afterMs":1500.0}', "Pod") == EnqueueRequest(
        Key("Pod", "", "n"), 1.5
    )
    assert requests.event_request(b'{"regarding":{"kind":"Pod","name":"n"},"reason":"Started"}') == EventRequest(
        Regarding("", "Pod", "", "n"), "Normal", "Started", "", "Started"
    )
    assert requests.metric_request(b'{"name":"m","labels":{"a":"b"}}') == MetricRequest("m", "inc", 1.0, {"a": "b"})
    assert requests.ext_request(b'{"ext":"netfabric","op":"list","args":{"a":1}}') == ExtRequest(
        "netfabric", "list", {"a": 1}
    )


@pytest.mark.parametrize(
    ("parse", "data", "message"),
    [
        (requests.get_request, b"{", "get: "), (requests.get_request, b"[]", "get must be an object"),
        (requests.get_request, b"{%b}" % POD, "get.name: is missing"),
        (requests.get_request, b'{"kind":"Pod","name":"n"}', "get.apiVersion: is missing"),
        (requests.list_request, b'{%b,"limit":-1}' % POD, "list.limit: must be from 0"),
        (requests.list_request, b'{%b,"live":true,"watch":"w"}' % POD, "list.live: the API server knows no index"),
        (requests.list_request, b'{%b,"fields":["x"]}' % POD, r"list.fields\[0\]: a JSON pointer"),
        (requests.list_request, b'{%b,"index":{}}' % POD, "list.index.name: is missing"),
        (requests.event_request, b'{"regarding":{"kind":"Pod","name":"n"}}', "event.reason: is missing"),
        (requests.event_request, b'{"reason":"R"}', "event.regarding must be an object"),
        (requests.metric_request, b'{"name":"m","op":"set"}', "metric.value: is missing"),
        (requests.metric_request, b'{"name":"m","labels":{"a":1}}', "metric.labels.a: must be a string"),
        (requests.ext_request, b"{}", "ext.ext: is missing"),
    ],
)
def test_a_bad_request_is_named_with_its_field(parse, data, message):
    with pytest.raises(Refused, match=message) as refused:
        parse(data)
    assert refused.value.code == Code.INVALID


def test_an_endless_request_is_not_read():
    with pytest.raises(Refused, match="at most") as refused:
        requests.get_request(b" " * (requests.MOST_REQUEST_BYTES + 1))
    assert refused.value.code == Code.LIMIT
