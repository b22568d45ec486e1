"""What programs do by client libraries: lightkube, which edged has itself, and the official Python client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cluster.beside.steps import Story, client

Made = dict[str, Any]


def pod(name: str, **spec: Any) -> Made:
    containers = [{"name": "main", "image": "registry.example/app:1"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def with_kubernetes(call: Callable[[Any, Any, str], Any]) -> Callable[[Path, str], Any]:
    """`call` gets the package, an API client and the namespace."""

    def run(kubeconfig: Path, namespace: str) -> Any:
        import kubernetes

        with kubernetes.config.new_client_from_config(str(kubeconfig)) as api:  # type: ignore[no-untyped-call]
            try:
                answer = call(kubernetes, api, namespace)
            except kubernetes.client.ApiException as error:
                return {"status": error.status, "reason": error.reason, "body": error.body}
            return api.sanitize_for_serialization(answer)

    return run


def with_lightkube(call: Callable[[Any, str], Any]) -> Callable[[Path, str], Any]:
    def run(kubeconfig: Path, namespace: str) -> Any:
        import lightkube

        api = lightkube.Client(lightkube.KubeConfig.from_file(kubeconfig), namespace=namespace)
        try:
            answer = call(api, namespace)
        except lightkube.ApiError as error:
            return error.status.to_dict()
        return answer.to_dict() if hasattr(answer, "to_dict") else answer

    return run


def create_and_read(kubernetes: Any, api: Any, namespace: str) -> Any:
    core = kubernetes.client.CoreV1Api(api)
    core.create_namespaced_pod(namespace, pod("a", terminationGracePeriodSeconds=5))
    return core.read_namespaced_pod("a", namespace)


def watch_until(kubernetes: Any, api: Any, namespace: str) -> Any:
    core, watch = kubernetes.client.CoreV1Api(api), kubernetes.watch.Watch()
    core.create_namespaced_pod(namespace, pod("b"))
    seen = []
    for event in watch.stream(core.list_namespaced_pod, namespace, timeout_seconds=5):
        seen.append([event["type"], event["object"].metadata.name])
        if len(seen) == 2:
            watch.stop()
    return sorted(seen)


def patches(kubernetes: Any, api: Any, namespace: str) -> Any:
    core = kubernetes.client.CoreV1Api(api)
    core.patch_namespaced_pod("a", namespace, {"metadata": {"labels": {"x": "1"}}})
    core.patch_namespaced_pod("a", namespace, [{"op": "add", "path": "/metadata/labels/y", "value": "2"}])
    return core.read_namespaced_pod("a", namespace).metadata.labels


def dynamic(kubernetes: Any, api: Any, namespace: str) -> Any:
    found = kubernetes.dynamic.DynamicClient(api).resources.get(api_version="v1", kind="ConfigMap")
    found.create(body={"kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": "v"}}, namespace=namespace)
    applied = found.server_side_apply(
        body={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": "w"}},
        namespace=namespace, name="m", field_manager="other", force_conflicts=True,
    )  # fmt: skip
    return applied.to_dict()


def pages(kubernetes: Any, api: Any, namespace: str) -> Any:
    core = kubernetes.client.CoreV1Api(api)
    for number in range(5):
        core.create_namespaced_config_map(namespace, {"metadata": {"name": f"p{number}"}})
    found, token = [], ""
    while True:
        page = core.list_namespaced_config_map(namespace, limit=2, _continue=token)
        found.append([[each.metadata.name for each in page.items], page.metadata.remaining_item_count])
        token = page.metadata._continue
        if not token:
            return found


def lease_taken_twice(api: Any, namespace: str) -> Any:
    from lightkube.models.coordination_v1 import LeaseSpec
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.coordination_v1 import Lease

    made = Lease(metadata=ObjectMeta(name="lock", namespace=namespace), spec=LeaseSpec(holderIdentity="one"))
    first = api.create(made)
    first.spec.holderIdentity = "two"
    api.replace(first)
    first.spec.holderIdentity = "three"
    return api.replace(first)


def selected(api: Any, namespace: str) -> Any:
    from lightkube.resources.core_v1 import ConfigMap, Pod

    names = [each.metadata.name for each in api.list(Pod, labels={"x": "1"})]
    return [names, [each.metadata.name for each in api.list(Pod, fields={"metadata.name": "b"})],
            len(list(api.list(ConfigMap, chunk_size=2)))]  # fmt: skip


def applied(api: Any, namespace: str) -> Any:
    from lightkube import codecs

    metadata = {"name": "ssa", "namespace": namespace}
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": "v"}}
    api.apply(codecs.from_dict(made), field_manager="one")
    return api.apply(codecs.from_dict({**made, "data": {"k": "w"}}), field_manager="two")


def deleted(api: Any, namespace: str) -> Any:
    from lightkube.resources.core_v1 import Pod

    api.delete(Pod, "a")
    return api.get(Pod, "a")


STORIES = (
    Story("clients-kubernetes", (
        client("create and read", with_kubernetes(create_and_read)),
        client("watch", with_kubernetes(watch_until)),
        client("patches", with_kubernetes(patches)),
        client("dynamic", with_kubernetes(dynamic)),
        client("pages", with_kubernetes(pages)),
        client("absent", with_kubernetes(lambda k, api, ns: k.client.CoreV1Api(api).read_namespaced_pod("none", ns))),
        client("again", with_kubernetes(
            lambda k, api, ns: k.client.CoreV1Api(api).create_namespaced_pod(ns, pod("a")))),
        client("wrong", with_kubernetes(
            lambda k, api, ns: k.client.CoreV1Api(api).create_namespaced_pod(ns, pod("A", containers=[])))),
        client("scale", with_kubernetes(
            lambda k, api, ns: k.client.AppsV1Api(api).read_namespaced_deployment_scale("none", ns))),
        client("evict", with_kubernetes(lambda k, api, ns: k.client.CoreV1Api(api).create_namespaced_pod_eviction(
            "b", ns, {"metadata": {"name": "b", "namespace": ns}}))),
        client("delete", with_kubernetes(lambda k, api, ns: k.client.CoreV1Api(api).delete_namespaced_pod("a", ns))),
        client("collection", with_kubernetes(
            lambda k, api, ns: k.client.CoreV1Api(api).delete_collection_namespaced_config_map(ns))),
    )),
    Story("clients-lightkube", (
        client("create", with_kubernetes(create_and_read)),
        client("second", with_kubernetes(watch_until)),
        client("labels", with_kubernetes(patches)),
        client("lease", with_lightkube(lease_taken_twice)),
        client("selected", with_lightkube(selected)),
        client("apply", with_lightkube(applied)),
        client("delete", with_lightkube(deleted)),
    )),
)  # fmt: skip
