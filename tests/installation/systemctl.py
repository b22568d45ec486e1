#!/usr/bin/python3
"""A stand-in for systemctl and journalctl, for a root directory in which no systemd runs.

machine.py puts it into the root under both names. Debian's own Python runs it there, so it uses the standard library of
Python 3.11 alone. It reads units where systemd does, drop-ins included, and keeps what it read until `daemon-reload`.
It starts the service as its user, with its directories, umask, limits and environment, and with the parts of systemd's
sandbox that a service can stumble over: read-only file systems, hidden homes, a private /tmp, a /proc of processes
alone, no capabilities. It waits for READY=1, watches the heartbeat and restarts as the unit says.

A setting that is neither applied nor listed in LEFT_OUT ends in an error, so that nothing of a unit is lost silently.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

UNIT_FOLDERS = tuple(f"{base}/systemd/system" for base in ("/etc", "/run", "/usr/local/lib", "/usr/lib"))
STATE = Path("/run/stand-in")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
BASES = {"State": "/var/lib", "Cache": "/var/cache", "Logs": "/var/log", "Runtime": "/run", "Configuration": "/etc"}
APPLIED = {
    "Type", "ExecStart", "ExecReload", "Restart", "RestartSec", "RestartPreventExitStatus", "WatchdogSec",
    "TimeoutStartSec", "TimeoutStopSec", "User", "Group", "SupplementaryGroups", "UMask", "Environment", "LimitNOFILE",
    "LimitCORE", "NoNewPrivileges", "CapabilityBoundingSet", "ProtectSystem", "ReadWritePaths", "ProtectHome",
    "ProtectProc", "ProcSubset", "PrivateTmp", *(f"{name}Directory" for name in BASES),
    *(f"{name}DirectoryMode" for name in BASES),
}  # fmt: skip
# They need cgroups, seccomp or user namespaces, or change nothing that a service of one process could notice.
LEFT_OUT = {
    "OOMScoreAdjust", "OOMPolicy", "MemoryMax", "TasksMax", "AmbientCapabilities", "PrivateDevices", "DevicePolicy",
    "PrivateUsers", "ProtectHostname", "ProtectClock", "ProtectKernelTunables", "ProtectKernelModules",
    "ProtectKernelLogs", "ProtectControlGroups", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
    "RestrictAddressFamilies", "LockPersonality", "RemoveIPC", "KeyringMode", "SystemCallArchitectures",
    "SystemCallFilter", "SystemCallErrorNumber", "IPAddressDeny", "IPAddressAllow",
}  # fmt: skip

Settings = dict[str, dict[str, list[str]]]


class Failed(Exception):
    """What systemctl prints to stderr, and its exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


# --- units


def parse(texts: list[str]) -> Settings:
    """Section -> key -> values, of a unit and its drop-ins in order. An empty value forgets those before it."""
    found: Settings = {}
    for text in texts:
        section: dict[str, list[str]] = {}
        for line in text.replace("\\\n", " ").splitlines():
            line = line.strip()
            if line.startswith("["):
                section = found.setdefault(line.strip("[]"), {})
            elif line and line[0] not in "#;":
                key, _, value = line.partition("=")
                values = section.setdefault(key.strip(), [])
                if value.strip():
                    values.append(value.strip())
                else:
                    values.clear()
    return found


def systemd_version() -> int:
    """The one of this Debian release."""
    release = Path("/etc/debian_version").read_text().partition(".")[0]
    return {"12": 252, "13": 257}[release]


def file_of(name: str) -> Path | None:
    return next((path for folder in UNIT_FOLDERS if (path := Path(folder, name)).exists()), None)


def read_from_disk(name: str) -> Settings:
    path = file_of(name)
    if path is None:
        raise Failed(f"Unit {name} could not be found.", 5)
    drop_ins = [drop_in for folder in UNIT_FOLDERS for drop_in in Path(folder, f"{name}.d").glob("*.conf")]
    return parse([path.read_text(), *(drop_in.read_text() for drop_in in sorted(drop_ins, key=lambda one: one.name))])


def loaded(name: str) -> Settings:
    """The unit as it was last read: while it runs or has failed that is not what the disk has now."""
    kept = STATE / name / "unit"
    if kept.exists():
        settings: Settings = json.loads(kept.read_text())
        if settings != (read_from_disk(name) if file_of(name) else {}):
            say(
                f"Warning: The unit file, source configuration file or drop-ins of {name} changed on disk. "
                "Run 'systemctl daemon-reload' to reload units."
            )
        return settings
    settings = read_from_disk(name)
    unknown = settings.get("Service", {}).keys() - APPLIED - LEFT_OUT
    if unknown:
        raise Failed(f"the stand-in for systemctl does not know {', '.join(sorted(unknown))}; add it to systemctl.py")
    return settings


def daemon_reload() -> None:
    for kept in STATE.glob("*/unit"):
        name = kept.parent.name
        if file_of(name):
            kept.write_text(json.dumps(read_from_disk(name)))
        elif not is_running(name):
            shutil.rmtree(kept.parent)


class Service:
    """The section of that name, by systemd's rules for single values, lists, times and yes or no."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings.get("Service", {})

    def one(self, key: str, default: str = "") -> str:
        return (self.settings.get(key) or [default])[-1]

    def words(self, key: str) -> list[str]:
        return [word for value in self.settings.get(key, []) for word in shlex.split(value)]

    def on(self, key: str) -> bool:
        return self.one(key).lower() in ("yes", "true", "on", "1")

    def seconds(self, key: str, default: float) -> float:
        value = self.one(key)
        if not value:
            return default
        found = re.fullmatch(r"([\d.]+)\s*(ms|s|sec|min|)", value)
        if not found:
            raise Failed(f"{self.name}: {key}={value} is no time")
        return float(found[1]) * {"ms": 0.001, "min": 60}.get(found[2], 1)

    @property
    def kind(self) -> str:
        """Type=: the last one that this version of systemd knows."""
        known = ["simple", "exec", "notify"] + (["notify-reload"] if systemd_version() >= 253 else [])
        kinds = [value for value in self.settings.get("Type", []) if value in known]
        return kinds[-1] if kinds else "simple"

    @property
    def user(self) -> pwd.struct_passwd:
        return pwd.getpwnam(self.one("User", "root"))

    @property
    def group(self) -> int:
        named = self.one("Group")
        return grp.getgrnam(named).gr_gid if named else self.user.pw_gid

    def directories(self, kind: str) -> list[str]:
        return [f"{BASES[kind]}/{word}" for word in self.words(f"{kind}Directory")]

    def command(self) -> list[str]:
        """ExecStart= with everything around it that changes what the process may do. It execs to the end, so the first
        process is the main one."""
        user = self.user
        groups = ["--init-groups"] if user.pw_uid else ["--clear-groups"]
        privileges = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={self.group}", *groups, "--inh-caps=-all"]
        if "CapabilityBoundingSet" in self.settings and not self.settings["CapabilityBoundingSet"]:
            privileges.append("--bounding-set=-all")
        if self.on("NoNewPrivileges"):
            privileges.append("--no-new-privs")
        script = "\n".join(["set -e", "trap 'exit 226' EXIT", *self._mounts(), *self._limits(), 'exec "$@"'])
        command = shlex.split(self.one("ExecStart"))
        return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, "sh", *privileges, *command]

    def _limits(self) -> list[str]:
        limits = [f"umask {self.one('UMask', '0022')}"]
        for key, letter in (("LimitNOFILE", "n"), ("LimitCORE", "c")):
            if value := self.one(key):
                limits.append(f"ulimit -{letter} {value}")
        return limits

    def _mounts(self) -> list[str]:
        mounts = []
        if self.one("ProtectSystem") == "strict":
            writable = [path for kind in BASES if kind != "Configuration" for path in self.directories(kind)]
            for path in [*writable, *self.words("ReadWritePaths")]:
                optional = path.startswith("-")
                bound = shlex.quote(path.lstrip("-+"))
                mounts.append(f"{f'[ ! -e {bound} ] || ' if optional else ''}mount --bind {bound} {bound}")
            mounts += [f"mount -o remount,bind,ro {path}" for path in ("/", "/run")]
        elif self.one("ProtectSystem") not in ("", "no"):
            raise Failed(f"the stand-in for systemctl does not know ProtectSystem={self.one('ProtectSystem')}")
        if self.on("ProtectHome"):
            mounts += [f"mount -t tmpfs -o mode=000,ro tmpfs {path}" for path in ("/home", "/root")]
        if self.on("PrivateTmp"):
            mounts += [f"mount -t tmpfs -o mode=1777 tmpfs {path}" for path in ("/tmp", "/var/tmp")]
        options = [f"hidepid={self.one('ProtectProc')}"] if self.one("ProtectProc") else []
        options += ["subset=pid"] if self.one("ProcSubset") == "pid" else []
        if options:
            mounts.append(f"mount -t proc -o {','.join(options)} proc /proc")
        return mounts

    def make_directories(self) -> None:
        for kind in BASES:
            mode = int(self.one(f"{kind}DirectoryMode", "0755"), 8)
            for path in map(Path, self.directories(kind)):
                there = path.exists()
                path.mkdir(parents=True, exist_ok=True)
                if kind != "Configuration":
                    path.chmod(mode)
                    own(path, self.user.pw_uid, self.group)
                elif not there:
                    path.chmod(mode)

    def environment(self, notify: Path, main_pid: str = "") -> dict[str, str]:
        user = self.user
        made = {"PATH": PATH, "LANG": "C.UTF-8", "INVOCATION_ID": os.urandom(16).hex()}
        if self.one("User"):
            made |= {"USER": user.pw_name, "LOGNAME": user.pw_name, "HOME": user.pw_dir, "SHELL": user.pw_shell}
        for kind in BASES:
            if found := self.directories(kind):
                made[f"{kind.upper()}_DIRECTORY"] = ":".join(found)
        if self.kind.startswith("notify"):
            made["NOTIFY_SOCKET"] = str(notify)
        if period := self.seconds("WatchdogSec", 0):
            made["WATCHDOG_USEC"] = str(int(period * 1_000_000))
        if main_pid:
            made["MAINPID"] = main_pid
        return made | dict(word.split("=", 1) for word in self.words("Environment"))


def own(path: Path, uid: int, gid: int) -> None:
    """As systemd: what is below changes its owner only where the directory itself has another one."""
    stat = path.stat()
    if (stat.st_uid, stat.st_gid) == (uid, gid):
        return
    for found in (path, *path.rglob("*")):
        os.chown(found, uid, gid, follow_symlinks=False)


# --- the service at work


class Supervisor:
    """Runs one service until it is told to stop (SIGTERM) or has failed; SIGHUP asks for a reload. What others want to
    know is in files of its folder: state, main, status, result, log."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.folder = STATE / service.name
        self.address = self.folder / "notify"
        self.main: subprocess.Popen[bytes] | None = None
        self.stopping = False
        self.reload_asked = False
        self.reloads = False
        self.ready_at: float | None = None
        self.deadline = 0.0
        self.extended_to = 0.0
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.wake_reader, self.wake_writer = socket.socketpair()

    def run(self) -> None:
        self.address.unlink(missing_ok=True)
        self.notify.bind(str(self.address))
        self.address.chmod(0o777)
        self.notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.wake_writer.setblocking(False)
        signal.set_wakeup_fd(self.wake_writer.fileno())
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._signalled)
        while True:
            code = self._one_run()
            self.say(f"{self.service.name}: Main process exited, status={code}")
            if self.stopping:
                return self.set("inactive")
            restart, never = self.service.one("Restart", "no"), self.service.words("RestartPreventExitStatus")
            if str(code) in never or restart == "no" or (restart == "on-failure" and code == 0):
                return self.set("failed" if code else "inactive")
            self.set("activating", "auto-restart")
            self._wait(self.service.seconds("RestartSec", 0.1), lambda: self.stopping)
            if self.stopping:
                return self.set("inactive")

    def _one_run(self) -> int:
        self.ready_at, self.extended_to = None, 0.0
        self.set("activating", "start")
        self.say(f"Starting {self.service.name}...")
        try:
            self.service.make_directories()
            command = self.service.command()
            environment = self.service.environment(self.address)
        except KeyError as unknown:
            self.say(f"{self.service.name}: Failed to determine user credentials: {unknown}")
            return 217
        with (self.folder / "log").open("ab") as log:
            self.main = subprocess.Popen(
                command, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        (self.folder / "main").write_text(str(self.main.pid))
        if self.service.kind in ("simple", "exec"):
            self._is_ready()
        self._wait(self.service.seconds("TimeoutStartSec", 90), lambda: self.ready_at or self.stopping or self._ended())
        if not self.ready_at and not self.stopping and not self._ended():
            self.say(f"{self.service.name}: start operation timed out. Terminating.")
            self._kill(signal.SIGTERM)
        while not self._ended() and not self.stopping:
            self._wait(None, lambda: self.stopping or self.reload_asked or self._ended() or self._late())
            if self._late() and not self._ended():
                self.say(f"{self.service.name}: Watchdog timeout!")
                self._kill(signal.SIGABRT)
            if self.reload_asked and not self._ended():
                self._reload()
        if not self._ended():
            self.set("deactivating")
            self._kill(signal.SIGTERM)
        assert self.main is not None
        for directory in self.service.directories("Runtime"):
            shutil.rmtree(directory, ignore_errors=True)
        return self.main.returncode

    def _kill(self, number: signal.Signals) -> None:
        assert self.main is not None
        os.kill(self.main.pid, number)
        self._wait(self.service.seconds("TimeoutStopSec", 90), self._ended)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.main.pid, signal.SIGKILL)
        self.main.wait()

    def _reload(self) -> None:
        self.reload_asked = False
        self.set("reloading")
        assert self.main is not None
        self.reloads, began = False, time.monotonic()
        timeout = self.service.seconds("TimeoutStartSec", 90)
        commands = self.service.settings.get("ExecReload", [])
        failed = any(not self._control(command) for command in commands)
        if commands:
            # What the service said meanwhile: one that says it reloads is waited for, any other is done.
            self._wait(0.1, lambda: self.reloads)
            self._wait(timeout, lambda: not self.reloads or self._ended() or self.stopping)
            failed |= self.reloads
        else:
            os.kill(self.main.pid, signal.SIGHUP)
            self._wait(timeout, lambda: (self.ready_at or 0) > began or self._ended() or self.stopping)
            failed = (self.ready_at or 0) <= began
        (self.folder / "reload").write_text("failed" if failed else "done")
        self.set("active")

    def _control(self, command: str) -> bool:
        """ExecReload=, as the unit's user; whether it succeeded."""
        assert self.main is not None
        environment = self.service.environment(self.address, str(self.main.pid))
        words = shlex.split(command.replace("$MAINPID", environment["MAINPID"]))
        process = subprocess.Popen(["runuser", "-u", self.service.user.pw_name, "--", *words], env=environment)
        self._wait(None, lambda: process.poll() is not None)
        if process.returncode:
            self.say(f"{self.service.name}: Control process exited, status={process.returncode}")
        return process.returncode == 0

    def _wait(self, seconds: float | None, until: object) -> None:
        """Takes what systemd is told, until the condition holds or the time is over."""
        assert callable(until)
        deadline = None if seconds is None else time.monotonic() + seconds
        while not until():
            rest = 0.5 if deadline is None else min(0.5, max(deadline, self.extended_to) - time.monotonic())
            if rest <= 0:
                return
            readable, _, _ = select.select([self.notify, self.wake_reader], [], [], rest)
            if self.wake_reader in readable:
                self.wake_reader.recv(4096)
            if self.notify in readable:
                self._hear()

    def _hear(self) -> None:
        """NotifyAccess=main: what other processes say does not count."""
        message, ancillary, _, _ = self.notify.recvmsg(65536, 256)
        senders = [struct.unpack("iii", data[:12])[0] for _, kind, data in ancillary if kind == socket.SCM_CREDENTIALS]
        assert self.main is not None
        if senders != [self.main.pid]:
            self.say(f"{self.service.name}: Got notification message from PID {senders}, which is not the main process")
            return
        told = dict(line.partition("=")[::2] for line in message.decode().splitlines())
        if "STATUS" in told:
            (self.folder / "status").write_text(told["STATUS"])
        if "EXTEND_TIMEOUT_USEC" in told:
            self.extended_to = time.monotonic() + int(told["EXTEND_TIMEOUT_USEC"]) / 1_000_000
        if told.get("WATCHDOG") == "1":
            self._beat()
        self.reloads |= told.get("RELOADING") == "1"
        if told.get("READY") == "1":
            self.reloads = False
            self._is_ready()

    def _is_ready(self) -> None:
        self.ready_at, self.extended_to = time.monotonic(), 0.0
        self._beat()
        if (self.folder / "state").read_text().startswith("activating"):
            self.set("active")
            self.say(f"Started {self.service.name}.")

    def _beat(self) -> None:
        self.deadline = time.monotonic() + self.service.seconds("WatchdogSec", 0)

    def _late(self) -> bool:
        return bool(self.ready_at and self.service.seconds("WatchdogSec", 0) and time.monotonic() > self.deadline)

    def _ended(self) -> bool:
        assert self.main is not None
        return self.main.poll() is not None

    def _signalled(self, number: int, _: object) -> None:
        self.stopping |= number == signal.SIGTERM
        self.reload_asked |= number == signal.SIGHUP

    def set(self, state: str, detail: str = "") -> None:
        temporary = self.folder / "state.new"
        temporary.write_text(f"{state} {detail}".strip())
        temporary.rename(self.folder / "state")

    def say(self, line: str) -> None:
        with (self.folder / "log").open("a") as log:
            log.write(f"systemd[1]: {line}\n")


# --- commands


def say(text: str) -> None:
    print(text, file=sys.stderr)


def state_of(name: str) -> str:
    try:
        return (STATE / name / "state").read_text()
    except OSError:
        return "inactive"


def is_running(name: str) -> bool:
    return not state_of(name).startswith(("inactive", "failed"))


def wait_while(name: str, states: tuple[str, ...], seconds: float = 240.0) -> str:
    deadline = time.monotonic() + seconds
    while state_of(name).startswith(states):
        if time.monotonic() > deadline:
            raise Failed(f"the stand-in for systemctl waited {seconds:.0f} s; {name} is {state_of(name)}")
        time.sleep(0.05)
    return state_of(name)


def start(name: str) -> None:
    if is_running(name):
        return
    service = Service(name, loaded(name))
    folder = STATE / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "unit").write_text(json.dumps(read_from_disk(name) if not (folder / "unit").exists() else loaded(name)))
    supervisor = Supervisor(service)
    supervisor.set("activating", "start")
    pid = os.fork()
    if pid == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        with (folder / "log").open("ab") as log:
            for target, source in ((0, null), (1, log.fileno()), (2, log.fileno())):
                os.dup2(source, target)
        try:
            supervisor.run()
        except BaseException as error:
            supervisor.say(f"the stand-in for systemctl failed: {error!r}")
            supervisor.set("failed")
        os._exit(0)
    (folder / "supervisor").write_text(str(pid))
    if wait_while(name, ("activating start",)) != "active":
        raise Failed(
            f"Job for {name} failed because the control process exited with error code.\n"
            f'See "systemctl status {name}" and "journalctl -xeu {name}" for details.'
        )


def stop(name: str) -> None:
    if not is_running(name) and file_of(name) is None:
        raise Failed(f"Failed to stop {name}: Unit {name} not loaded.", 5)
    if is_running(name):
        os.kill(int((STATE / name / "supervisor").read_text()), signal.SIGTERM)
        wait_while(name, ("active", "activating", "deactivating", "reloading"))
    (STATE / name / "unit").unlink(missing_ok=True)


def restart(name: str) -> None:
    if is_running(name):
        kept = (STATE / name / "unit").read_text()
        stop(name)
        (STATE / name / "unit").write_text(kept)  # a restart does not read the unit again
    start(name)


def reload(name: str) -> None:
    service = Service(name, loaded(name))
    if not service.one("ExecReload") and service.kind != "notify-reload":
        raise Failed(f"Failed to reload {name}: Job type reload is not applicable for unit {name}.")
    if state_of(name) != "active":
        raise Failed(f"{name} is not active, cannot reload.")
    supervisor = int((STATE / name / "supervisor").read_text())
    (STATE / name / "state").write_text("reloading")
    os.kill(supervisor, signal.SIGHUP)
    wait_while(name, ("reloading",))
    if state_of(name) != "active" or (STATE / name / "reload").read_text() != "done":
        raise Failed(
            f"Job for {name} failed because the control process exited with error code.\n"
            f'See "systemctl status {name}" and "journalctl -xeu {name}" for details.'
        )


def links(name: str) -> list[Path]:
    wanted = read_from_disk(name).get("Install", {}).get("WantedBy", [])
    return [Path("/etc/systemd/system", f"{target}.wants", name) for value in wanted for target in value.split()]


def enable(name: str) -> None:
    target = file_of(name)
    if target is None:
        raise Failed(f"Failed to enable unit: Unit file {name} does not exist.")
    for link in links(name):
        if not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
            say(f"Created symlink {link} → {target}.")
    daemon_reload()


def disable(name: str) -> None:
    found = [link for link in Path("/etc/systemd/system").glob("*.wants/*") if link.name == name]
    if not found and file_of(name) is None:
        raise Failed(f"Failed to disable unit: Unit file {name} does not exist.")
    for link in found:
        say(f"Removed {link}.")
        link.unlink()
    daemon_reload()


def is_enabled(name: str) -> bool:
    return any(link.name == name for link in Path("/etc/systemd/system").glob("*.wants/*"))


def status(name: str) -> None:
    path, state = file_of(name), state_of(name)
    if path is None and not is_running(name):
        raise Failed(f"Unit {name} could not be found.", 4)
    told = STATE / name / "status"
    print(f"{name}\n     Loaded: loaded ({path}; {'enabled' if is_enabled(name) else 'disabled'})")
    print(f"     Active: {state}")
    if is_running(name) and told.exists():
        print(f'     Status: "{told.read_text()}"')
    print("", *log_lines(name)[-10:], sep="\n")
    if state != "active":
        raise Failed("", 3)


def log_lines(name: str) -> list[str]:
    log = STATE / name / "log"
    return log.read_text(errors="replace").splitlines() if log.exists() else []


def unit_name(word: str) -> str:
    return word if "." in word else f"{word}.service"


def journalctl(arguments: list[str]) -> None:
    """-u UNIT [-n LINES]; what concerns only pagers is taken too."""
    name, count = "", None
    words = iter([word for word in arguments if word not in ("--no-pager", "-e", "-x", "-xe")])
    for word in words:
        if word in ("-u", "--unit", "-xeu"):
            name = unit_name(next(words))
        elif word in ("-n", "--lines"):
            count = int(next(words))
        else:
            raise Failed(f"the stand-in for journalctl does not know {word}")
    lines = log_lines(name)
    print(*(lines[-count:] if count else lines or ["-- No entries --"]), sep="\n")


def systemctl(arguments: list[str]) -> None:
    if "--version" in arguments:
        return print(f"systemd {systemd_version()} (a stand-in of edged's tests)")
    options = [word for word in arguments if word.startswith("-")]
    command, *names = [word for word in arguments if not word.startswith("-")]
    if unknown := set(options) - {"--now", "--quiet", "-q", "--no-pager", "--no-reload"}:
        raise Failed(f"the stand-in for systemctl does not know {', '.join(unknown)}")
    if command == "daemon-reload":
        return daemon_reload()
    verbs = {
        "start": start, "stop": stop, "restart": restart, "reload": reload, "enable": enable, "disable": disable,
        "status": status,
    }  # fmt: skip
    for name in map(unit_name, names):
        if command == "is-active":
            print(state_of(name).split()[0]) if not {"-q", "--quiet"} & set(options) else None
            if state_of(name) not in ("active", "reloading"):
                raise Failed("", 3)
        elif command == "is-enabled":
            print("enabled" if is_enabled(name) else "disabled" if file_of(name) else "not-found")
            if not is_enabled(name):
                raise Failed("", 1 if file_of(name) else 4)
        elif command in verbs:
            verbs[command](name)
            if "--now" in options:
                {"enable": start, "disable": stop}[command](name)
        else:
            raise Failed(f"Unknown command verb '{command}'.")


def main() -> int:
    program = Path(sys.argv[0]).name
    try:
        (journalctl if program == "journalctl" else systemctl)(sys.argv[1:])
    except Failed as failure:
        if str(failure):
            say(str(failure))
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
