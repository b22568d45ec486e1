"""What is known of objects that are neither Pods nor Nodes: assumptions end with the version they were made of."""

import pytest

from edged.kube.values.names import NamespacedName
from edged.scheduling.objects.other_objects import StaleError
from tests.scheduling.plugins.volumes import known, volume


def test_an_assumption_ends_with_the_version_it_was_made_of():
    objects = known(volume("v"))
    old = objects.volume("v")
    objects.assume_volume(old)
    assert objects.volume("v") is old
    objects.put("PersistentVolume", volume("v", "3Gi", version="2"))
    assert objects.volume("v").capacity == 3 << 30
    with pytest.raises(StaleError, match="out of sync"):
        objects.assume_volume(old)
    objects.remove("PersistentVolume", NamespacedName("", "v"))
    assert objects.volume("v") is None
    assert objects.volumes_of_class("local") == []
