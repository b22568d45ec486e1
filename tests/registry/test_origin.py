"""The custom resource that a policy was made of: its text, and what of it makes a different policy."""

from dataclasses import replace

from edged.registry.origin import Origin


def test_text_and_trust():
    spread = Origin("AdmissionPolicy", "team", "p")
    cluster = Origin("ClusterAdmissionPolicy", "", "p")
    assert (str(spread), spread.namespaced) == ("AdmissionPolicy team/p", True)
    assert (str(cluster), cluster.namespaced) == ("ClusterAdmissionPolicy p", False)


def test_a_new_generation_alone_is_the_same_policy():
    origin = Origin("ClusterAdmissionPolicy", "", "p", uid="1", generation=1, resource_version="7")
    assert origin == replace(origin, generation=2, resource_version="8")
    assert origin != replace(origin, severity="high")
