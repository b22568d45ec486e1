"""Where traces go, from the configuration and the standard variables."""

from __future__ import annotations

import pytest

from edged.errors import ConfigError
from edged.telemetry.otlp_settings import Settings, read
from tests.hostile_values import STRINGS

P = "OTEL_EXPORTER_OTLP_"


def test_nothing_set_means_no_traces():
    assert read("", {}) is None
    assert read("", {f"{P}HEADERS": "a=b"}) is None
    assert read("http://c:4318", {"OTEL_SDK_DISABLED": "true"}) is None


def test_the_path_of_traces_is_added_to_an_endpoint_for_everything():
    assert read("http://c:4318", {}) == Settings("http://c:4318/v1/traces")
    assert read("", {f"{P}ENDPOINT": "https://c/otlp/"}).url == "https://c/otlp/v1/traces"
    assert read("", {f"{P}TRACES_ENDPOINT": "http://c/x", f"{P}ENDPOINT": "http://d"}).url == "http://c/x"
    assert read("http://mine", {f"{P}TRACES_ENDPOINT": "http://c/x"}).url == "http://mine/v1/traces"


def test_everything_else_and_what_is_for_traces_alone_wins():
    found = read("http://c", {
        f"{P}HEADERS": "a=1", f"{P}TRACES_HEADERS": "authorization=Bearer%20x, b = 2", f"{P}TIMEOUT": "2500",
        f"{P}CERTIFICATE": "/ca", f"{P}TRACES_CERTIFICATE": "/own-ca", f"{P}CLIENT_CERTIFICATE": "/c",
        f"{P}CLIENT_KEY": "/k", f"{P}PROTOCOL": "http/protobuf", "OTEL_SERVICE_NAME": "s",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=ignored,site=edge-1",
    })  # fmt: skip
    assert found == Settings(
        "http://c/v1/traces", "s", (("site", "edge-1"),), (("authorization", "Bearer x"), ("b", "2")), 2.5,
        "/own-ca", "/c", "/k",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (f"{P}PROTOCOL", "grpc"),
        (f"{P}TRACES_COMPRESSION", "gzip"),
        (f"{P}TIMEOUT", "2s"),
        (f"{P}TIMEOUT", "0"),
        (f"{P}HEADERS", "secret"),
        (f"{P}HEADERS", "a=x%0d%0aHost: y"),
    ],
)
def test_what_cannot_be_done_is_said_and_values_are_not_shown(name: str, value: str):
    with pytest.raises(ConfigError) as caught:
        read("http://c", {name: value})
    assert name.replace("TRACES_", "") in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["collector:4317", "ftp://c", "http://", "http://c?x"])
def test_endpoints_that_are_none(url: str):
    with pytest.raises(ConfigError, match="ENDPOINT"):
        read("", {f"{P}ENDPOINT": url})


@pytest.mark.parametrize("name", ["ENDPOINT", "TRACES_ENDPOINT", "HEADERS", "TIMEOUT", "PROTOCOL", "COMPRESSION"])
def test_any_value_of_a_variable_is_taken_or_refused(name):
    refused = 0
    for value in STRINGS:
        try:
            read("", {f"{P}ENDPOINT": "http://c", f"{P}{name}": value, "OTEL_RESOURCE_ATTRIBUTES": value})
        except ConfigError:
            refused += 1
    assert refused > 5
