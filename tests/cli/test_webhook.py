"""`edged webhook`: what is printed, written, created and deleted, against a small API server on a socket."""

from __future__ import annotations

import json
import os
import re
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import trio
import yaml

from edged.admission.endpoint.registration_modes import owner_identity
from edged.cli import main as cli
from edged.cli.installation.layout import Distribution, Layout
from edged.cli.webhook.registrations import naming_an_administrator
from edged.errors import PeerError
from edged.http.listener import Listener, bind
from edged.http.messages import Request, Response
from edged.kube.client import ApiError
from edged.telemetry.logs import Logger
from edged.tls.certificates import ensure
from edged.tls.contexts import ServerTls, TlsFiles
from tests.admission.endpoint.fake_server import MWC, VWC, FakeServer, Status

CONFIG = """
[node]
name = "edge-1"
state_dir = "{root}/state"
socket = "{root}/edged.sock"
[kubernetes]
kubeconfig = "{root}/kubeconfig"
[admission]
listen = "127.0.0.1:{port}"
register = "{register}"
static_dir = "{root}/static"
{more}
[[admission.policy]]
name = "no-privileged"
module = "file://{root}/m.wasm"
[[admission.policy]]
name = "watcher"
module = "file://{root}/m.wasm"
mode = "monitor"
rules = [{{ apiGroups = ["*"], apiVersions = ["*"], resources = ["*"], operations = ["CREATE"] }}]
"""
METADATA = {"protocolVersion": "v1", "mutating": False, "executionMode": "kubewarden-wapc", "rules": [
    {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]}


def module() -> bytes:
    """A WebAssembly module that is nothing but policy metadata."""
    name, data = b"io.kubewarden.metadata", json.dumps(METADATA).encode()
    payload = bytes([len(name)]) + name + data
    length = bytes([len(payload) & 0x7F | 0x80, len(payload) >> 7])
    return b"\0asm\1\0\0\0\0" + length + payload


class Api(FakeServer):
    """The fake, reachable over HTTP."""

    async def __call__(self, request: Request) -> Response:
        body = json.loads(request.body) if request.body else None
        try:
            query = dict(parse_qsl(request.query))
            answer = await self.request(request.method, request.path, query=query, body=body)
            return Response(200, json.dumps(answer).encode())
        except Status as error:
            status = {"kind": "Status", "status": "Failure", "message": "no", "code": error.code}
            return Response(error.code, json.dumps(status | error.body).encode())


@contextmanager
def in_thread(handler: Any, tls: ServerTls | None = None) -> Iterator[str]:
    """host:port of a listener in another thread, since commands run a loop of their own."""
    listener = Listener(bind("127.0.0.1:0"), handler, log=Logger(), tls=tls.context if tls else None)
    address, ready, token = listener.addresses[0], threading.Event(), []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(listener.serve)
            token.append((trio.lowlevel.current_trio_token(), nursery.cancel_scope))
            ready.set()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    ready.wait()
    try:
        yield address
    finally:
        token[0][0].run_sync_soon(token[0][1].cancel)
        thread.join()


class Files:
    """A configuration and what it names."""

    def __init__(self, root: Path, server: str) -> None:
        self.root = root
        (root / "state").mkdir()
        (root / "m.wasm").write_bytes(module())
        self.kubeconfig = root / "kubeconfig"
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://{server}"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}))

    def config(self, register: str, port: int = 1, more: str = "") -> str:
        path = self.root / "edged.toml"
        path.write_text(CONFIG.format(root=self.root, register=register, port=port, more=more))
        return str(path)


@pytest.fixture
def api() -> Api:
    api = Api()
    api.addresses = ["127.0.0.1"]
    return api


@pytest.fixture
def files(tmp_path: Path, api: Api) -> Iterator[Files]:
    with in_thread(api) as server:
        yield Files(tmp_path, server)


def test_render_dynamic(files, capsys):
    ensure(files.root / "state", ["127.0.0.1"], time.time())
    assert cli.main(["webhook", "render", "--config", files.config("dynamic")]) == 0
    (obj,) = yaml.safe_load_all(capsys.readouterr().out)
    resources = {hook["failurePolicy"]: hook["rules"][0]["resources"] for hook in obj["webhooks"]}
    assert resources == {"Fail": ["pods"], "Ignore": ["*"]}
    assert all(hook["clientConfig"]["caBundle"] for hook in obj["webhooks"])


def test_render_static_prints_what_the_api_server_needs(files, capsys):
    assert cli.main(["webhook", "render", "-o", "json", "--config", files.config("static")]) == 0
    shown = capsys.readouterr()
    kinds = [item["kind"] for item in json.loads(shown.out)["items"]]
    assert kinds == ["ValidatingWebhookConfiguration", "Config", "AdmissionConfiguration"]
    assert "no caBundle shown" in shown.err


def test_render_selectors(files, capsys):
    assert cli.main(["webhook", "render", "--selectors", "--config", files.config("dynamic")]) == 0
    shown = {tuple(each["policies"]): each for each in yaml.safe_load(capsys.readouterr().out)}
    first, second = shown["no-privileged",], shown["watcher",]
    assert first["webhook"].endswith(".webhooks.edged.dev") and "kube-system" in str(first["namespaceSelector"])
    assert "leases" in str(second["matchConditions"])
    assert cli.main(["webhook", "render", "--selectors", "--config", files.config("none")]) == 0
    assert [each["policy"] for each in yaml.safe_load(capsys.readouterr().out)] == ["no-privileged", "watcher"]


def test_render_reports_a_policy_that_cannot_be_registered(files, capsys):
    (files.root / "m.wasm").unlink()
    assert cli.main(["webhook", "render", "--config", files.config("dynamic")]) == 1
    shown = capsys.readouterr()
    assert "policy no-privileged is not registered" in shown.err and "m.wasm" in shown.err
    assert shown.out.count("name: shared-") == 1  # the other one's


def test_install_dynamic_prepares_and_waits_for_the_daemon(files, api, capsys):
    path = files.config("dynamic")
    assert cli.main(["webhook", "install", "--config", path]) == 0
    shown = capsys.readouterr()
    assert api.names() == api.names(MWC) == [] and "waiting" in shown.out and shown.err == ""
    for kind in ("Validating", "Mutating"):
        assert f"created   {kind}WebhookConfiguration edged" in shown.out
    assert not (files.root / "static").exists() and not (files.root / "state/tls").exists()
    assert cli.main(["webhook", "install", "--config", path]) == 0
    assert "created" not in capsys.readouterr().out and len(api.writes) == 2


def test_install_uses_the_kubeconfig_of_the_command_line(files, api, capsys):
    path = files.config("dynamic")
    administrator = files.root / "administrator"
    files.kubeconfig.rename(administrator)
    assert cli.main(["webhook", "install", "--config", path]) == 2
    assert cli.main(["webhook", "install", "--config", path, "--kubeconfig", str(administrator)]) == 0
    assert len(api.writes) == 2
    capsys.readouterr()
    assert cli.main(["webhook", "install", "--config", path, "--kubeconfig", str(administrator), "--context", "x"]) == 2
    assert "Context 'x'" in capsys.readouterr().err


def test_install_writes_the_api_servers_files_where_callers_need_a_certificate(files, api, capsys):
    path = files.config("dynamic", more='client_auth = "require"')
    assert cli.main(["webhook", "install", "--config", path]) == 0
    shown = capsys.readouterr()
    key = files.root / "state/tls/kube-apiserver.key"
    assert key.stat().st_mode & 0o777 == 0o600
    kubeconfig = json.loads((files.root / "static/webhook-kubeconfig.json").read_bytes())
    assert kubeconfig["users"] == [{"name": "127.0.0.1:1", "user": {
        "client-certificate": str(key.with_suffix(".crt")), "client-key": str(key)}}]
    configuration = json.loads((files.root / "static/admission-configuration.json").read_bytes())
    assert configuration["plugins"][0]["configuration"]["kubeConfigFile"].endswith("webhook-kubeconfig.json")
    assert "--admission-control-config-file=" in shown.err
    assert cli.main(["webhook", "install", "--config", path]) == 0
    assert "written" not in capsys.readouterr().out and len(api.writes) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be misled by links of the daemon's user")
def test_install_makes_certificates_with_the_rights_of_the_daemons_user(files, api, capsys):
    """Its user could put a link into its state folder that leads to files of root."""
    root, state = files.root, files.root / "state"
    for folder in (root, *root.parents):
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    os.chown(state, 61234, 61234)
    (root / "elsewhere").mkdir(mode=0o755)
    (state / "tls").symlink_to(root / "elsewhere")
    path = files.config("dynamic", more='client_auth = "require"')
    assert cli.main(["webhook", "install", "--config", path]) == 2
    assert "not permitted" in capsys.readouterr().err and not any((root / "elsewhere").iterdir())
    (state / "tls").unlink()
    assert cli.main(["webhook", "install", "--config", path]) == 0
    assert {made.stat().st_uid for made in (state / "tls").iterdir()} == {61234}


def test_install_leaves_an_admission_configuration_with_other_plugins(files, capsys):
    path, theirs = files.config("static"), files.root / "static/admission-configuration.json"
    theirs.parent.mkdir()
    theirs.write_text('{"kind": "AdmissionConfiguration", "plugins": [{"name": "PodSecurity"}]}')
    before = theirs.read_bytes()
    assert cli.main(["webhook", "install", "--config", path]) == 2
    assert f"{theirs} exists" in capsys.readouterr().err and theirs.read_bytes() == before
    assert [each.name for each in theirs.parent.iterdir()] == [theirs.name]
    assert cli.main(["webhook", "install", "--force", "--config", path]) == 0
    assert theirs.read_bytes() != before


@pytest.mark.parametrize("register", ["dynamic", "static"])
def test_install_registers_when_the_daemon_serves(files, api, capsys, register):
    material = ensure(files.root / "state", ["127.0.0.1"], time.time())

    async def nobody(request: Request) -> Response:
        return Response(404)

    with in_thread(nobody, ServerTls(TlsFiles(material.cert, material.key))) as address:
        path = files.config(register, int(address.rpartition(":")[2]))
        assert cli.main(["webhook", "install", "--config", path]) == 0
    assert "registered   no-privileged" in capsys.readouterr().out
    if register == "dynamic":
        assert len(api.names()) == 2
    else:
        manifest = json.loads((files.root / "static/validating/edged.json").read_bytes())
        assert manifest["metadata"]["name"] == "edged.static.k8s.io" and len(manifest["webhooks"]) == 2
        assert (files.root / "static/mutating").is_dir()
        assert api.writes == [("POST", f"{plural}/edged-trial-edge-1") for plural in (VWC, MWC)]
        assert all(not obj["webhooks"] for obj in api.objects.values())


def test_install_nothing(files, capsys):
    assert cli.main(["webhook", "install", "--config", files.config("none")]) == 2
    assert "nothing to install" in capsys.readouterr().err


def test_remove(files, api, capsys):
    path = files.config("dynamic")
    assert cli.main(["webhook", "remove", "--config", path]) == 0
    assert "nothing is registered" in capsys.readouterr().err
    assert cli.main(["webhook", "install", "--config", path]) == 0
    assert cli.main(["webhook", "remove", "--config", path]) == 0
    assert not api.objects and "deleted   ValidatingWebhookConfiguration edged" in capsys.readouterr().out


def test_objects_for_trials_are_made_for_static_registration_and_removed(files, api, capsys):
    path = files.config("static")
    assert cli.main(["webhook", "install", "--config", path]) == 0
    assert "created   ValidatingWebhookConfiguration edged-trial-edge-1" in capsys.readouterr().out
    assert cli.main(["webhook", "install", "--config", path]) == 0
    assert "unchanged   MutatingWebhookConfiguration edged-trial-edge-1" in capsys.readouterr().out
    assert cli.main(["webhook", "remove", "--config", path, "--kubeconfig", str(files.kubeconfig)]) == 0
    assert not api.objects and "deleted   MutatingWebhookConfiguration edged-trial" in capsys.readouterr().out


def test_static_registration_is_installed_without_an_api_server(files, capsys):
    files.kubeconfig.unlink()
    assert cli.main(["webhook", "install", "--config", files.config("static")]) == 0
    shown = capsys.readouterr().out
    assert "no object to try webhooks in was made" in shown and (files.root / "static/validating").is_dir()


def test_an_object_for_trials_of_another_node_is_left_alone(files, api, capsys):
    foreign = {"name": "edged-trial-edge-1", "annotations": {"edged.dev/owner": "edge-9"}}
    api.put(f"{VWC}/edged-trial-edge-1", {"metadata": foreign, "webhooks": []})
    path = files.config("static")
    assert cli.main(["webhook", "install", "--config", path]) == 0
    assert "belongs to edge-9" in capsys.readouterr().out
    assert cli.main(["webhook", "remove", "--config", path, "--kubeconfig", str(files.kubeconfig)]) == 0
    assert api.objects


def test_remove_leaves_foreign_objects_unless_forced(files, api, capsys):
    foreign = {"name": "edged", "annotations": {"edged.dev/owner": "edge-9"}}
    api.put(VWC, {"metadata": foreign, "webhooks": []})
    path = files.config("dynamic")
    assert cli.main(["webhook", "remove", "--config", path]) == 1
    assert VWC in api.objects and "edge-9" in capsys.readouterr().err
    assert cli.main(["webhook", "remove", "--force", "--config", path]) == 0
    assert not api.objects


def test_remove_works_without_a_configuration(files, api, capsys):
    api.put(VWC, {"metadata": {"name": "edged", "annotations": {}}, "webhooks": []})
    broken = files.root / "broken.toml"
    broken.write_text("[admission\n")
    assert cli.main(["webhook", "remove", "--force", "--config", str(broken)]) == 2
    arguments = ["--config", str(broken), "--kubeconfig", str(files.kubeconfig)]
    assert cli.main(["webhook", "remove", "--force", *arguments]) == 0
    assert not api.objects and "continuing without" in capsys.readouterr().err


def test_remove_static_needs_no_api_server(files, capsys):
    files.kubeconfig.unlink()
    path = files.config("static")
    manifest = files.root / "static/validating/edged.json"
    manifest.parent.mkdir(parents=True)
    annotations = {"edged.dev/owner": owner_identity("edge-1")}
    manifest.write_text(json.dumps({"metadata": {"annotations": annotations}}))
    assert cli.main(["webhook", "remove", "--config", path]) == 0
    assert not manifest.exists() and str(manifest) in capsys.readouterr().out


def test_remove_says_when_a_running_daemon_will_undo_it(files, capsys):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(files.root / "edged.sock"))
        sock.listen()
        assert cli.main(["webhook", "remove", "--config", files.config("dynamic")]) == 0
    said = capsys.readouterr().err
    assert "will register again, now or at its next start, if it has the right to: stop it and run this again" in said


def test_an_api_server_that_is_away_is_exit_code_1(files, capsys):
    text = re.sub(r"http://127.0.0.1:[0-9]+", "http://127.0.0.1:1", files.kubeconfig.read_text())
    files.kubeconfig.write_text(text)
    assert cli.main(["webhook", "remove", "--config", files.config("dynamic")]) == 1
    assert "127.0.0.1:1" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["install", "remove"])
def test_what_the_daemons_identity_may_not_do_names_the_administrators_kubeconfig(files, api, capsys, command):
    path = files.config("dynamic")
    if command == "remove":
        assert cli.main(["webhook", "install", "--config", path]) == 0

    def deny(method: str, path: str, body: Any) -> None:
        if method in ("POST", "DELETE"):
            raise Status(403)

    api.deny = deny
    assert cli.main(["webhook", command, "--config", path]) == 1
    error = capsys.readouterr().err
    assert "403" in error and f"administrator: `edged webhook {command} --kubeconfig " in error


def test_the_kubeconfig_of_the_distribution_is_named(tmp_path):
    def layout(*names: str) -> Layout:
        return Layout(distributions=tuple(Distribution(name=name, kubeconfig=tmp_path / name) for name in names))

    (tmp_path / "here").write_text("")
    for names, shown in ((("away", "here"), tmp_path / "here"), (("away",), "FILE")):
        with (
            pytest.raises(PeerError, match=re.escape(f"`edged webhook remove --kubeconfig {shown}`")),
            naming_an_administrator("remove", layout(*names)),
        ):
            raise ApiError(403, "Forbidden", "no")
    with pytest.raises(ApiError, match="409"), naming_an_administrator("remove", layout("here")):
        raise ApiError(409, "Conflict", "no")
