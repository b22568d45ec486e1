"""Hostile custom resources on their way into the manifests of static registration: they cost themselves only."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import trio

from edged.admission.config import GroupConfig
from edged.admission.endpoint.static_registration import StaticRegistration
from edged.admission.host.webhook_specs import group_webhook, spec_of
from edged.admission.resources.conversion import Limits, convert
from edged.admission.resources.plan import Planned
from edged.admission.resources.resource_configs import config_of
from edged.admission.rules.webhook_check import entry_problem
from edged.admission.rules.webhooks import FOLDERS, MUTATING, Target, WebhookSpec
from edged.kube.values.cel_types import judge
from tests.admission.resources import hostile_objects
from tests.kube.support import quiet

KINDS = ("AdmissionPolicy", "AdmissionPolicyGroup", "ClusterAdmissionPolicy", "ClusterAdmissionPolicyGroup")
LIMITS = Limits(module_dirs=("/srv",))


def specs(seed: int) -> list[WebhookSpec]:
    """Of the objects that still mean a policy, as the daemon would register them."""
    found = {}
    objects = hostile_objects.objects(seed, "tenant", "file:///srv/m.wasm", of_each=60, kinds=KINDS)
    good = hostile_objects.valid("ClusterAdmissionPolicy", "good", "", "file:///srv/m.wasm")
    for obj in [good, *objects]:
        converted = convert(obj, None, LIMITS)
        if converted.problem or not converted.table:
            continue
        config = config_of(Planned(obj, converted))
        assert config is not None
        made = group_webhook(config) if isinstance(config, GroupConfig) else spec_of(config, config.rules, 1.0)
        found[made.name] = made
    return list(found.values())


def test_only_what_the_api_server_takes_is_written(tmp_path: Path) -> None:
    kept = 0
    for seed in range(3):
        folder = tmp_path / str(seed)
        registration = StaticRegistration(Target("https://127.0.0.1:1", b"", "n"), lambda state: None, quiet(), folder)
        registration.update(specs(seed), b"")
        trio.run(registration.settle)
        names = set()
        for kind, name in FOLDERS.items():
            path = folder / name / "edged.json"
            for hook in json.loads(path.read_bytes())["webhooks"] if path.exists() else ():
                assert entry_problem(hook, mutating=kind == MUTATING) == ""
                assert all(judge(each["expression"]).kind == "fine" for each in hook.get("matchConditions", ()))
                names.add(hook["name"])
        assert "clusterwide-good.kubewarden.admission" in names
        kept += len(names)
    assert kept > 100


def test_the_objects_are_hostile() -> None:
    made = list(hostile_objects.objects(1, "tenant", "file:///srv/m.wasm", of_each=60, kinds=KINDS))
    assert len(made) > 500 and Random(1).choice(made)
    conditions = [each for spec in specs(1) for each in spec.match_conditions]
    kinds = [judge(each["expression"]).kind for each in conditions if isinstance(each.get("expression"), str)]
    assert all(kinds.count(kind) > 20 for kind in ("fine", "wrong", "unsure"))
