"""What a machine does to a daemon: no name server, a full disk, a full stderr, unreadable files, another time."""

from __future__ import annotations

import os
import signal
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import wasmtime

from edged.wasm.binary import append_custom_section
from edged.wasm.compile import METADATA_SECTION
from tests.cluster.edged import pod, policy, wait_for
from tests.cluster.process import Process
from tests.fire.cases.mixed import policies
from tests.fire.context import NO_PRIVILEGED, Context, FireDaemon
from tests.fire.machine import NOBODY, Clock, as_nobody, black_hole, fill, small_disk, with_resolv_conf
from tests.fire.reviews import Question, Reviews, privileged_questions
from tests.fire.rows import Row, Tally

DAYS = 86400.0
PATIENT, WAITS = "[engine]\nwall_timeout_s = 20.0\n", {"webhook_timeout_s": 30}
HEALED_S = 30.0
RELOAD_S = 30.0
METADATA = orjson.dumps({"protocolVersion": "v1", "rules": [], "mutating": False})
ASKS_FOR_A_NAME = """
(module
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_response" (func $response (param i32 i32)))
  (import "wapc" "__guest_error" (func $error (param i32 i32)))
  (import "wapc" "__host_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wapc" "__host_error_len" (func $error_len (result i32)))
  (import "wapc" "__host_error" (func $host_error (param i32)))
  (memory (export "memory") 4)
  (data (i32.const 0) "kubewarden")
  (data (i32.const 16) "net")
  (data (i32.const 32) "v1/dns_lookup_host")
  (data (i32.const 64) "{\\22accepted\\22:true}")
  (data (i32.const 96) "{\\22valid\\22:true}")
  (func (export "__guest_call") (param i32 i32) (result i32) (local $at i32) (local $end i32)
    (call $request (i32.const 1024) (i32.const 4096))
    (if (i32.eq (local.get 0) (i32.const 17))  ;; "validate_settings"
      (then (call $response (i32.const 96) (i32.const 14)) (return (i32.const 1))))
    (local.set $at (i32.const 4096))
    (block $found (loop $next  ;; "ask":" of the settings
      (br_if $found (i64.eq (i64.const 0x223a226b736122)
        (i64.and (i64.load (local.get $at)) (i64.const 0xffffffffffffff))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next)))
    (local.set $at (i32.add (local.get $at) (i32.const 6)))
    (local.set $end (i32.add (local.get $at) (i32.const 1)))
    (block $closed (loop $next
      (br_if $closed (i32.eq (i32.load8_u (local.get $end)) (i32.const 34)))
      (local.set $end (i32.add (local.get $end) (i32.const 1)))
      (br $next)))
    (if (i32.eqz (call $call (i32.const 0) (i32.const 10) (i32.const 16) (i32.const 3) (i32.const 32) (i32.const 18)
                             (local.get $at) (i32.sub (i32.add (local.get $end) (i32.const 1)) (local.get $at))))
      (then (call $host_error (i32.const 65536)) (call $error (i32.const 65536) (call $error_len))
            (return (i32.const 0))))
    (call $response (i32.const 64) (i32.const 17))
    (i32.const 1)))
"""
"""Looks up the name that its settings give as `ask`."""


def asking_for_names(folder: Path, count: int) -> list[dict[str, Any]]:
    """So many policies of one module, each with a name of its own."""
    module = folder / "asks.wasm"
    wasm = bytes(wasmtime.wat2wasm(ASKS_FOR_A_NAME))
    module.write_bytes(append_custom_section(wasm, METADATA_SECTION, METADATA))
    common = {"module": f"file://{module}", "host_capabilities": ["net/v1/dns_lookup_host"], "rules": []}
    return [{"name": f"dns-{n}", "settings": {"ask": f"host-{n}.example"}, **common} for n in range(count)]


def kubeconfig_with_name(path: Path) -> Path:
    """Of an API server whose address has to be looked up."""
    document = {
        "clusters": [{"name": "c", "cluster": {"server": "https://api.example:6443"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_bytes(orjson.dumps(document))
    return path


def names_away(context: Context, tally: Tally) -> None:
    """Questions for names hang; the reviews of others, and a reload that reads files, do not."""
    count = context.scaled(100, 60)
    asks = asking_for_names(context.folder, count)
    kubeconfig = kubeconfig_with_name(context.folder / "kubeconfig")
    with black_hole() as address:
        resolv = context.folder / "resolv.conf"
        resolv.write_text(f"nameserver {address}\n")
        launcher = with_resolv_conf(resolv)
        with context.edged(policies=[NO_PRIVILEGED, *asks], kubeconfig=kubeconfig, launcher=launcher) as edged:
            hang = [Question(f"dns-{n}", pod("x"), False, code=500) for n in range(count)]
            with (
                Reviews(edged, tally, hang, threads=context.scaled(60, 50), late_s=5.0) as asked,
                Reviews(edged, tally, privileged_questions(), threads=2, pause_s=0.02, late_s=1.0) as beside,
            ):
                time.sleep(context.scaled(30.0, 5.0))
                _reload_in_time(edged, tally, [NO_PRIVILEGED, policy("new", "pod-privileged"), *asks])
                answer = edged.review("new", pod("x", privileged=True))
                tally.check(not answer["allowed"], f"the new policy: {answer}")
            tally.figures |= {"asked": asked.answered, "slowest_s": round(beside.slowest_s, 2)}


def _reload_in_time(edged: FireDaemon, tally: Tally, configured: list[dict[str, Any]]) -> None:
    edged.configure(configured)
    begun = time.monotonic()
    error = edged.reload()
    tally.check(error == "", f"reload: {error}")
    if (took := time.monotonic() - begun) > RELOAD_S:
        tally.add_late(f"a reload took {took:.0f} s")


def disk_full(context: Context, tally: Tally) -> None:
    """state_dir takes nothing more: at a start the exit code is one that systemd tries again, later nobody notices."""
    with context.unstarted(policies=policies(0)[:1]) as edged, small_disk(edged.state_dir, "2m"):
        filler = fill(edged.state_dir)
        edged.process = Process(edged._command(), edged.log_file, edged._environment())
        with suppress(AssertionError):
            wait_for(lambda: edged.pid() is None or edged.is_serving(), "an end or a start", seconds=30)
        code = edged.process.exit_code
        tally.check(code in (None, 1), f"a start on a full disk: exit code {code}: {edged.log[-500:]}")
        filler.unlink()
        edged.kill()
        edged.start()
        with Reviews(edged, tally, privileged_questions(), pause_s=0.02) as reviews:
            filler = fill(edged.state_dir)
            for version in range(context.scaled(10, 2)):
                edged.configure([policy("no-privileged", "pod-privileged", message=f"version {version}.")])
                edged.reload()
                reviews.more(20)
            edged.configure([policy("no-privileged", "pod-privileged", message="healed.")])
            filler.unlink()
            tally.check((error := edged.reload()) == "", f"a reload with room again: {error}")
            said = edged.review("no-privileged", pod("x", privileged=True))["status"]["message"]
            tally.check(said == "healed.", f"with room again: {said}")
        tally.check(edged.pid() is not None, f"it ended: {edged.log[-500:]}")


def stderr_full(context: Context, tally: Tally) -> None:
    """No log line can be written."""
    launcher = ["/bin/sh", "-c", 'exec "$@" >/dev/full 2>&1', "sh"]
    with (
        context.edged(launcher=launcher) as edged,
        Reviews(edged, tally, privileged_questions(), pause_s=0.02) as reviews,
    ):
        for _ in range(context.scaled(5, 2)):
            reviews.more(50)
            before = edged.status()["reloads"]
            edged.signal(signal.SIGHUP)
            wait_for(lambda: edged.status()["reloads"] > before, "a reload")  # noqa: B023
            tally.add_asked()


def permissions(context: Context, tally: Tally) -> None:
    """Not root, and one file after the other cannot be read: the last good state stays, and what heals is used."""
    module = context.folder / "own.wasm"
    module.write_bytes(Path(str(NO_PRIVILEGED["module"]).removeprefix("file://")).read_bytes())
    context.folder.chmod(0o755)
    cache = context.folder / "cache"
    cache.mkdir()
    os.chown(cache, NOBODY, NOBODY)
    own = {"name": "no-privileged", "module": f"file://{module}"}
    tables = {"node": {"cache_dir": str(cache)}}
    launcher = as_nobody(context.folder)
    with context.unstarted(policies=[own], launcher=launcher, tables=tables) as edged:
        for path in (edged.folder, edged.config):
            os.chown(path, NOBODY, NOBODY)
        edged.start()
        with Reviews(edged, tally, privileged_questions(), pause_s=0.02) as reviews:
            tls = edged.state_dir / "tls"
            for number, path in enumerate((edged.config, module, edged.state_dir, tls, *sorted(tls.iterdir()), cache)):
                # A file that is not his, in a folder that is.
                edged.configure([own | {"message": f"version {number}."}])
                _unreadable(edged, tally, path, f"version {number}.")
                reviews.more(10)


def _unreadable(edged: FireDaemon, tally: Tally, path: Path, message: str) -> None:
    before = path.stat()
    os.chown(path, 0, 0)
    path.chmod(0)
    edged.reload()
    os.chown(path, before.st_uid, before.st_gid)
    path.chmod(before.st_mode & 0o7777)
    tally.check((error := edged.reload()) == "", f"{path.name} can be read again: {error}")
    said = edged.review("no-privileged", pod("x", privileged=True))["status"]["message"]
    tally.check(said == message, f"{path.name} can be read again: {said} instead of {message}")


def clock_off(context: Context, tally: Tally) -> None:
    """A hundred days forward and back, under load; then back and forward. There even the CA is not valid yet and is
    made anew; nobody whose clock was set in the same way could connect until then, so the load waits for it."""
    clock = Clock(context.folder)
    with context.edged(environment=clock.environment, any_time=True, toml=PATIENT, admission=WAITS) as edged:
        with Reviews(edged, tally, privileged_questions(), pause_s=0.02) as reviews:
            for days in (100, 0):
                clock.set(days * DAYS)
                reviews.more(context.scaled(500, 50))
                _valid_at(edged, tally, time.time() + days * DAYS, f"{days:+} days")
        for days in (-100, 0):
            clock.set(days * DAYS)
            _valid_at(edged, tally, time.time() + days * DAYS, f"{days:+} days")
            with Reviews(edged, tally, privileged_questions(), pause_s=0.02) as reviews:
                reviews.more(context.scaled(500, 50))


def clock_at_start(context: Context, tally: Tally) -> None:
    """A board without a clock: it is 1970 until NTP sets the time, at any moment of the first start."""
    clock = Clock(context.folder)
    for delay_ms in range(0, context.scaled(1500, 1200), context.scaled(50, 400)):
        clock.set(-time.time() + 1000)
        with context.unstarted(environment=clock.environment, any_time=True, toml=PATIENT, admission=WAITS) as edged:
            edged.process = Process(edged._command(), edged.log_file, edged._environment())
            time.sleep(delay_ms / 1000)
            clock.set(0)
            wait_for(lambda: edged.pid() is None or edged.is_serving(), "a start", seconds=30)
            code = edged.process.exit_code
            tally.check(code is None, f"set after {delay_ms} ms: exit code {code}: {edged.log[-500:]}")
            if code is None:
                _valid_at(edged, tally, time.time(), f"set after {delay_ms} ms")
                for question in privileged_questions():
                    wrong = question.wrong(edged.review(question.policy, question.object))
                    tally.check(not wrong, f"set after {delay_ms} ms: {wrong}")


def _valid_at(edged: FireDaemon, tally: Tally, now: float, when: str) -> None:
    """The certificate that is served is valid then, within a moment."""
    limits: list[tuple[float, float]] = []

    def valid() -> bool:
        with suppress(ssl.SSLError):  # between two CAs
            limits[:] = [_validity(edged)]
            return limits[0][0] <= now <= limits[0][1]
        return False

    tally.check(_holds(valid, HEALED_S), f"{when}: the certificate is valid from, to {limits}, it is {now:.0f}")


def _holds(is_so: Callable[[], bool], seconds: float) -> bool:
    with suppress(AssertionError):
        wait_for(is_so, "", seconds=seconds, every_s=0.2)
        return True
    return False


def _validity(edged: FireDaemon) -> tuple[float, float]:
    from cryptography import x509

    connection = edged.connect()
    connection.connect()
    served = connection.sock.getpeercert(binary_form=True)
    connection.close()
    assert isinstance(served, bytes)
    found = x509.load_der_x509_certificate(served)
    return found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()


ROWS = (
    Row("names-away", "name servers that never answer, 100 policies that ask for names", names_away, quick=True),
    Row("disk-full", "state_dir takes nothing more, at a start and later", disk_full, quick=True),
    Row("stderr-full", "no log line can be written", stderr_full, quick=True),
    Row("permissions", "not root, each file unreadable once and readable again", permissions, quick=True),
    Row("clock-off", "the clock 100 days off and back, both ways", clock_off),
    Row("clock-at-start", "1970 until the time is set, at 30 moments of a first start", clock_at_start),
)
