"""A real registry (distribution) on loopback for tests, with TLS and with whatever way of logging in.

Passwords are checked by the registry itself; tokens come from a small server of ours that signs them, as registries in
the wild leave that to others, too.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import shutil
import socket
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.admission.host.x509_chains import Issued, issue
from tests.registry import build
from tests.registry.fake import Fake

USER, PASSWORD = "edge", "s3cret: with a colon"
# bcrypt, the one kind that the registry knows, and which Python cannot make by itself
_PASSWORD_FILE = "edge:$2b$04$hmSTXDtANY6Q8qkUPDnlku.sw0R8hIc5DnwC0hvTtOJ39ufO0zbLG\n"
READY_S = 30.0


@dataclass(slots=True)
class RealRegistry:
    """Use as a context manager. `login`: "", "password" or "token"."""

    folder: Path
    login: str = ""
    tls: bool = True
    host: str = ""
    ca: Issued = field(default_factory=lambda: _certificate("registry test CA", None, ca=True))
    tokens: Fake | None = None
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RealRegistry:
        self.folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{probe.getsockname()[1]}"
        config = self.folder / "config.json"  # which is YAML, too
        config.write_text(json.dumps(self._config()))
        log = (self.folder / "registry.log").open("wb")
        with log:
            self._process = subprocess.Popen([build.program(), "serve", config], stdout=log, stderr=log)
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self.tokens is not None:
            self.tokens.close()
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def sources(self) -> str:
        """Path of a sources file by which the registry is reached."""
        path = self.folder / "sources.yaml"
        entry: dict[str, Any] = {"insecure_sources": [self.host]}
        if self.tls:
            entry = {"source_authorities": {self.host: [{"type": "Data", "data": self.ca.pem.decode()}]}}
            if self.tokens is not None:
                entry["source_authorities"][self.tokens.host] = [{"type": "Data", "data": self.tokens.authority}]
        path.write_text(json.dumps(entry))
        return str(path)

    def docker_config(self, password: str = PASSWORD) -> str:
        """Path of a folder with docker's config.json that knows the user."""
        folder = self.folder / "docker"
        folder.mkdir(exist_ok=True)
        auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
        (folder / "config.json").write_text(json.dumps({"auths": {self.host: {"auth": auth}}}))
        return str(folder)

    def _config(self) -> dict[str, Any]:
        http: dict[str, Any] = {"addr": self.host, "secret": "not one"}
        if self.tls:
            serving = _certificate("127.0.0.1", self.ca)
            (self.folder / "tls.crt").write_bytes(serving.pem)
            (self.folder / "tls.key").write_bytes(serving.key_pem)
            http["tls"] = {"certificate": str(self.folder / "tls.crt"), "key": str(self.folder / "tls.key")}
        config: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "info", "accesslog": {"disabled": False}},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}, "delete": {"enabled": True}},
            "http": http,
        }
        if self.login:
            config["auth"] = self._password() if self.login == "password" else self._tokens()
        return config

    def _password(self) -> dict[str, Any]:
        path = self.folder / "htpasswd"
        path.write_text(_PASSWORD_FILE)
        return {"htpasswd": {"realm": "tests", "path": str(path)}}

    def _tokens(self) -> dict[str, Any]:
        signer = _certificate("token signer", None)
        (self.folder / "signer.crt").write_bytes(signer.pem)
        self.tokens = Fake(self.folder / "tokens")
        self.tokens.pages["/token"] = lambda method, headers, body: _token(signer, self.tokens, headers)
        return {
            "token": {
                "realm": f"https://{self.tokens.host}/token",
                "service": "registry of tests",
                "issuer": "tests",
                "rootcertbundle": str(self.folder / "signer.crt"),
            }
        }

    def _wait(self) -> None:
        """Until it answers at all."""
        host, port = self.host.split(":")
        until = time.monotonic() + READY_S
        while True:
            try:
                with socket.create_connection((host, int(port)), timeout=1):
                    return
            except OSError:
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > until:
                    said = (self.folder / "registry.log").read_text()[-2000:]
                    raise AssertionError(f"the registry does not run: {said}") from None
                time.sleep(0.02)


def _certificate(name: str, by: Issued | None, *, ca: bool = False) -> Issued:
    """Valid today."""
    now = datetime.now(UTC)
    names = [] if ca else [(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)]
    return issue(name, by, ca=ca, begins=now - timedelta(hours=1), ends=now + timedelta(days=2), extensions=names)


def _token(signer: Issued, server: Fake | None, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """What the token server says: everything to the user, pulling to whoever comes without a name."""
    assert server is not None
    asked = parse_qs(urlsplit(server.asked[-1][1]).query)
    known = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    given = headers.get("authorization", "")
    if given and given != f"Basic {known}":
        return 401, {}, b'{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}'
    access = []
    for scope in asked.get("scope", []):
        kind, name, actions = scope.rsplit(":", 2)
        public = name.startswith("public/")
        allowed = [action for action in actions.split(",") if given or (action == "pull" and public)]
        access.append({"type": kind, "name": name, "actions": allowed})
    now = int(time.time())
    claims = {
        "iss": "tests", "sub": USER if given else "", "aud": "registry of tests", "exp": now + 300, "nbf": now - 10,
        "iat": now, "jti": uuid.uuid4().hex, "access": access,
    }  # fmt: skip
    return 200, {"Content-Type": "application/json"}, json.dumps({"token": _signed(signer, claims)}).encode()


def _signed(signer: Issued, claims: dict[str, Any]) -> str:
    header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(signer.der).decode()]}
    text = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
    r, s = decode_dss_signature(signer.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
