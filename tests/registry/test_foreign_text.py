"""Addresses and tokens out of an answer: what is taken, and what is said of the rest."""

import pytest

from edged.errors import PeerError
from edged.registry.foreign_text import bearer_token, joined, shortened, shown, web_address
from tests.hostile_values import STRINGS, anything


@pytest.mark.parametrize(
    "url",
    ["https://ghcr.io/v2/", "http://h:5000/x?a=b#c", "https://[::1]:5000/", "https://user:pw@h/",
     "https://xn--bcher-kva/", "https://127.0.0.1", "https://[fe80::1%25eth0]/"],
)  # fmt: skip
def test_web_addresses(url):
    assert web_address(url).geturl() == url


@pytest.mark.parametrize(
    "url",
    ["", "x", "//h/x", "file:///etc/passwd", "https:///x", "http://[::1", "https://[", "https://h:99999/",
     "https://h:-1/", "https://h:0/", "https://h:abc/", "https://a..b/", f"https://{'a' * 64}.example/", "https://.h/", "https://[v1.x]/"],
)  # fmt: skip
def test_what_is_no_web_address(url):
    with pytest.raises(PeerError, match="is not a web address"):
        web_address(url)


def test_no_text_raises_anything_else():
    for text in STRINGS:
        for url in (text, f"https://{text}", f"https://h:{text}/", f"https://h/{text}", f"https://{text}@h/"):
            for check in (web_address, lambda url: joined("https://h/x", url), bearer_token):
                try:
                    check(url)
                except PeerError as error:
                    assert len(str(error)) < 500 and str(error).isprintable()


def test_tokens():
    assert bearer_token("eyJhbGciOi.J-_~+/=") == "eyJhbGciOi.J-_~+/="
    for value in (None, "", 5, [], {}, "a b", "a\nb", "té", "a\0", "x" * 100_000):
        with pytest.raises(PeerError):
            bearer_token(value)


def test_what_is_shown_is_short_and_printable():
    assert shown("text/plain") == "'text/plain'" and shown(None) == "nothing" and shown(5) == "a number"
    assert shortened("\x1b[2Jx\ny") == " [2Jx y"
    for value in anything(yaml=True):
        assert len(shown(value)) < 300 and shown(value).isprintable()
