"""Which kubeconfig `edged init` takes for an administrator's."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from edged.cli.installation.administrator import address_of, find_kubeconfig
from edged.cli.installation.layout import Distribution, Layout
from edged.errors import ConfigError
from edged.kube.kubeconfig import Location


def below(root: Path) -> Layout:
    """The real places of all distributions, below a folder."""
    moved = [replace(each, kubeconfig=root / each.kubeconfig.relative_to("/")) for each in Layout().distributions]
    return Layout(distributions=tuple(moved))


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


@pytest.mark.parametrize(("path", "name"), [
    ("etc/rancher/k3s/k3s.yaml", "k3s"), ("etc/kubernetes/admin.conf", "kubeadm"),
    ("var/lib/microshift/resources/kubeadmin/kubeconfig", "MicroShift"), ("etc/rancher/rke2/rke2.yaml", "RKE2"),
    ("var/lib/k0s/pki/admin.conf", "k0s"), ("var/snap/microk8s/current/credentials/client.config", "MicroK8s"),
])  # fmt: skip
def test_distributions_are_known_by_the_kubeconfig_that_they_leave(tmp_path: Path, path: str, name: str) -> None:
    file = put(tmp_path / path)
    found = find_kubeconfig(None, below(tmp_path), {"KUBECONFIG": str(put(tmp_path / "mine"))})
    assert (found.where, found.kubeconfig, found.files) == (name, str(file), (file,))


def test_then_the_environment_and_the_home_directory(tmp_path: Path) -> None:
    home = put(tmp_path / ".kube/config")
    environ = {"KUBECONFIG": str(tmp_path / "gone"), "HOME": str(tmp_path)}
    assert find_kubeconfig(None, below(tmp_path), environ).files == (home,)
    mine = put(tmp_path / "mine")
    environ["KUBECONFIG"] = f"{tmp_path}/gone:{mine}"
    found = find_kubeconfig(None, below(tmp_path), environ)
    assert (found.where, found.kubeconfig, found.files) == ("$KUBECONFIG", "", (mine,))


def test_the_command_line_wins(tmp_path: Path) -> None:
    put(tmp_path / "etc/rancher/k3s/k3s.yaml")
    given = put(tmp_path / "given")
    assert find_kubeconfig(str(given), below(tmp_path), {}).kubeconfig == str(given)
    with pytest.raises(ConfigError, match="no such file"):
        find_kubeconfig(str(tmp_path / "gone"), below(tmp_path), {})


def test_without_any_all_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_kubeconfig(None, below(tmp_path), {"HOME": "/home/x"})
    home = Distribution(name="~/.kube/config", kubeconfig=Path("/home/x/.kube/config"))
    for each in (*below(tmp_path).distributions, home):
        assert f"{each.kubeconfig} ({each.name})" in str(caught.value)


def test_the_daemon_dials_what_the_administrator_dials_and_trusts_the_same(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"PEM")
    file = tmp_path / "kubeconfig"
    file.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: c, cluster: {server: 'https://a:6443/', certificate-authority: ca.pem}}]\n"
        "users: [{name: u, user: {}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n")
    address = address_of(Location(str(file)).load())
    assert (address.server, address.authority) == ("https://a:6443", base64.b64encode(b"PEM").decode())
