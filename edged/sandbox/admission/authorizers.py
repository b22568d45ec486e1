"""`authorizer` of CEL expressions in admission: what the user of a write, or a service account, may do. Pure."""

from __future__ import annotations

from functools import partial

from edged.kube.cel.library.authorizers import Authorizer, Question, ResourceCheck
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.authorization import rules
from edged.sandbox.cluster import Cluster
from edged.sandbox.protocol.request import User


def authorizers(cluster: Cluster, attributes: Attributes) -> dict[str, object]:
    """The variables, by their names. Without `--rbac` everybody may do everything."""
    user, resource = attributes.user, attributes.resource
    groups, ask = tuple(user.groups), partial(_decide, cluster)
    about = Question(user.username, groups, "", resource.group, resource.plural, attributes.subresource,
                     attributes.namespace, attributes.name)  # fmt: skip
    return {
        "authorizer": Authorizer(ask, Question(user.username, groups)),
        "authorizer.requestResource": ResourceCheck(ask, about),
    }


def _decide(cluster: Cluster, asked: Question) -> tuple[bool, str]:
    if cluster.rights is None:
        return True, ""
    found = cluster.rights.decide(User(asked.user, groups=asked.groups), rules.Attributes(
        verb=asked.verb, group=asked.group, resource=asked.resource, subresource=asked.subresource,
        namespace=asked.namespace, name=asked.name, path=asked.path,
    ))  # fmt: skip
    return found.allowed, found.reason
