"""What "trusted" means: chains that are good, and each way in which one is not."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from edged.admission.host import x509_trust
from edged.admission.host.x509_trust import EXPIRED, NOT_YET, UNTRUSTED, problem
from tests.admission.host.x509_chains import DAY, NOW, issue

AT = NOW.timestamp()
ROOT = issue("root", ca=True)
MIDDLE = issue("middle", ROOT, ca=True)
LEAF = issue("leaf", MIDDLE)


def ask(leaf, *chain, at=AT, roots=()):
    return problem(leaf.pem, [entry.pem for entry in chain] if chain else None, at, lambda: roots)


def test_a_chain_of_three():
    assert ask(LEAF, MIDDLE, ROOT) == ""


def test_der_and_pem_may_be_mixed():
    assert problem(LEAF.der, [MIDDLE.pem, ROOT.der], AT, list) == ""


def test_intermediates_may_come_in_any_order_and_in_excess():
    upper = issue("upper", ROOT, ca=True)
    lower = issue("lower", upper, ca=True)
    leaf = issue("deep", lower)
    assert ask(leaf, upper, MIDDLE, lower, ROOT) == ""


def test_the_last_one_is_the_only_root():
    assert ask(LEAF, ROOT, MIDDLE) == ""  # a root need not be self-signed
    assert ask(issue("other", ROOT), ROOT, MIDDLE) == UNTRUSTED


def test_a_root_that_issued_nothing_of_it():
    assert ask(LEAF, MIDDLE, issue("root", ca=True)) == UNTRUSTED  # the same name, another key


def test_an_intermediate_that_is_missing():
    assert ask(LEAF, ROOT) == UNTRUSTED


def test_dates_of_the_certificate():
    assert ask(LEAF, MIDDLE, ROOT, at=(NOW + 11 * DAY).timestamp()) == EXPIRED
    assert ask(LEAF, MIDDLE, ROOT, at=(NOW - 11 * DAY).timestamp()) == NOT_YET


def test_dates_come_before_trust():
    assert ask(LEAF, issue("other", ca=True), at=(NOW + 11 * DAY).timestamp()) == EXPIRED


@pytest.mark.parametrize(
    ("begins", "ends", "reason"),
    [(NOW - 9 * DAY, NOW - DAY, EXPIRED), (NOW + DAY, NOW + 9 * DAY, NOT_YET)],
)
def test_dates_of_an_intermediate(begins, ends, reason):
    middle = issue("short", ROOT, ca=True, begins=begins, ends=ends)
    assert ask(issue("leaf", middle), middle, ROOT) == reason


def test_dates_of_the_root_do_not_count():
    root = issue("old", ca=True, begins=NOW - 100 * DAY, ends=NOW - DAY)
    assert ask(issue("leaf", root), root) == ""


def test_two_ways_of_which_one_is_good():
    old = issue("middle", ROOT, ca=True, begins=NOW - 9 * DAY, ends=NOW - DAY)
    new = issue_again(old)
    assert ask(issue("leaf", old), old, new, ROOT) == ""


def issue_again(old):
    """The same name and key, valid now."""
    from cryptography.hazmat.primitives import hashes

    from tests.admission.host.x509_chains import Issued

    builder = (
        x509.CertificateBuilder()
        .subject_name(old.certificate.subject)
        .issuer_name(ROOT.certificate.subject)
        .public_key(old.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(True, None), critical=True)
    )
    return Issued(builder.sign(ROOT.key, hashes.SHA256()), old.key)


def test_an_intermediate_that_is_no_ca():
    middle = issue("plain", ROOT)
    assert ask(issue("leaf", middle), middle, ROOT).endswith("is not a CA")


def test_a_length_that_a_ca_does_not_allow():
    upper = issue("upper", ROOT, ca=True, path_length=0)
    lower = issue("lower", upper, ca=True)
    assert "longer than it allows" in ask(issue("leaf", lower), lower, upper, ROOT)


def test_a_ca_that_may_not_sign_certificates():
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    middle = issue("signer", ROOT, ca=True, extensions=[(usage, True)])
    assert "may not sign certificates" in ask(issue("leaf", middle), middle, ROOT)


def test_name_constraints_of_an_intermediate():
    only = x509.NameConstraints([x509.DNSName("example.com")], None)
    middle = issue("narrow", ROOT, ca=True, extensions=[(only, True)])
    inside = x509.SubjectAlternativeName([x509.DNSName("a.example.com")])
    outside = x509.SubjectAlternativeName([x509.DNSName("example.org")])
    assert ask(issue("leaf", middle, extensions=[(inside, False)]), middle, ROOT) == ""
    assert ask(issue("leaf", middle, extensions=[(outside, False)]), middle, ROOT).startswith(UNTRUSTED)


def test_any_extended_key_usage_will_do():
    for usage in (ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH):
        assert ask(issue("leaf", ROOT, extensions=[(x509.ExtendedKeyUsage([usage]), True)]), ROOT) == ""


def test_a_critical_extension_that_nobody_knows():
    strange = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    assert "nobody understands: 1.3.6.1.4.1.99999.1" in ask(issue("leaf", ROOT, extensions=[(strange, True)]), ROOT)
    assert ask(issue("leaf", ROOT, extensions=[(strange, False)]), ROOT) == ""


def test_a_ca_is_no_end_entity():
    assert "cannot be used as an end entity" in ask(MIDDLE, ROOT)


def test_without_a_chain_the_roots_of_the_host_count():
    direct = issue("direct", ROOT)
    assert ask(direct, roots=[ROOT.certificate]) == ""
    assert ask(LEAF, roots=[ROOT.certificate]) == UNTRUSTED  # there are no intermediates
    assert ask(direct, roots=[]) == UNTRUSTED


def test_an_empty_chain_trusts_nobody():
    assert problem(LEAF.pem, [], AT, lambda: [ROOT.certificate]) == UNTRUSTED


BROKEN = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("content", [b"", b"nonsense", BROKEN])
def test_what_is_no_certificate(content):
    with pytest.raises(ValueError, match="not a certificate"):
        problem(content, None, AT, list)
    with pytest.raises(ValueError, match="not a certificate"):
        problem(LEAF.pem, [content], AT, list)


def test_a_maze_of_intermediates_ends():
    """Certificates that issued each other: the number of signatures that are looked at is bounded."""
    maze = [issue("maze", ca=True) for _ in range(20)]
    assert ask(issue("leaf", maze[0]), *maze, issue("far", ca=True)) == UNTRUSTED


def test_a_certificate_that_is_its_own_root():
    pinned = issue("pinned")
    assert ask(pinned, pinned) == ""


def test_the_roots_of_this_host_can_be_read():
    assert all(isinstance(root, x509.Certificate) for root in x509_trust.host_roots())


def test_instants_at_the_edge():
    end = LEAF.certificate.not_valid_after_utc
    assert ask(LEAF, MIDDLE, ROOT, at=end.timestamp()) == ""
    assert ask(LEAF, MIDDLE, ROOT, at=(end + timedelta(seconds=1)).timestamp()) == EXPIRED
