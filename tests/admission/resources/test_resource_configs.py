"""What custom resources become: registrations that commands know, credentials that their modules may use."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from edged.admission.config import AdmissionConfig, GroupConfig, PolicyConfig
from edged.admission.resources.conversion import Limits
from edged.admission.resources.plan import make_plan
from edged.admission.resources.resource_configs import config_of, remembered_specs
from edged.admission.resources.resource_memory import Memory
from edged.kube.client import ApiClient
from edged.kube.informers import Informers
from edged.registry.modules import Modules
from edged.registry.origin import TRUSTED, Restrictions
from tests.admission.resources.objects import PODS
from tests.admission.resources.objects import resource as stored
from tests.admission.resources.scene import MODULES, PRIVILEGED, SERVER, Host, Object, policy
from tests.kube.support import quiet, session_for


def test_commands_know_what_was_served_last(tmp_path: Path) -> None:
    """`edged webhook install` must not withdraw what the daemon registered of custom resources."""
    admission = AdmissionConfig(module_dirs=(str(MODULES),))
    assert remembered_specs(admission, 2.0, tmp_path, quiet()) == []
    changing = policy("x")
    changing["spec"]["mutating"] = True
    objects = [SERVER, changing, policy("never")]
    trio.run(Memory(tmp_path, quiet()).remember, objects, ["clusterwide-x"])
    found = {spec.name: spec for spec in remembered_specs(admission, 2.0, tmp_path, quiet())}
    assert found["clusterwide-x"].mutating and found["clusterwide-x"].hook_name == "clusterwide-x.kubewarden.admission"
    assert "clusterwide-never" not in found
    assert "vpolicyserver.kb.io" in found
    assert remembered_specs(AdmissionConfig(policy_server=""), 2.0, tmp_path, quiet()) == []


def test_credentials_of_the_node_are_for_cluster_scoped_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a module's URL may do, by who wrote it; members of groups included."""
    seen: dict[str, Restrictions] = {}

    async def path(self: Modules, url: str, restrictions: Restrictions = TRUSTED) -> Path:
        seen[url] = restrictions
        return PRIVILEGED

    monkeypatch.setattr(Modules, "path", path)

    def table(obj: Object) -> PolicyConfig | GroupConfig:
        planned = make_plan([obj], "default", Limits(module_sources=("r.example",)), ()).policies[0]
        assert planned.converted.problem == ""
        config = config_of(planned)
        assert config is not None
        return config

    def made(kind: str, url: str, namespace: str = "") -> Object:
        return stored(kind, "x", namespace, module=f"registry://{url}", mutating=False, rules=[PODS])

    group = stored("AdmissionPolicyGroup", "x", "team", rules=[PODS], expression="a()", message="m",
                   policies={"a": {"module": "registry://r.example/member:1"}})  # fmt: skip

    async def main() -> None:
        client = ApiClient(session_for("http://127.0.0.1:1"))
        loader = Host(tmp_path, client, Informers(client, log=quiet()), quiet()).loader()
        for obj in (
            made("ClusterAdmissionPolicy", "r.example/cluster:1"),
            made("AdmissionPolicy", "r.example/own:1", "team"),
            group,
        ):
            assert await loader.fetch(table(obj)) == ""
        assert await loader.fetch(PolicyConfig(name="f", module="registry://r.example/file:1")) == ""
        await client.aclose()

    trio.run(main)
    found = {url.rpartition("/")[2]: (each.credentials, each.inward) for url, each in seen.items()}
    assert found == {
        "cluster:1": (True, False), "own:1": (False, False), "member:1": (False, False), "file:1": (True, True),
    }  # fmt: skip
