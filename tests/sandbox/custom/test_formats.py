"""edged/sandbox/custom/formats.py."""

from __future__ import annotations

import pytest

from edged.sandbox.custom.formats import FORMATS, fits, known

FITTING = {
    "date-time": "2024-01-02T03:04:05.5+01:00", "date": "2024-02-29", "uuid": "12345678123412341234123456789ABC",
    "uuid4": "12345678-1234-4234-9234-123456789abc", "ipv4": "192.0.2.01", "ipv6": "::1", "cidr": "2001:db8::/32",
    "email": "A <a@example.com>", "hostname": "a-b.example", "uri": "/path", "byte": "YWJj", "duration": "1 day",
    "mac": "0000.5e00.5301", "k8s-short-name": "a-1", "k8s-long-name": "a.b-1", "hexcolor": "abc",
    "rgbcolor": "rgb(1,2,255)", "isbn10": "0321751043", "isbn13": "978-0321751041", "creditcard": "4111 1111 1111 1111",
    "ssn": "123-45-6789", "bsonobjectid": "0123456789abcdef01234567", "isbn": "0-321-75104-3", "password": "",
    "uuid3": "12345678-1234-3234-1234-123456789abc", "uuid5": "12345678-1234-5234-9234-123456789abc",
}  # fmt: skip


@pytest.mark.parametrize("name", FITTING)
def test_fitting(name):
    assert fits(name, FITTING[name])


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"password"}))
def test_nonsense(name):
    assert not fits(name, "no such thing!")


@pytest.mark.parametrize(
    ("name", "text"),
    [("date", "2023-02-29"), ("date-time", "2024-01-02 03:04:05Z"), ("ipv6", "1.2.3.4"), ("cidr", "1.2.3.4/33"),
     ("duration", "5 parsecs"), ("creditcard", "4111111111111112"), ("isbn10", "0321751044")],
)  # fmt: skip
def test_nearly(name, text):
    assert not fits(name, text)


def test_formats_belong_to_types():
    assert known("string", "date-time") and known("", "uuid") and known("integer", "int32")
    assert not known("string", "int32") and not known("number", "int32") and not known("array", "uuid")
