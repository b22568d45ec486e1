"""Servers and programs that edged asks, and that answer without an end, drop by drop, or nonsense: each answer is
bounded in bytes and time, reviews go on, and what heals is used."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import wasmtime

from edged.wasm.binary import append_custom_section
from tests.cluster.differential import DISABLED_ADMISSION
from tests.cluster.edged import MODULES, pod, wait_for
from tests.fire.cases.outages import QUOTA, SCHEDULER
from tests.fire.context import NO_PRIVILEGED, Context, FireDaemon
from tests.fire.hostile_server import ANSWERS, HostileServer
from tests.fire.pods import SPACE, add_nodes, add_pods, wait_bound
from tests.fire.reviews import Question, Reviews, privileged_questions
from tests.fire.rows import Expected, Row, Tally
from tests.registry.fake import MANIFEST, Fake, fake

BOUNDED = Expected(rss_mib=150.0)
"""No answer is worth more memory than this."""
WASM_MODULE = MODULES / "pod-privileged" / "pod-privileged.wasm"
HEALED_S = 30.0
INDEX = "application/vnd.oci.image.index.v1+json"


def kubeconfig(path: Path, url: str, user: dict[str, Any]) -> Path:
    """For one server and one user."""
    document = {
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_bytes(orjson.dumps(document))
    return path


def through_all(context: Context, tally: Tally, server: HostileServer, edged: FireDaemon) -> None:
    """Each answer for a while; the peak after each goes into the figures."""
    peaks: dict[str, int] = {}
    for answer in ANSWERS:
        server.change(answer)
        time.sleep(context.scaled(10.0, 2.0))
        peaks[answer.__name__] = round(edged.sampler.peak_mib)
    tally.figures |= {"peak_mib_after": peaks, "asked": server.asked, "taken_mib": server.sent >> 20}
    tally.check(server.asked > 0, "nobody asked the hostile server")


def api_server(context: Context, tally: Tally) -> None:
    """Informers, registration, the scheduler and its Lease all ask it."""
    lease = '[scheduler]\nnames = ["edged"]\nleader_election = true\n'
    with HostileServer() as server:
        path = kubeconfig(context.folder / "kubeconfig", f"http://{server.host}", {"token": "t"})
        with (
            context.edged(kubeconfig=path, policies=[NO_PRIVILEGED, QUOTA], toml=lease) as edged,
            Reviews(edged, tally, privileged_questions(), threads=2, pause_s=0.02, late_s=2.0),
            Reviews(edged, tally, [Question("quota", pod("x"), False, code=500)], threads=2, pause_s=0.1),
        ):
            through_all(context, tally, server, edged)


def registry(context: Context, tally: Tally) -> None:
    """A policy asks it for a digest in each review, and reloads ask it for modules."""
    with HostileServer() as server:
        sources = context.folder / "sources.yaml"
        sources.write_bytes(orjson.dumps({"insecure_sources": [server.host]}))
        asks = asking_for_digest(context.folder, server.host)
        toml = f'[registry]\nsources = "{sources}"\n'
        with (
            context.edged(policies=[NO_PRIVILEGED, asks], toml=toml) as edged,
            Reviews(edged, tally, privileged_questions(), threads=2, pause_s=0.02, late_s=2.0),
            Reviews(edged, tally, [Question("digest", pod("x"), False, code=500)], threads=2, pause_s=0.1),
        ):
            through_all(context, tally, server, edged)
            module = {"name": "away", "module": f"registry://{server.host}/team/policy:v1"}
            edged.configure([NO_PRIVILEGED, asks, module])
            edged.signal(signal.SIGHUP)
            through_all(context, tally, server, edged)


def asking_for_digest(folder: Path, host: str) -> dict[str, Any]:
    """A policy that asks a registry for a digest."""
    payload = f'\\22{host}/team/image:v1\\22'
    text = DIGEST_POLICY.replace("PAYLOAD", payload).replace("LENGTH", str(len(host) + len("/team/image:v1") + 2))
    metadata = orjson.dumps({"protocolVersion": "v1", "rules": [], "mutating": False})
    module = folder / "digest.wasm"
    section = "io.kubewarden.metadata"
    module.write_bytes(append_custom_section(bytes(wasmtime.wat2wasm(text)), section, metadata))
    granted = {"host_capabilities": ["oci/v1/manifest_digest"], "rules": []}
    return {"name": "digest", "module": f"file://{module}", **granted}


DIGEST_POLICY = """
(module
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_response" (func $response (param i32 i32)))
  (import "wapc" "__guest_error" (func $error (param i32 i32)))
  (import "wapc" "__host_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wapc" "__host_error_len" (func $error_len (result i32)))
  (import "wapc" "__host_error" (func $host_error (param i32)))
  (memory (export "memory") 4)
  (data (i32.const 0) "kubewarden")
  (data (i32.const 16) "oci")
  (data (i32.const 32) "v1/manifest_digest")
  (data (i32.const 64) "{\\22accepted\\22:true}")
  (data (i32.const 96) "{\\22valid\\22:true}")
  (data (i32.const 128) "PAYLOAD")
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $request (i32.const 1024) (i32.const 4096))
    (if (i32.eq (local.get 0) (i32.const 17))  ;; "validate_settings"
      (then (call $response (i32.const 96) (i32.const 14)) (return (i32.const 1))))
    (if (i32.eqz (call $call (i32.const 0) (i32.const 10) (i32.const 16) (i32.const 3) (i32.const 32) (i32.const 18)
                             (i32.const 128) (i32.const LENGTH)))
      (then (call $host_error (i32.const 65536)) (call $error (i32.const 65536) (call $error_len))
            (return (i32.const 0))))
    (call $response (i32.const 64) (i32.const 17))
    (i32.const 1)))
"""


def nonsense(host: str) -> Iterator[tuple[str, Any]]:
    """What a registry says of a manifest, as answers of the fake one."""
    yield "a Location that is no URL", (302, {"Location": "http://[::1"}, b"")
    yield "a Location in a circle", (302, {"Location": "/v2/team/policy/manifests/v1"}, b"")
    for realm in ("http://[::1", "", "file:///etc/passwd", "http://127.0.0.1:1/"):
        yield f"a realm {realm!r}", (401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'}, b"")
    yield "a token that is not ASCII", (
        401, {"WWW-Authenticate": f'Bearer realm="http://{host}/token",service="x"'}, b"",
    )  # fmt: skip
    listed: tuple[Any, ...] = (
        [{"platform": 5}], [{"platform": "linux"}], [None], {}, 5, [{"digest": 5}], [{"digest": "x" * 5000}],
    )  # fmt: skip
    for manifests in listed:
        body = orjson.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
        yield f"an index {str(manifests)[:40]}", (200, {"Content-Type": INDEX}, body)
    for text in (b"[" * 5000, b"null", b"5", b'{"layers":5}', b'{"layers":[{"digest":"sha256:\xff"}]}', b"\xff" * 100):
        yield f"a manifest {text[:20]!r}", (200, {"Content-Type": MANIFEST}, text)


def registry_nonsense(context: Context, tally: Tally) -> None:
    """Each costs one load and nothing else. A registry that heals is used."""
    with fake() as server:
        sources = context.folder / "sources.yaml"
        sources.write_bytes(orjson.dumps({"insecure_sources": [server.host]}))
        server.pages["/token"] = (200, {}, b'{"token":"t\xc3\xb6ken"}')
        toml = f'[registry]\nsources = "{sources}"\n'
        away = {"name": "away", "module": f"registry://{server.host}/team/policy:v1"}
        with (
            context.edged(toml=toml) as edged,
            Reviews(edged, tally, privileged_questions(), threads=2, pause_s=0.02, late_s=2.0),
        ):
            for number, (name, answer) in enumerate(nonsense(server.host)):
                if not context.quick or number % 3 == 0:
                    server.pages["/v2/team/policy/manifests/v1"] = answer
                    edged.configure([NO_PRIVILEGED, away])
                    error = edged.reload()
                    tally.check("away" in error, f"{name}: the reload says {error!r}")
                    tally.check(edged.pid() is not None, f"{name}: edged ended")
            _healed(edged, server, tally)


def _healed(edged: FireDaemon, server: Fake, tally: Tally) -> None:
    server.publish("team/policy", "v1", WASM_MODULE.read_bytes())
    error = edged.reload()
    if error == "":
        response = edged.review("away", pod("x", privileged=True))
        tally.check(not response["allowed"], f"the policy of the healed registry: {response}")
    else:
        tally.add_wrong(f"the registry is well again: {error}")


def extender(context: Context, tally: Tally) -> None:
    """One that may be ignored: Pods are bound without it, in time."""
    with HostileServer() as server, context.cluster(disable_admission=DISABLED_ADMISSION) as cluster:
        file = context.folder / "scheduler.yaml"
        verbs = {"filterVerb": "filter", "prioritizeVerb": "prioritize", "weight": 1}
        entry = {"urlPrefix": f"http://{server.host}", **verbs}
        document = {
            "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": False}, "profiles": [{"schedulerName": "edged"}],
            "extenders": [entry | {"ignorable": True, "httpTimeout": "1s"}],
        }  # fmt: skip
        file.write_bytes(orjson.dumps(document))
        api = cluster.api()
        add_nodes(api, ("a", "b"))
        toml = f'[scheduler]\nconfig = "{file}"\n'
        with context.edged(kubeconfig=cluster.kubeconfig, policies=(), toml=toml) as edged:
            for number, answer in enumerate(ANSWERS):
                server.change(answer)
                add_pods(api, [f"p{number}-{index}" for index in range(2)])
                tally.add_asked(2)
                wait_bound(api, tally, 2 * (number + 1), seconds=20)
                tally.figures[answer.__name__] = round(edged.sampler.peak_mib)
        api.delete(SPACE, grace_period_s=0)


def plugin(context: Context, tally: Tally) -> None:
    """A credential plugin that writes without an end, one that never ends, one that fails."""
    scripts = ("yes", "yes >&2", "sleep 1000", "exit 3", 'printf "{"', "cat /dev/zero", "yes & yes & wait")
    path = context.folder / "kubeconfig"
    with HostileServer() as server:
        url = f"http://{server.host}"

        def use(script: str) -> None:
            command = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh", "args": ["-c", script]}
            kubeconfig(path, url, {"exec": command | {"interactiveMode": "Never"}})

        use("exit 1")
        with (
            context.edged(kubeconfig=path, policies=[NO_PRIVILEGED, QUOTA], toml=SCHEDULER) as edged,
            Reviews(edged, tally, privileged_questions(), threads=2, pause_s=0.02, late_s=2.0),
        ):
            for script in scripts[:: context.scaled(1, 3)]:
                use(script)
                time.sleep(context.scaled(20.0, 8.0))
                tally.figures[script] = round(edged.sampler.peak_mib)
            kubeconfig(path, url, {"token": "t"})
            wait_for(lambda: not _leftovers(edged), "the plugin's processes to end", seconds=HEALED_S)
            tally.add_asked()


def _leftovers(edged: FireDaemon) -> list[str]:
    """Commands of the plugin that are still in the daemon's cgroup."""
    found = []
    for pid in (edged.group.folder / "cgroup.procs").read_text().split():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].rpartition(b"/")[2] in (b"yes", b"sleep", b"cat", b"sh"):
            found.append(words[0].decode())
    return found


ROWS = (
    Row("api-server-hostile", "14 kinds of endless and broken answers of the API server", api_server, BOUNDED),
    Row("registry-hostile", "the same of a registry, for reviews and for loads", registry, BOUNDED, timeout_s=900),
    Row("registry-nonsense", "answers of a registry that make no sense", registry_nonsense, BOUNDED, quick=True),
    Row("extender-hostile", "the same endless and broken answers of an extender", extender, BOUNDED),
    Row("plugin-hostile", "credential plugins without an end", plugin, BOUNDED),
)
