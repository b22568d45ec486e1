"""Kubernetes quantities: values, rounding, canonical text, refusals."""

import pytest

from edged.kube.values.quantity import NANO, QuantityError, canonical, milli, nano, units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("1", 1000),
        ("100m", 100),
        ("0.1", 100),
        ("1.5", 1500),
        (".5", 500),
        ("1.", 1000),
        ("1e3", 1_000_000),
        ("1E-3", 1),
        ("2k", 2_000_000),
        ("1Ki", 1_024_000),
        ("100u", 1),
        ("1n", 1),
        ("0.0005", 1),
        ("-1", -1000),
        ("+3", 3000),
        (2, 2000),
        (0.5, 500),
    ],
)
def test_milli_rounds_up(text, expected):
    assert milli(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1Gi", 1 << 30),
        ("1.5Gi", 3 << 29),
        ("128974848", 128974848),
        ("129e6", 129_000_000),
        ("129M", 129_000_000),
        ("1500m", 2),
        ("1m", 1),
        ("0.1Ki", 103),
        ("1E", 10**18),
        ("1Ei", 1 << 60),
    ],
)
def test_units_round_up(text, expected):
    assert units(text) == expected


def test_below_nano_is_rounded_away_from_zero_and_huge_is_cut():
    assert nano("0.1n") == 1
    assert nano("-0.1n") == -1
    assert nano("99999E") == (2**63 - 1) * NANO


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1.5Gi", "1536Mi"),
        ("1024Ki", "1Mi"),
        ("512", "512"),
        ("0.5Ki", "512"),
        ("100", "100"),
        ("1000", "1k"),
        ("12000", "12k"),
        ("1e3", "1e3"),
        ("5e4", "50e3"),
        ("1e0", "1"),
        ("0Gi", "0"),
        ("1025", "1025"),
        ("1.1Ki", "1126400m"),
        ("-2048Ki", "-2Mi"),
        ("2500M", "2500M"),
    ],
)
def test_canonical_text(text, expected):
    assert canonical(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1.1.M",
        "1+1.0M",
        "0.1mi",
        "aoeu",
        ".5i",
        "1i",
        ".",
        "-",
        "-3.01e-",
        "1kk",
        "٣",
        None,
        True,
        [],
        {},
    ],
)
def test_other_text_is_refused(text):
    with pytest.raises(QuantityError, match="is not a quantity"):
        nano(text)


@pytest.mark.parametrize("text", ["9" * 5000, "-" + "9" * 5000, "0." + "1" * 5000 + "Ki", 10**5000, "1e" + "9" * 5000],
                         ids=["whole", "negative", "fraction", "integer", "exponent"])  # fmt: skip
def test_what_has_thousands_of_digits_is_refused_in_few_words(text):
    with pytest.raises(QuantityError, match="is not a quantity") as refused:
        nano(text)
    assert len(str(refused.value)) < 200
