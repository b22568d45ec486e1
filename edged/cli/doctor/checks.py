"""The list of checks: what is checked as the daemon's user, and what needs the rights of whoever runs the doctor."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from edged import config as configuration
from edged.cli.doctor import account, certificate, cluster, listeners, machine, modules, paths, service, static_files
from edged.cli.doctor import unit as units
from edged.cli.doctor.findings import FAIL, OK, WARN, Finding
from edged.cli.doctor.unit import Unit
from edged.cli.installation.layout import USER
from edged.cli.installation.machine import Machine
from edged.config import ConfigErrors
from edged.kube.config import KubernetesConfig


class Checks:
    """All checks of the configuration file at `path`. `is_default`: nobody named another file than the usual one.
    `chosen` says which cluster the command line means, given what is configured."""

    def __init__(
        self, path: str, unit: Unit, chosen: Callable[[KubernetesConfig], KubernetesConfig], *, is_default: bool
    ) -> None:
        self.path = path
        self.who = account.checked_as(unit.user)
        self.unit = unit
        self.is_default = is_default
        found, self.error = configuration.load_leniently(path)
        self.config = replace(found, kubernetes=chosen(found.kubernetes))

    def all(self, administrator: str | None) -> list[Finding]:
        """Everything. `administrator`: a kubeconfig that may list webhooks."""
        return [
            *self.of_account(), *self.of_service(), *account.findings_as(self.who, self.as_daemon),
            *listeners.findings(self.config), *self.webhooks(administrator),
        ]  # fmt: skip

    def of_account(self) -> Iterator[Finding]:
        """For whom the checks are made."""
        wanted = self.unit.user
        starts = f"{self.unit.path} starts the daemon as {wanted}"
        if wanted and account.named(wanted) is None:
            remedy = f"useradd --system --user-group --home-dir /var/lib/edged --shell /usr/sbin/nologin {wanted}"
            yield Finding("user", FAIL, f"{starts}, and there is no such user", remedy)
        elif wanted and wanted != self.who.name:
            yield Finding("user", WARN, f"checks are for {self.who.name}, but {starts}", "sudo edged doctor")
        else:
            whose = f", as whom {self.unit.path} starts the daemon" if wanted else ""
            yield Finding("user", OK, f"checks are for {self.who.name}{whose}")

    def of_service(self) -> Iterator[Finding]:
        """Whether systemd runs what is checked here."""
        if self.unit.path is not None:
            yield from service.findings(service.shown(Machine()))

    def as_daemon(self) -> list[Finding]:
        """What has to be checked with the rights of the daemon's user."""
        config, unit = self.config, self.unit
        own = f"{self.who.name}:{account.group_of(self.who)}"
        here = Machine()
        version = here.systemd_version() if here.systemd_runs else None
        parts: tuple[Callable[[], Iterator[Finding]], ...] = (
            self.configuration,
            lambda: machine.findings(config),
            lambda: units.findings(unit, version, self.path, is_default=self.is_default),
            lambda: paths.findings(config, self.who, unit),
            lambda: paths.kubeconfig(config, self.who, unit),
            lambda: modules.findings(config, unit),
            lambda: certificate.findings(config, time.time(), own),
            lambda: static_files.findings(config, self.who, unit),
            lambda: iter(cluster.as_daemon(config, self.path)),
        )
        found: list[Finding] = []
        for part in parts:
            try:
                found += part()
            except OSError as error:  # a file that vanished, or is closed in a way that no check thought of
                where = error.filename or "?"
                look = f"runuser -u {self.who.name} -- ls -l {where}"
                found.append(Finding("checks", FAIL, f"{where}: {error.strerror}", look))
        is_daemons = os.geteuid() == 0 or self.who.name == (unit.user or USER)
        return found if is_daemons else without_ownership(found, self.who.name)

    def configuration(self) -> Iterator[Finding]:
        """The file itself. With one that cannot be used, the checks go on with what is left of it."""
        check = "configuration"
        if not os.path.lexists(self.path) and not paths.closed_folder(Path(self.path)):
            yield Finding(check, FAIL, f"{self.path} does not exist; the checks go on with the defaults", "edged init")
        elif isinstance(self.error, ConfigErrors):
            for problem in self.error.problems:
                why = f"{self.path}:{problem.line}: {problem.where}: {problem.message}"
                yield Finding(check, FAIL, why, f"mend the line in {self.path}, then edged check {self.path}")
        elif self.error is not None:
            yield Finding(check, FAIL, str(self.error), f"mend it, then edged check {self.path}")
        elif hidden := self.unit.hides(self.path):
            yield Finding(check, FAIL, hidden, f"cp {self.path} {configuration.DEFAULT_PATH} && edged init")
        elif closed := paths.unreadable(self.path):
            own = f"root:{account.group_of(self.who)}"
            yield Finding(check, FAIL, closed, f"chown {own} {self.path} && chmod 0640 {self.path}")
        else:
            yield Finding(check, OK, self.path)

    def webhooks(self, administrator: str | None) -> list[Finding]:
        named = administrator or (cluster.administrators_kubeconfig() if os.geteuid() == 0 else None)
        return cluster.webhooks(self.config, KubernetesConfig(kubeconfig=os.path.abspath(named)) if named else None)


def without_ownership(found: list[Finding], user: str) -> list[Finding]:
    """For a user who is neither root nor the daemon's: advice to give files to this user would be wrong. One finding
    takes the place of all that have it."""
    given = [finding for finding in found if finding.remedy.startswith(("chown ", "install -d ")) or
             "&& install -d " in finding.remedy]  # fmt: skip
    if not given:
        return found
    state = FAIL if any(finding.state == FAIL for finding in given) else WARN
    names = ", ".join(finding.check for finding in given)
    why = f"{names}: user {user} cannot use them, and the daemon runs as another user"
    return [*(finding for finding in found if finding not in given),
            Finding("files and folders", state, why, "run doctor as root: sudo edged doctor")]  # fmt: skip
