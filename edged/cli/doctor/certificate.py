"""The certificate that the daemon shows to the API server: whether it is valid, and whether the URL is in it."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edged.admission.config import AdmissionConfig
from edged.cli.doctor.findings import FAIL, OK, WARN, Finding
from edged.cli.doctor.paths import closed_folder, unreadable
from edged.config import Config

if TYPE_CHECKING:
    from cryptography import x509

DAY_S = 86400.0
SOON_S = 14 * DAY_S
"""A certificate that ends within this time should have been renewed by now."""
CHECK = "certificate"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is checked of one. Times are Unix seconds; `names` are DNS names and addresses."""

    begins: float
    ends: float
    names: tuple[str, ...]


def findings(config: Config, now: float, own: str) -> Iterator[Finding]:
    """`now`: Unix time. `own`: user and group of the daemon, for `chown`."""
    admission = config.admission
    if admission is None:
        return
    if admission.tls.cert:
        yield _given(admission, now)
        return
    path = Path(config.node.state_dir) / "tls" / "tls.crt"
    if not os.path.lexists(path) and not closed_folder(path):
        yield Finding(CHECK, OK, "edged makes it when it starts")
        return
    yield _own(path, admission, now, own)


def _own(path: Path, admission: AdmissionConfig, now: float, own: str) -> Finding:
    """Of edged's own CA: the daemon renews it, so one that is nearly over says that no daemon does."""
    if problem := unreadable(str(path)):
        return Finding(CHECK, FAIL, problem, f"chown -R {own} {path.parent}")
    found = read(path)
    if found is None:
        return Finding(CHECK, FAIL, f"{path} holds no certificate", f"rm -r {path.parent} && systemctl restart edged")
    if problem := time_problem(found, now):
        return Finding(CHECK, WARN, f"{path} {problem}", "systemctl restart edged")
    if problem := name_problem(found.names, admission.dialled):
        why = f"{path} {problem}; edged makes another one when it starts"
        return Finding(CHECK, WARN, why, "systemctl restart edged")
    return Finding(CHECK, OK, f"{path}, {_left(found, now)}")


def _given(admission: AdmissionConfig, now: float) -> Finding:
    """The operator's own files."""
    tls = admission.tls
    for name in filter(None, (tls.cert, tls.key, tls.client_ca)):
        if problem := unreadable(name):
            return Finding(CHECK, FAIL, problem, f"put the file there, readable for the daemon: {name}")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.cert, tls.key)
        if tls.client_ca:
            context.load_verify_locations(tls.client_ca)
    except (ssl.SSLError, OSError) as error:
        said = f"[admission] tls cannot be used: {error.reason if isinstance(error, ssl.SSLError) else error}"
        return Finding(CHECK, FAIL, said, f"put a PEM certificate into {tls.cert} and its own key into {tls.key}")
    found = read(Path(tls.cert))
    if found is None:
        return Finding(CHECK, FAIL, f"{tls.cert} holds no certificate", f"put a PEM certificate into {tls.cert}")
    problem = time_problem(found, now)
    if problem:
        over = now >= found.ends or now < found.begins
        remedy = f"put a new one into {tls.cert}; edged notices it within seconds"
        return Finding(CHECK, FAIL if over else WARN, f"{tls.cert} {problem}", remedy)
    if problem := name_problem(found.names, admission.dialled):
        remedy = "use a certificate for that name, or another [admission] url"
        return Finding(CHECK, FAIL, f"{tls.cert} {problem}", remedy)
    return Finding(CHECK, OK, f"{tls.cert}, {_left(found, now)}")


def read(path: Path) -> Certificate | None:
    """The first certificate of a PEM file; None where there is none."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        names = _names(found)
    except (ValueError, OSError):
        return None
    return Certificate(found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp(), names)


def _names(found: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    with suppress(x509.ExtensionNotFound):
        alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        addresses = [str(address) for address in alternative.get_values_for_type(x509.IPAddress)]
        return (*alternative.get_values_for_type(x509.DNSName), *addresses)
    return ()


def time_problem(found: Certificate, now: float) -> str:
    """Why the API server would not take it now or soon; "" where it would."""
    if now < found.begins:
        return "is not valid yet: is the clock of this machine right?"
    if now >= found.ends:
        return f"expired {_days(now - found.ends)} ago"
    return f"expires in {_days(found.ends - now)}" if found.ends - now < SOON_S else ""


def name_problem(names: Sequence[str], url: str) -> str:
    """Why the API server would not accept these names at that URL; "" where it would."""
    host = urlsplit(url).hostname or ""
    if not host or any(_fits(name, host) for name in names):
        return ""
    return f"is for {', '.join(names) or 'no name'}, but the API server dials {host}"


def _fits(name: str, host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(name) == ipaddress.ip_address(host)
    name, host = name.lower(), host.lower()
    return name == host or (name.startswith("*.") and name[1:] == host[host.find(".") :] and "." in host)


def _left(found: Certificate, now: float) -> str:
    return f"valid for {_days(found.ends - now)}"


def _days(seconds: float) -> str:
    return f"{seconds / DAY_S:.0f} days" if seconds >= 2 * DAY_S else f"{seconds / 3600:.0f} hours"
