"""Where an installation keeps its files. Tests have a layout of their own below a temporary folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

USER = "edged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A distribution of Kubernetes, known by the kubeconfig that it leaves for administrators."""

    name: str
    kubeconfig: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Absolute paths. `folder` is the configuration's; `program_path` the folders where people's shells look."""

    folder: Path = Path("/etc/edged")
    state: Path = Path("/var/lib/edged")
    cache: Path = Path("/var/cache/edged")
    socket: Path = Path("/run/edged/edged.sock")
    static: Path = Path("/etc/edged/static")
    modules: Path = Path("/usr/lib/edged/modules")
    units: Path = Path("/etc/systemd/system")
    packaged_units: tuple[Path, ...] = (Path("/usr/lib/systemd/system"), Path("/lib/systemd/system"))
    link: Path = Path("/usr/local/bin/edged")
    program_path: tuple[Path, ...] = tuple(
        Path(name) for name in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
    )
    hidden: tuple[Path, ...] = (Path("/root"), Path("/home"), Path("/run/user"), Path("/tmp"), Path("/var/tmp"))
    distributions: tuple[Distribution, ...] = (
        Distribution(name="k3s", kubeconfig=Path("/etc/rancher/k3s/k3s.yaml")),
        Distribution(name="RKE2", kubeconfig=Path("/etc/rancher/rke2/rke2.yaml")),
        Distribution(name="kubeadm", kubeconfig=Path("/etc/kubernetes/admin.conf")),
        Distribution(name="MicroShift", kubeconfig=Path("/var/lib/microshift/resources/kubeadmin/kubeconfig")),
        Distribution(name="k0s", kubeconfig=Path("/var/lib/k0s/pki/admin.conf")),
        Distribution(name="MicroK8s", kubeconfig=Path("/var/snap/microk8s/current/credentials/client.config")),
    )
    lock: Path = Path("/run/edged-installation.lock")
    """Only root writes there, unlike in /run/lock."""
    credentials: Path = Path("/run/credentials")
    """Below it systemd shows files to services while they run (LoadCredential=)."""

    @property
    def config(self) -> Path:
        return self.folder / "edged.toml"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def unit(self) -> Path:
        return self.units / "edged.service"

    @property
    def fabric_unit(self) -> Path:
        return self.units / "edged-fabric.service"

    @property
    def drop_in(self) -> Path:
        return self.units / "edged.service.d" / "before-253.conf"
