"""Which checks belong to which level, since which version, and in place of which others. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from edged.sandbox.admission.pod_security import host_checks, identity_checks
from edged.sandbox.admission.pod_security.labels import LevelVersion
from edged.sandbox.admission.pod_security.visiting import Check, Finding, has_own_users, is_windows, unless
from edged.sandbox.cluster import Object


@dataclass(frozen=True, slots=True)
class Row:
    """`versions`: minor version of Kubernetes -> the check from then on. `instead_of`: of the checks of `baseline`."""

    name: str
    versions: dict[int, Check]
    instead_of: str = ""

    def at(self, minor: int) -> Check | None:
        since = max((each for each in self.versions if each <= minor), default=None)
        return None if since is None else self.versions[since]


BASELINE: Final = (
    Row("appArmorProfile", {0: identity_checks.app_armor}),
    Row("capabilities_baseline", {0: host_checks.capabilities_baseline}),
    Row("hostNamespaces", {0: host_checks.host_namespaces}),
    Row("hostPathVolumes", {0: host_checks.host_path_volumes}),
    Row("hostPorts", {0: host_checks.host_ports}),
    Row("hostProbesAndHostLifecycle", {34: host_checks.hosts_of_probes}),
    Row("privileged", {0: host_checks.privileged}),
    Row("procMount", {0: identity_checks.proc_mount, 35: unless(has_own_users, identity_checks.proc_mount)}),
    Row("seLinuxOptions", {minor: identity_checks.se_linux(minor) for minor in identity_checks.SELINUX_VERSIONS}),
    Row("seccompProfile_baseline", {0: identity_checks.seccomp_annotations, 19: identity_checks.seccomp_baseline}),
    Row("sysctls", {minor: host_checks.sysctls(minor) for minor in host_checks.SYSCTL_VERSIONS}),
    Row("windowsHostProcess", {0: host_checks.host_process}),
)
RESTRICTED: Final = (
    Row("allowPrivilegeEscalation", {
        8: identity_checks.privilege_escalation, 25: unless(is_windows, identity_checks.privilege_escalation),
    }),
    Row("capabilities_restricted", {
        22: host_checks.capabilities_restricted, 25: unless(is_windows, host_checks.capabilities_restricted),
    }, "capabilities_baseline"),
    Row("procMount_restricted", {35: identity_checks.proc_mount}, "procMount"),
    Row("restrictedVolumes", {0: host_checks.restricted_volumes}, "hostPathVolumes"),
    Row("runAsNonRoot", {
        0: identity_checks.run_as_non_root, 35: unless(has_own_users, identity_checks.run_as_non_root),
    }),
    Row("runAsUser", {23: identity_checks.run_as_user, 35: unless(has_own_users, identity_checks.run_as_user)}),
    Row("seccompProfile_restricted", {
        19: identity_checks.seccomp_restricted, 25: unless(is_windows, identity_checks.seccomp_restricted),
    }, "seccompProfile_baseline"),
)  # fmt: skip
"""Both in the order of findings: by name."""


def evaluate(level: LevelVersion, metadata: Object, spec: Object) -> list[Finding]:
    """What the level forbids of a Pod or a template."""
    if level.level == "privileged":
        return []
    return [found for check in _checks(level) if (found := check(metadata, spec)) is not None]


def _checks(level: LevelVersion) -> Iterator[Check]:
    rows = RESTRICTED if level.level == "restricted" else ()
    replaced = {row.instead_of for row in rows if row.at(level.minor) is not None}
    for row in (*BASELINE, *rows):
        check = row.at(level.minor)
        if check is not None and row.name not in replaced:
            yield check


def details(findings: list[Finding]) -> str:
    return ", ".join(f"{each.reason} ({each.detail})" if each.detail else each.reason for each in findings)


def reasons(findings: list[Finding]) -> str:
    return ", ".join(each.reason for each in findings)
