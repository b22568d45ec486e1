"""AppArmor profiles in annotations."""

from __future__ import annotations

import pytest

from edged.sandbox.kinds.app_armor import PREFIX, to_fields


def pod(annotation, **spec):
    metadata = {"annotations": {f"{PREFIX}c": annotation}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c"}, {"name": "d"}], **spec}}


@pytest.mark.parametrize(
    ("annotation", "profile"),
    [
        ("unconfined", {"type": "Unconfined"}),
        ("localhost/a", {"type": "Localhost", "localhostProfile": "a"}),
        ("localhost/", None),
        ("odd", None),
    ],
)
def test_an_annotation_becomes_a_field_with_a_warning(annotation, profile):
    obj = pod(annotation)
    assert len(to_fields(obj)) == 1
    assert (obj["spec"]["containers"][0].get("securityContext") or {}).get("appArmorProfile") == profile
    assert "securityContext" not in obj["spec"]["containers"][1]


def test_what_the_pod_says_already_is_not_said_again():
    assert to_fields(pod("unconfined", securityContext={"appArmorProfile": {"type": "Unconfined"}})) == []
    assert to_fields(pod("unconfined", os={"name": "windows"})) == []
