"""Custom resources with static registration: no webhook object in the cluster, files that the API server reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.edged import MODULES, OBJECTS, Edged, wait_for
from tests.cluster.test_custom_resources import Setup, install, policy, resource

REREAD_S = 100.0  # the API server reads the files about once a minute


@pytest.mark.kube
def test_policies_are_registered_by_files(kube_programs: dict[str, Path], tmp_path: Path) -> None:
    static = tmp_path / "static"
    cluster = Cluster(admission_config=static / "admission-configuration.json")
    admission = {"static_dir": str(static), "module_dirs": [str(MODULES)]}
    edged = Edged(kubeconfig=cluster.kubeconfig, register="static", admission=admission)
    try:
        edged.command("webhook", "install")
        cluster.start()
        install(cluster)
        edged.start()
        setup = Setup(cluster, edged)
        manifest = static / "validating" / "edged.json"
        wait_for(lambda: "vpolicyserver.kb.io" in manifest.read_text(), "webhooks of the kinds")
        setup.apply(resource("PolicyServer", "default"))
        setup.namespace("cr-static")
        served = policy("static")
        setup.serve(served)
        wait_for(lambda: setup.try_pod("cr-static").returncode, "denial", seconds=REREAD_S, every_s=0.5)
        for plural in OBJECTS:
            assert cluster.kubectl("get", plural, "-o", "name").stdout == ""
        bad = policy("bad", rules=[])
        wait_for(lambda: "at least one rule" in setup.apply(bad).stderr, "validation", seconds=REREAD_S, every_s=0.5)

        # Gone from the cluster at once; for as long as the API server still asks, the answer is "allowed".
        setup.delete(served)
        hooks = json.loads(manifest.read_text())["webhooks"]
        assert not any("clusterwide-static" in hook["name"] for hook in hooks)

        def allowed() -> bool:
            said = setup.try_pod("cr-static")
            assert "failed calling webhook" not in said.stderr, said.stderr
            return said.returncode == 0

        wait_for(allowed, "no denial", seconds=REREAD_S, every_s=0.5)
    finally:
        cluster.stop()
        edged.__exit__()
