"""Labels of namespaces: defaults, what is wrong with them."""

from __future__ import annotations

from edged.sandbox.admission.pod_security.labels import PREFIX, LevelVersion, policy_of


def read(**labels):
    return policy_of({PREFIX + name.replace("_", "-"): value for name, value in labels.items()})


def test_warnings_follow_what_is_enforced():
    policy, wrong = read(enforce="baseline", enforce_version="v1.30")
    assert not wrong and policy.warn == policy.enforce == LevelVersion("baseline", 30)
    assert read(enforce="baseline", warn="privileged")[0].warn == LevelVersion()
    assert str(read(enforce="restricted", warn_version="v1.20")[0].warn) == "restricted:v1.20"


def test_wrong_labels():
    policy, wrong = read(enforce="Base", audit="", warn_version="1.30")
    assert policy.enforce == LevelVersion("restricted") and policy.audit == LevelVersion()
    assert [cause.field for cause in wrong] == [
        f"metadata.labels[{PREFIX}{name}]" for name in ("enforce", "audit", "warn-version")
    ]
    assert wrong[0].message == 'Invalid value: "Base": must be one of privileged, baseline, restricted'
    assert wrong[2].message == 'Invalid value: "1.30": must be "latest" or "v1.x"'
