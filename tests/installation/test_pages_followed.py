"""The pages on installing edged, followed to the letter: in clean Debian roots, with Debian's own Python, against the
real kube-apiserver with RBAC, at the paths of the distribution. A page is all that a reader has, so nothing is added:
each command is run as it stands there, and the output that it shows is compared.

Not shown by it: systemd itself, for which systemctl.py stands in, and the parts of k3s and kubeadm that are not the API
server (distributions.py).
"""

from __future__ import annotations

import pytest

from tests.cluster.cluster import Cluster
from tests.installation.distributions import k3s, kubeadm, running
from tests.installation.following import follow, installing, page, put_source
from tests.installation.machine import Machine

PAGES = {"install-k3s.md": k3s, "install-kubeadm.md": kubeadm, "install-scheduler.md": k3s}
NEXT_VERSION = "0.1.99"
STEPS = 6
KINDS = (
    "validatingwebhookconfigurations,mutatingwebhookconfigurations,clusterroles,clusterrolebindings,roles,"
    "rolebindings,serviceaccounts,secrets,configmaps,leases"
)


@pytest.mark.kube
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PAGES)
def test_page(name: str, machine: Machine, kube_programs: object) -> None:
    with running(machine, PAGES[name]) as cluster:
        try:
            for section in page(name)[1:]:
                if section.heading == "Upgrade":
                    put_source(machine, NEXT_VERSION)
                follow(machine, section)
                if section.heading == "Upgrade":
                    assert NEXT_VERSION in machine.run("edged version").output
        except AssertionError:
            print(machine.run("systemctl status edged; journalctl -u edged -n 60").output)
            raise
        nothing_is_left(machine, cluster)


@pytest.mark.parametrize("name", PAGES)
def test_the_way_is_short_and_begins_the_same(name: str) -> None:
    assert len([section for section in page(name) if section.numbered]) <= STEPS
    assert installing(name) == installing("install-k3s.md")


def nothing_is_left(machine: Machine, cluster: Cluster) -> None:
    """Neither on the machine nor in the cluster, and the cluster works."""
    files = machine.run(r"find / -xdev \( -name '*edged*' -o -nouser -o -nogroup \) -not -path '/proc/*'").output
    assert files == ""
    assert machine.run("grep -rl edged /etc --exclude='*-'").output == ""
    assert machine.run("kubectl run privileged --image=x --privileged").output == "pod/privileged created\n"
    objects = machine.run(f"kubectl get {KINDS} -A -o name").output.split()
    assert objects and not [name for name in objects if "edged" in name]
