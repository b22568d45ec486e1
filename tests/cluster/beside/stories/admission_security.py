"""PodSecurity: levels, modes and versions of a namespace, Pods and workloads that violate them."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import MERGE, Story, http, kubectl

PODS = "/api/v1/namespaces/{ns}/pods"
NAMESPACE = "/api/v1/namespaces/{ns}"
LABEL = "pod-security.kubernetes.io/"


def pod(name: str, container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A Pod of one container `c`."""
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "a:1", **(container or {})}], **spec},
    }  # fmt: skip


def labels(**modes: str | None) -> dict[str, Any]:
    """A patch of the namespace's labels: `warn_version` is pod-security.kubernetes.io/warn-version."""
    return {"metadata": {"labels": {LABEL + mode.replace("_", "-"): level for mode, level in modes.items()}}}


def secure(**context: Any) -> dict[str, Any]:
    """What `restricted` wants of a container."""
    return {"securityContext": {
        "allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"}, **context,
    }}  # fmt: skip


def deployment(name: str, container: dict[str, Any]) -> dict[str, Any]:
    pod_spec = {"containers": [{"name": "c", "image": "a:1", **container}]}
    template = {"metadata": {"labels": {"a": name}}, "spec": pod_spec}
    spec = {"selector": {"matchLabels": {"a": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def cron_job(name: str) -> dict[str, Any]:
    pod_spec = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "a:1"}], "hostNetwork": True}
    job = {"spec": {"template": {"spec": pod_spec}}}
    return {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name},
        "spec": {"schedule": "* * * * *", "jobTemplate": job},
    }  # fmt: skip


BAD_OF_BASELINE = (
    pod("a", {"securityContext": {"privileged": True}}),
    pod("a", {"ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 9}]}),
    pod("a", hostPID=True, hostIPC=True),
    pod("a", hostNetwork=True),
    pod("a", volumes=[{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "hostPath": {"path": "/a"}}]),
    pod("a", {"securityContext": {"capabilities": {"add": ["SYS_ADMIN", "NET_ADMIN", "CHOWN"]}}}),
    pod("a", {"securityContext": {"procMount": "Unmasked"}}),
    pod("a", {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
    pod("a", securityContext={"seccompProfile": {"type": "Unconfined"}}),
    pod("a", securityContext={"appArmorProfile": {"type": "Unconfined"}}),
    pod("a", securityContext={"seLinuxOptions": {"type": "x_t", "user": "u", "role": "r"}}),
    pod("a", securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}),
    pod("a", securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1"}]}),
    pod("a", {"livenessProbe": {"httpGet": {"port": 80, "host": "x"}},
              "lifecycle": {"preStop": {"tcpSocket": {"port": 80, "host": "y"}}}}),
    {**pod("a"), "metadata": {"name": "a", "annotations": {
        "container.apparmor.security.beta.kubernetes.io/c": "unconfined"}}},
    pod("a", {"securityContext": {"privileged": True}}, hostNetwork=True,
        initContainers=[{"name": "i", "image": "a:1", "securityContext": {"privileged": True}}]),
)  # fmt: skip
BAD_OF_RESTRICTED = (
    pod("b"),
    pod("b", secure(runAsUser=0)),
    pod("b", secure(runAsNonRoot=False)),
    pod("b", secure(capabilities={"drop": ["ALL"], "add": ["CHOWN"]})),
    pod("b", secure(seccompProfile={"type": "Unconfined"})),
    pod("b", secure(), volumes=[{"name": "v", "nfs": {"server": "s", "path": "/"}}, {"name": "w", "emptyDir": {}}]),
    pod("b", secure(), securityContext={"runAsNonRoot": False, "runAsUser": 0}),
    pod("b", secure(), initContainers=[{"name": "i", "image": "a:1"}]),
)  # fmt: skip

STORIES = (
    Story("security-labels", (
        http("POST", "/api/v1/namespaces", {"metadata": {"name": "{ns}-x", **labels(enforce="none")["metadata"]}}),
        http("POST", "/api/v1/namespaces", {"metadata": {"name": "{ns}-x", **labels(
            enforce="baseline", enforce_version="1.30", warn="x", audit="")["metadata"]}}),
        http("PATCH", NAMESPACE, labels(enforce="baseline", enforce_version="v2.0"), MERGE),
        http("PATCH", NAMESPACE, labels(warn="Restricted"), MERGE),
        http("POST", PODS, pod("plain")),
        http("POST", PODS, pod("rooted", {"securityContext": {"privileged": True}})),
        http("POST", PODS, pod("rooted-too", {"securityContext": {"privileged": True}})),
        kubectl("label", "namespace", "{ns}", LABEL + "enforce=restricted"),
        http("PATCH", NAMESPACE, labels(enforce="baseline"), MERGE),
        http("PATCH", NAMESPACE, labels(enforce_version="v1.20"), MERGE),
        http("PATCH", NAMESPACE, labels(enforce="privileged"), MERGE),
        http("PATCH", NAMESPACE, labels(enforce="restricted", enforce_version="v1.0"), MERGE),
        http("PATCH", NAMESPACE + "?dryRun=All", labels(enforce=None, enforce_version=None), MERGE),
        http("PUT", NAMESPACE, {"metadata": {"name": "{ns}", **labels(enforce="baseline")["metadata"]}}),
    )),
    Story("security-baseline", (
        http("PATCH", NAMESPACE, labels(enforce="baseline"), MERGE),
        *(http("POST", PODS, each) for each in BAD_OF_BASELINE),
        http("POST", PODS, pod("ok")),
        http("POST", PODS, {**pod(""), "metadata": {"generateName": "gen-"}, "spec": pod("", hostPID=True)["spec"]}),
        kubectl("run", "k", "--image=a:1", "--overrides={\"spec\":{\"hostNetwork\":true}}"),
        http("PATCH", f"{PODS}/ok", {"metadata": {"labels": {"a": "b"}}}, MERGE),
        http("PATCH", f"{PODS}/ok/ephemeralcontainers", {"spec": {"ephemeralContainers": [
            {"name": "e", "image": "a:1", "securityContext": {"privileged": True}}]}}, MERGE),
        http("POST", "/apis/apps/v1/namespaces/{ns}/deployments", deployment("d", {"securityContext": {
            "privileged": True}})),
        http("PATCH", NAMESPACE, labels(enforce_version="v1.26"), MERGE),
        http("POST", PODS, pod("a", securityContext={"sysctls": [
            {"name": "net.ipv4.tcp_rmem", "value": "1"}, {"name": "net.ipv4.tcp_syncookies", "value": "1"}]})),
        http("POST", PODS, pod("probe", {"livenessProbe": {"httpGet": {"port": 80, "host": "x"}}})),
    )),
    Story("security-restricted", (
        http("PATCH", NAMESPACE, labels(enforce="restricted", enforce_version="latest"), MERGE),
        *(http("POST", PODS, each) for each in BAD_OF_RESTRICTED),
        http("POST", PODS, pod("ok", secure())),
        kubectl("run", "k", "--image=a:1"),
        kubectl("create", "deployment", "d", "--image=a:1"),
        kubectl("apply", "-f", "-", stdin=cron_job("cron")),
        http("PATCH", NAMESPACE, labels(enforce_version="v1.18"), MERGE),
        http("POST", PODS, pod("old", {"securityContext": {"runAsNonRoot": True, "allowPrivilegeEscalation": False}})),
    )),
    Story("security-warnings", (
        http("PATCH", NAMESPACE, labels(warn="restricted", audit="restricted", enforce="privileged"), MERGE),
        http("POST", PODS, pod("w")),
        http("POST", "/apis/apps/v1/namespaces/{ns}/deployments", deployment("d", {})),
        http("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/d", {"spec": {"replicas": 2}}, MERGE),
        http("POST", "/apis/batch/v1/namespaces/{ns}/cronjobs", cron_job("cron")),
        http("PATCH", NAMESPACE, labels(warn="baseline", warn_version="v1.24", enforce=None), MERGE),
        http("POST", PODS, pod("h", hostNetwork=True)),
        kubectl("run", "k", "--image=a:1", "--privileged"),
        http("DELETE", f"{PODS}/h"),
    )),
)  # fmt: skip
