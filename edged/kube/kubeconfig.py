"""Where the API server is and who we are to it: finding kubeconfig files, reading them, noticing changes.

`open_client` is for commands: read once, fail with a ConfigError. `ClientSource` is for the daemon: waits for
a kubeconfig to appear, reads it again when it, or a certificate it names, changes (k3s rotates them) or the
server answers 401, and swaps the session of its ApiClient. Parsing is lightkube's.

Search order: the configured path (then nothing else); the files of $KUBECONFIG; ~/.kube/config; the service
account of a Pod.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio
from lightkube.config import kubeconfig as lightkube_kubeconfig
from lightkube.config import models as lightkube_models
from lightkube.core import exceptions as lightkube_exceptions

from edged import yaml_text
from edged.errors import ConfigError, did_you_mean_or_all
from edged.kube.client import ApiClient, Session
from edged.process.boundary import boundary
from edged.process.files import FilesRead
from edged.telemetry.logs import Logger

if TYPE_CHECKING:
    from lightkube.config.kubeconfig import SingleConfig

    from edged.kube.config import KubernetesConfig

CHECK_EVERY_S = 5.0
FILE_FIELDS = {  # of clusters and users: paths, relative to the kubeconfig
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}
TEXT_FIELDS = {  # what YAML may have taken for something else
    "cluster": ("server", *FILE_FIELDS["cluster"]),
    "context": ("cluster", "user", "namespace"),
    "user": ("token", "username", "password", *FILE_FIELDS["user"]),
}
UNSUPPORTED = {"cluster": ("proxy-url", "tls-server-name"), "user": ("auth-provider", "as")}


class Location:
    """Which files to look at. `environ` and `service_account` are arguments for the sake of tests."""

    def __init__(
        self,
        kubeconfig: str = "",
        context: str = "",
        *,
        environ: Mapping[str, str] | None = None,
        service_account: str = lightkube_kubeconfig.SERVICE_ACCOUNT,
    ) -> None:
        self.kubeconfig = kubeconfig
        self.context = context
        self._environ = os.environ if environ is None else environ
        self._service_account = service_account

    def candidates(self) -> list[list[Path]]:
        """Groups of kubeconfig files in the order they are tried; the files of one group are merged."""
        if self.kubeconfig:
            return [[Path(self.kubeconfig).expanduser()]]
        named = [
            Path(part).expanduser() for part in self._environ.get("KUBECONFIG", "").split(os.pathsep) if part
        ]
        home = self._environ.get("HOME")
        default = [Path(home, ".kube", "config")] if home else []
        return [group for group in (named, default) if group]

    def __str__(self) -> str:
        places = [str(path) for group in self.candidates() for path in group]
        if not self.kubeconfig:
            places.append("service account of a Pod")
        return ", ".join(places)

    def load(self, files: FilesRead | None = None) -> SingleConfig:
        """The selected context. `files` takes note of what was read, and of what was looked for in vain; without it, as
        in commands, a pipe is read as well. ConfigError: nothing there, or nothing usable."""
        files = files or FilesRead(waiting=True)
        for group in self.candidates():
            for path in group:
                files.note(path)
            present = [path for path in group if _may_be_there(path)]
            if present:
                return self._load_files(present, files)
        if not self.kubeconfig and "KUBERNETES_SERVICE_HOST" in self._environ:
            return self._load_service_account(files)
        raise ConfigError(f"no kubeconfig found; looked at: {self}. [kubernetes] kubeconfig or --kubeconfig names one")

    def _load_files(self, paths: list[Path], files: FilesRead) -> SingleConfig:
        merged: dict[str, Any] = {"clusters": [], "contexts": [], "users": []}
        for path in paths:
            _merge(merged, _read(path, files), path)
        where = ", ".join(map(str, paths))
        try:
            config = lightkube_kubeconfig.KubeConfig.from_dict(merged, fname=paths[0]).get(
                self.context or None
            )
        except lightkube_exceptions.ConfigError as error:
            raise ConfigError(f"{where}: {error}{_hint(merged, self.context)}") from error
        except KeyError as error:
            raise ConfigError(
                f"{where}: the context names a cluster or user that is not there: {error}"
            ) from error
        except (ValueError, TypeError, RecursionError) as error:  # msgspec.ValidationError is a ValueError
            raise ConfigError(f"{where}: {error}") from error
        assert config is not None
        _refuse_unsupported(merged, config, where)
        if config.user is None:
            config = config._replace(user=lightkube_models.User())
        return config

    def _load_service_account(self, files: FilesRead) -> SingleConfig:
        """The token is read again by itself when it is renewed, so it is of interest only while it is not there."""
        try:
            config = lightkube_kubeconfig.KubeConfig.from_service_account(self._service_account).get()
        except (lightkube_exceptions.ConfigError, KeyError, OSError) as error:
            for name in ("token", "namespace"):
                files.note(Path(self._service_account, name))
            raise ConfigError(f"service account {self._service_account}: {error}") from error
        assert config is not None
        return config


def _may_be_there(path: Path) -> bool:
    """Also a file that cannot be looked for, because its folder is closed to this user: reading it says so."""
    try:
        path.stat()
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _read(path: Path, files: FilesRead) -> dict[str, Any]:
    try:
        text = files.read(path)
    except OSError as error:
        raise ConfigError(f"kubeconfig {path} cannot be read: {error.strerror}") from error
    try:
        content = yaml_text.load(text)
    except ValueError as error:
        raise ConfigError(f"kubeconfig {path} is neither YAML nor JSON: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"kubeconfig {path} is empty or not a mapping")
    return content


def _merge(merged: dict[str, Any], content: dict[str, Any], path: Path) -> None:
    """Add what `merged` does not have yet (the first file that names something wins, as in kubectl); file
    names become absolute."""
    current = content.get("current-context")
    if current is not None and not isinstance(current, str):
        raise ConfigError(f"kubeconfig {path}: current-context: must be a name{_in_quotes(current)}")
    if merged.get("current-context") is None and current:
        merged["current-context"] = current
    for section, field in (("clusters", "cluster"), ("contexts", "context"), ("users", "user")):
        known = {entry["name"] for entry in merged[section]}
        for entry in _entries(content, section, field, path):
            if entry["name"] in known:
                continue
            merged[section].append(entry)
            for name in FILE_FIELDS.get(field, ()):
                if entry[field].get(name):
                    entry[field][name] = str(path.parent.absolute() / entry[field][name])


def _entries(content: dict[str, Any], section: str, field: str, path: Path) -> list[dict[str, Any]]:
    """Each with a name and its object; the rest of it is checked by lightkube. Raises ConfigError."""
    entries = content.get(section) or []
    if not isinstance(entries, list):
        raise ConfigError(f"kubeconfig {path}: {section}: must be a list{_in_quotes(entries)}")
    for entry in entries:
        if not (isinstance(entry, dict) and entry.get("name") and isinstance(entry.get(field), dict)):
            raise ConfigError(f"kubeconfig {path}: {section}: every entry needs a name and a {field}")
        named = {"name": entry["name"], **{f"{field}.{key}": entry[field].get(key) for key in TEXT_FIELDS[field]}}
        for name, value in named.items():
            if not isinstance(value, str | None):
                at = section if name == "name" else f"{section}: {entry['name']}"
                raise ConfigError(f"kubeconfig {path}: {at}: {name}: must be a string{_in_quotes(value)}")
    return entries


def _in_quotes(value: object) -> str:
    """YAML takes some unquoted texts for something else."""
    return "; put it in quotes" if isinstance(value, bool | int | float) else ""


def _hint(merged: dict[str, Any], context: str) -> str:
    """The next step where the context is not there: the one that was meant, or all."""
    names = [entry["name"] for entry in merged["contexts"]]
    wanted = context or merged.get("current-context") or ""
    if wanted in names:
        return ""
    if not wanted:
        return f"; --context names one of {', '.join(names)}" if names else ""
    return did_you_mean_or_all(wanted, names) if names else "; it has no contexts"


def _refuse_unsupported(merged: dict[str, Any], config: SingleConfig, where: str) -> None:
    """What lightkube would silently ignore, and what would then go to the wrong place or as the wrong
    user."""
    names = {"cluster": config.context.cluster, "user": config.context.user}
    for field, keys in UNSUPPORTED.items():
        for entry in merged[field + "s"]:
            unsupported = [key for key in keys if entry["name"] == names[field] and entry[field].get(key)]
            if unsupported:
                raise ConfigError(f"{where}: {field} {entry['name']}: {', '.join(unsupported)} is not supported")


def open_session(location: Location, files: FilesRead) -> Session:
    """`files` takes note of those that it depends on. ConfigError names what is missing or wrong, and where."""
    return Session(location.load(files), files)


async def open_client(config: KubernetesConfig) -> ApiClient:
    """A client for one command; the caller ends with `aclose()`. ConfigError when there is no usable
    kubeconfig."""
    return ApiClient(open_session(Location(config.kubeconfig, config.context), FilesRead(waiting=True)))


class ClientSource:
    """Keeps `client` connected to where the kubeconfig points. `run()` for as long as the daemon lives."""

    def __init__(
        self, location: Location, *, log: Logger, check_every_s: float = CHECK_EVERY_S
    ) -> None:
        self._location = location
        self._log = log
        self._check_every_s = check_every_s
        self._files: FilesRead | None = None  # of the last attempt; None: nobody knows what it read
        self._last_error = ""
        self._lock = trio.Lock()
        self.client = ApiClient(refresh=self._refresh, waiting_for=str(location))

    @property
    def problem(self) -> str:
        """Why the kubeconfig as it is now is not in use; "" when it is."""
        return self._last_error

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read the kubeconfig, then look every few seconds whether it changed. Started when the first attempt
        was made, successful or not."""
        try:
            await self._look()
            task_status.started()
            while True:
                await trio.sleep(self._check_every_s)
                await self._look()
        finally:
            with trio.move_on_after(1, shield=True):
                await self.client.aclose()

    async def _look(self) -> None:
        """One round; whatever goes wrong in it leaves the last good session in place."""
        with boundary(self._log, "kubeconfig", str(self._location)):
            await self._check()

    async def _check(self) -> None:
        async with self._lock:
            if self._files is None or self._files.changed():
                await self._load()

    async def _refresh(self, rejected: Session) -> bool:
        """After a 401: read again unless another task just did; whether there is a new session now."""
        async with self._lock:
            if self.client.session is not rejected:
                return True
            if self._files is not None and not self._files.changed():
                return False
            return await self._load()

    async def _load(self) -> bool:
        """Swap in a new session. A file that cannot be used, or is not there yet, leaves the last good session in place
        and is looked at again like all others."""
        self._files, files = None, FilesRead()
        try:
            session, self._files = open_session(self._location, files), files
        except ConfigError as error:
            self._files = files
            if str(error) != self._last_error:
                self._log.warning("kubeconfig not usable", error=str(error))
            self._last_error = str(error)
            return False
        self._last_error = ""
        self._log.info("kubeconfig read", server=session.server)
        await self.client.swap(session)
        return True
