"""Files and folders of the daemon: whether they are there, and whether its user can use them.

These checks run as that user (account.py), so that the kernel answers. What the unit hides from the daemon although
its user could read it (ProtectHome=, PrivateTmp=) is looked up in the unit.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from edged.cli.doctor.account import Account, group_of
from edged.cli.doctor.findings import FAIL, OK, WARN, Finding, judged
from edged.cli.doctor.unit import Unit
from edged.config import Config
from edged.process.config import NodeConfig
from edged.wasm.compile import CacheUntrusted, check_folder

_CACHE_MIB = 200
_STATE_MIB = 20
_READABLE_BY_ALL = stat.S_IRGRP | stat.S_IROTH


def findings(config: Config, account: Account, unit: Unit) -> Iterator[Finding]:
    node = config.node
    own = f"{account.name}:{group_of(account)}"
    for name, path, key in (("state_dir", node.state_dir, "StateDirectory"),
                            ("cache_dir", node.cache_dir, "CacheDirectory")):  # fmt: skip
        yield _folder(f"[node] {name}", Path(path), own, key, unit)
    folder = Path(node.socket).parent
    yield _socket_folder(folder, node.socket, own, made_by_systemd=unit.makes("RuntimeDirectory", str(folder)),
                         has_unit=unit.path is not None)
    cache, state = _existing(Path(node.cache_dir)), _existing(Path(node.state_dir))
    yield _room("disk", "cache_dir", cache, node.cache_dir, "compiled modules", _CACHE_MIB)
    if os.stat(cache).st_dev != os.stat(state).st_dev:
        purpose = "certificates and stored modules"
        yield _room("disk of state_dir", "state_dir", state, node.state_dir, purpose, _STATE_MIB)


def kubeconfig(config: Config, account: Account, unit: Unit) -> Iterator[Finding]:
    """The configured file. Where none is named, the API server's check says what was found."""
    path = config.kubernetes.kubeconfig
    if not path:
        return
    check, owner = "[kubernetes] kubeconfig", f"{account.name}:{group_of(account)}"
    if path.startswith("/run/credentials/") and unit.values.get("LoadCredential"):
        yield Finding(check, OK, f"{path}: systemd shows it to the daemon when it starts (LoadCredential=)")
    elif problem := unit.hides(path) or unreadable(path):
        missing = not os.path.lexists(path) and not closed_folder(Path(path))
        remedy = "edged init" if missing else f"chown {owner} {path} && chmod 0600 {path}"
        yield Finding(check, FAIL, problem, _moved(path) if unit.hides(path) else remedy)
    else:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        open_to = f"{path} can be read by other users (mode {mode:04o})" if mode & _READABLE_BY_ALL else None
        yield judged(check, open_to, path, f"chown {owner} {path} && chmod 0600 {path}", bad=WARN)


def unreadable(path: str) -> str | None:
    """Why this user cannot read a file; None where it can."""
    try:
        with open(path, "rb"):
            return None
    except PermissionError:
        return f"{path}: Permission denied: {closed_folder(Path(path)) or f'user {os.geteuid()} may not read it'}"
    except OSError as error:
        return f"{path}: {error.strerror}"


def closed_folder(path: Path) -> str:
    """Why this user does not get as far as `path`; "" where it does. What is behind a closed folder is not known."""
    for place in reversed(path.parents):
        if os.path.isdir(place) and not os.access(place, os.X_OK, effective_ids=True):
            return f"user {os.geteuid()} may not enter {place}"
    return ""


def _moved(path: str) -> str:
    return f"put a copy into /etc/edged and name it in the configuration instead of {path}"


def _folder(check: str, path: Path, own: str, key: str, unit: Unit) -> Finding:
    """A folder that edged keeps files in, and would not trust if others could write it. `key`: of the unit, for folders
    that systemd makes."""
    made_by_systemd = unit.makes(key, str(path))
    if not made_by_systemd and not unit.may_write(str(path)):
        return Finding(check, FAIL, f"{path}: {unit.path} keeps the daemon from writing there", "edged init")
    make = f"install -d -m 0700 -o {own.partition(':')[0]} -g {own.partition(':')[2]} {path}"
    if barred := closed_folder(path):
        return Finding(check, FAIL, f"{path}: {barred}", f"chmod a+x {barred.rpartition(' ')[2]}")
    if not os.path.lexists(path):
        if made_by_systemd:
            return Finding(check, OK, f"{path}: systemd makes it when the service starts")
        problem = _unwritable(path.parent)
        missing = f"{path} does not exist and cannot be created: {problem}" if problem else None
        return judged(check, missing, f"{path} is made at start", make)
    problem = _unwritable(path)
    remedy = _taken(path, own) if os.path.isdir(path) else f"rm {path} && {make}"
    if not problem:
        try:
            check_folder(path)
        except CacheUntrusted as error:
            problem, remedy = str(error), _closed(path, own)
    return judged(check, problem, str(path), remedy)


def _taken(path: Path, own: str) -> str:
    """What makes a folder the daemon's. One with another name may hold what is others', such as /var/lib."""
    if path.name == "edged" or (os.access(path, os.R_OK, effective_ids=True) and not os.listdir(path)):
        return f"chown -R {own} {path} && chmod 0700 {path}"
    return f"name a folder of edged's own in the configuration, such as {path / 'edged'}, then edged init"


def _closed(path: Path, own: str) -> str:
    """What takes the right to write from others: of the folder, or of the one above it that is open."""
    for place in (path, *path.parents):
        status = os.lstat(place)
        if stat.S_ISLNK(status.st_mode):
            return f"name the folder itself in the configuration: {os.path.realpath(place)}, not a link to it"
        if place == path and status.st_uid != os.geteuid():
            return _taken(path, own)
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not (status.st_mode & stat.S_ISVTX and place != path):
            return f"chmod go-w {place}"
    return _taken(path, own)


def _socket_folder(folder: Path, socket: str, own: str, *, made_by_systemd: bool, has_unit: bool) -> Finding:
    if made_by_systemd and not os.path.lexists(folder):
        return Finding("[node] socket", OK, f"{socket}: systemd makes {folder} when the service starts")
    if not has_unit and folder == Path(NodeConfig().socket).parent and not os.path.lexists(folder):
        why = f"{folder} does not exist: the unit makes it when the service starts, and there is no unit"
        return Finding("[node] socket", WARN, why, "edged init")
    user, _, group = own.partition(":")
    remedy = f"chown {own} {folder}" if os.path.isdir(folder) else f"install -d -m 0750 -o {user} -g {group} {folder}"
    return judged("[node] socket", _unwritable(folder), socket, remedy, bad=WARN)  # the daemon runs without it, too


def _unwritable(path: Path) -> str | None:
    if barred := closed_folder(path):
        return barred
    if not os.path.exists(path):
        return f"{path} does not exist"
    if not os.path.isdir(path):
        return f"{path} is not a directory"
    allowed = os.access(path, os.W_OK | os.X_OK, effective_ids=True)
    return None if allowed else f"{path} is not writable for user {os.geteuid()}"


def _room(check: str, key: str, place: Path, folder: str, purpose: str, needed: int) -> Finding:
    """Whether the file system of `place` has room for what edged keeps in `folder`."""
    found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize >> 20
    problem = f"{folder}: {free} MiB free for {purpose}, {needed} needed" if free < needed else None
    remedy = f"free some space, or name a folder on another disk: [node] {key} (now {folder})"
    return judged(check, problem, f"{free} MiB free for {purpose}", remedy, bad=WARN)


def _existing(path: Path) -> Path:
    """The folder itself, or the one above it in which it would be made."""
    while not os.path.exists(path):
        path = path.parent
    return path
