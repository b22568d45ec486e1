"""Where guests of a KubeSchedulerConfiguration come from."""

from __future__ import annotations

from typing import Any

import pytest

from edged.errors import ConfigError, PeerError
from edged.scheduling.config.guest_source import GuestArgs, parse_args, read_guest
from edged.scheduling.core.cycle import run_now


def test_args():
    args = {"guestURL": "file://a.wasm", "guestConfig": "{}", "logSeverity": 2, "args": ["x"]}
    assert parse_args("p", args) == GuestArgs("file://a.wasm", "{}", 2, ("x",))
    assert parse_args("p", {"guestURL": "file://a.wasm", "Args": ["y"]}).args == ("y",)
    assert parse_args("p", {"guestURL": "u", "guestConfig": None}) == GuestArgs("u")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({}, "wasm: guestURL is required"),
        ({"guestURL": ""}, "wasm: guestURL is required"),
        ({"guestURL": 3}, "pluginConfig p: guestURL must be of type str"),
        ({"guestURL": "u", "guestConfig": {}}, "pluginConfig p: guestConfig must be of type str"),
        ({"guestURL": "u", "logSeverity": True}, "pluginConfig p: logSeverity must be of type int"),
        ({"guestURL": "u", "logSeverity": -1}, "pluginConfig p: logSeverity -1 is out of range (0 to 2147483647)"),
        ({"guestURL": "u", "args": [1]}, "pluginConfig p: args must be a list of strings"),
        ({"guestURL": "u", "guestUrl": "v"}, "pluginConfig p: unknown key guestUrl; did you mean guestURL?"),
    ],
)
def test_bad_args(args: dict[str, Any], text: str):
    with pytest.raises(ConfigError) as caught:
        parse_args("p", args)
    assert str(caught.value) == text


FILES = {"../a.wasm": b"a", "/b.wasm": b"b"}


async def read_file(path: str) -> bytes:
    if path == "/folder":
        raise IsADirectoryError(21, "Is a directory", path)
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory", path)
    return FILES[path]


async def fetch(url: str) -> tuple[int, bytes]:
    if "away" in url:
        raise PeerError("connection refused")
    return (200, url.encode()) if "good" in url else (404, b"not here")


@pytest.mark.parametrize(
    ("url", "data"),
    [
        ("file://../a.wasm", b"a"),
        ("file:///b.wasm", b"b"),
        ("http://good/x", b"http://good/x"),
        ("https://good/y", b"https://good/y"),
    ],
)
def test_reading(url: str, data: bytes):
    assert run_now(read_guest(url, read_file, fetch)) == data


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("a.wasm", "invalid URL: a.wasm"),
        ("ftp://a", "unsupported URL scheme: ftp"),
        ("file:///c.wasm", "open /c.wasm: no such file or directory"),
        ("file:///folder", "read /folder: is a directory"),
        ("http://bad/x", 'received 404 status code from "http://bad/x"'),
        ("https://away", "connection refused"),
    ],
)
def test_what_cannot_be_read(url: str, cause: str):
    with pytest.raises(ConfigError) as caught:
        run_now(read_guest(url, read_file, fetch))
    assert str(caught.value) == f"wasm: error reading guestURL {url}: {cause}"
