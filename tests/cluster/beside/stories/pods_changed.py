"""Pods that are there: what may change of them and of their subresources, and warnings about new Pods and templates."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import JSON_PATCH, MERGE, STRATEGIC, Http, Story, http, kubectl
from tests.cluster.beside.stories.pods_refused import Object, of_containers, of_specs, pod, posts

ITEMS = "/api/v1/namespaces/{ns}/pods"
ONE = f"{ITEMS}/a"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
TERMS = f"/spec/affinity/nodeAffinity/{REQUIRED}/nodeSelectorTerms"
TERM = {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}


def patches(*bodies: Any, path: str = ONE, kind: str = MERGE) -> tuple[Http, ...]:
    return tuple(http("PATCH", f"{path}?dryRun=All", body, kind) for body in bodies)


def specs(*parts: Object) -> tuple[Http, ...]:
    return patches(*({"spec": each} for each in parts))


def of_c(*parts: Object) -> tuple[Http, ...]:
    """Strategic merges into the container `c`."""
    return patches(*({"spec": {"containers": [{"name": "c", **each}]}} for each in parts), kind=STRATEGIC)


def statuses(*parts: Object) -> tuple[Http, ...]:
    return patches(*({"status": each} for each in parts), path=f"{ONE}/status")


def template(kind: str, api: str, where: str, spec: Object, **more: Any) -> Http:
    body = {"metadata": {"labels": {"x": "y"}}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}
    obj: Object = {"apiVersion": api, "kind": kind, "metadata": {"name": "t"}}
    match kind:
        case "PodTemplate":
            obj["template"] = body
        case "CronJob":
            obj["spec"] = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": body}}}
        case "Job":
            obj["spec"] = {"template": body}
        case "ReplicationController":
            obj["spec"] = {"selector": {"x": "y"}, "template": body}
        case _:
            obj["spec"] = {"selector": {"matchLabels": {"x": "y"}}, "template": body, **more}
    prefix = "/api/v1" if api == "v1" else f"/apis/{api}"
    return http("POST", f"{prefix}/namespaces/{{ns}}/{where}?dryRun=All", obj)


def templates(spec: Object, again: Object | None = None) -> tuple[Http, ...]:
    """The same template in every kind; Jobs may not restart always."""
    often = {"restartPolicy": "Never", **spec}
    return (
        template("Deployment", "apps/v1", "deployments", spec), template("ReplicaSet", "apps/v1", "replicasets", spec),
        template("StatefulSet", "apps/v1", "statefulsets", spec, serviceName="s"),
        template("DaemonSet", "apps/v1", "daemonsets", spec), template("Job", "batch/v1", "jobs", often),
        template("CronJob", "batch/v1", "cronjobs", often),
        template("ReplicationController", "v1", "replicationcontrollers", spec),
        template("PodTemplate", "v1", "podtemplates", spec),
    )  # fmt: skip


PLAIN = pod({"terminationGracePeriodSeconds": 30, "tolerations": [{"key": "t", "operator": "Exists"}]},
            {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}})  # fmt: skip

STORIES = (
    Story("pods-changes", (
        http("POST", ITEMS, PLAIN),
        *of_c({"image": "j"}, {"image": ""}, {"image": " j"}, {"args": ["x"]}, {"env": [{"name": "a", "value": "b"}]},
              {"resources": {"requests": {"cpu": "2"}}}, {"resources": {"limits": {"cpu": "2"}}},
              {"ports": [{"containerPort": 80}]}, {"command": ["<x>"]}, {"livenessProbe": {"tcpSocket": {"port": 1}}},
              {"securityContext": {"privileged": True}}, {"imagePullPolicy": "Never"}, {"image": "j", "tty": True}),
        *patches({"spec": {"containers": [{"name": "d", "image": "i"}]}}, kind=STRATEGIC),
        *specs({"containers": []}, {"nodeName": "n"}, {"hostNetwork": True}, {"nodeSelector": {"a": "b"}},
               {"activeDeadlineSeconds": 5}, {"activeDeadlineSeconds": -1}, {"activeDeadlineSeconds": 0},
               {"terminationGracePeriodSeconds": 5}, {"tolerations": []}, {"serviceAccountName": "x"},
               {"tolerations": [{"key": "t", "operator": "Exists"}, {"key": "u", "operator": "Exists"}]},
               {"tolerations": [{"key": "t", "operator": "Exists", "effect": "NoExecute"}]},
               {"volumes": [{"name": "v", "emptyDir": {}}]}, {"restartPolicy": "Never"}, {"hostname": "h"},
               {"schedulingGates": [{"name": "g"}]}, {"securityContext": {"runAsUser": 1}}, {"priority": 5},
               {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [TERM]}}}}, {"dnsPolicy": "Default"},
               {"initContainers": [{"name": "i", "image": "i"}]}, {"preemptionPolicy": "Never"},
               {"nodeSelector": {"a": "b"}, "hostPID": True, "subdomain": "s", "schedulerName": "x"}),
        *patches({"metadata": {"labels": {"a b": "c"}}}, {"metadata": {"annotations": {"a b": "c"}}},
                 {"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/c": "unconfined"}}},
                 {"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}},
                 {"metadata": {"name": "b"}}, {"metadata": {"uid": "x"}}, {"metadata": {"generation": 0}},
                 {"status": {"phase": "Running"}}, {"metadata": {"ownerReferences": [{"apiVersion": "v1"}]}}),
        *patches([{"op": "replace", "path": "/spec/containers/0/name", "value": "z"}],
                 [{"op": "remove", "path": "/spec/containers/0/image"}], [{"op": "remove", "path": "/spec/dnsPolicy"}],
                 kind=JSON_PATCH),
        http("PATCH", ONE, {"spec": {"activeDeadlineSeconds": 50}}, MERGE, save={"g": "metadata.generation"}),
        *specs({"activeDeadlineSeconds": 60}, {"activeDeadlineSeconds": 40}, {"activeDeadlineSeconds": None}),
        kubectl("set", "image", "pod/a", "c=k"), kubectl("set", "env", "pod/a", "A=b"),
        kubectl("patch", "pod", "a", "-p", '{"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"3"}}}]}}'),
        kubectl("patch", "pod", "a", "-p", '{"spec":{"nodeSelector":{"a":"b"}}}'),
    )),
    Story("pods-gates", (
        http("POST", ITEMS, pod({"schedulingGates": [{"name": "g"}, {"name": "h"}], "nodeSelector": {"a": "b"},
                                 "affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [TERM]}}}})),
        http("GET", ONE),
        *specs({"schedulingGates": [{"name": "g"}]}, {"schedulingGates": [{"name": "x"}]}, {"schedulingGates": []},
               {"nodeSelector": {"c": "d"}}, {"nodeSelector": {"a": "x"}}, {"nodeSelector": None}, {"nodeName": "n"},
               {"affinity": None}, {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [TERM, TERM]}}}},
               {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{}]}}}},
               {"affinity": {"podAffinity": {REQUIRED: [{"topologyKey": "a"}]}}}),
        *patches([{"op": "add", "path": f"{TERMS}/0/matchExpressions/1", "value": {"key": "n", "operator": "Exists"}}],
                 kind=JSON_PATCH),
        http("PATCH", ONE, {"spec": {"schedulingGates": None}}, MERGE),
        *specs({"schedulingGates": [{"name": "g"}]}, {"nodeSelector": {"c": "d"}}),
    )),
    Story("pods-parts", (
        http("POST", ITEMS, PLAIN),
        *statuses({"phase": "Running"}, {"qosClass": "BestEffort"}, {"conditions": [{"type": "a b", "status": "True"}]},
                  {"conditions": [{"type": "Ready", "status": "True"}]}, {"podIP": "1.2.3.4"},
                  {"podIPs": [{"ip": "x"}]},
                  {"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.4"}, {"ip": "1.2.3.5"}]},
                  {"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.5"}]},
                  {"hostIP": "1.2.3.4", "hostIPs": [{"ip": "::1"}]},
                  {"nominatedNodeName": "A"}, {"observedGeneration": -1}, {"conditions": [{"type": "", "status": ""}]},
                  {"resourceClaimStatuses": [{"name": "x"}]}, {"podIP": "01.2.3.4", "podIPs": [{"ip": "01.2.3.4"}]},
                  {"containerStatuses": [{"name": "c", "image": "i", "imageID": "", "ready": True,
                                          "restartCount": 0}]}),
        *patches({"spec": {"nodeName": "n"}, "status": {"phase": "Failed"}}, path=f"{ONE}/status"),
        *patches(*({"spec": {"ephemeralContainers": [each]}} for each in (
            {"name": "e", "image": "i"}, {"name": "c", "image": "i"}, {"name": "", "image": ""},
            {"name": "e", "image": "i", "ports": [{"containerPort": 1}]}, {"name": "e", "image": "i", "lifecycle": {}},
            {"name": "e", "image": "i", "targetContainerName": "x"}, {"name": "e", "image": "i", "resources": {
                "limits": {"cpu": "1"}}}, {"name": "e", "image": " i", "volumeMounts": [
                    {"name": "v", "mountPath": "/x", "subPath": "y"}]},
        )), path=f"{ONE}/ephemeralcontainers", kind=STRATEGIC),
        http("PATCH", f"{ONE}/ephemeralcontainers", {"spec": {"ephemeralContainers": [{"name": "e", "image": "i"}]}},
             STRATEGIC),
        *patches({"spec": {"ephemeralContainers": [{"name": "e", "image": "j"}]}},
                 {"spec": {"ephemeralContainers": [{"name": "f", "image": "j"}]}},
                 path=f"{ONE}/ephemeralcontainers", kind=STRATEGIC),
        *patches({"spec": {"ephemeralContainers": []}}, {"spec": {"nodeName": "z"}}, path=f"{ONE}/ephemeralcontainers"),
        *patches(*({"spec": {"containers": [{"name": "c", **each}]}} for each in (
            {"resources": {"requests": {"cpu": "2"}}}, {"resources": {"limits": {"cpu": "2"}}},
            {"resources": {"requests": {"cpu": "-1"}}}, {"resources": {"requests": {"cpu": None}}},
            {"resources": {"requests": {"ephemeral-storage": "1Gi"}}}, {"image": "x"},
            {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}, {"resources": None},
            {"resources": {"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}}},
            {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}},
            {"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]},
        )), path=f"{ONE}/resize", kind=STRATEGIC),
        *patches({"spec": {"containers": [{"name": "d", "image": "i"}]}}, {"spec": {"nodeName": "x"}},
                 path=f"{ONE}/resize", kind=STRATEGIC),
        *patches({"spec": {"containers": []}}, {"spec": {"containers": [{"name": "x", "image": "i"}]}},
                 path=f"{ONE}/resize"),
        kubectl("patch", "pod", "a", "--subresource", "resize", "-p",
                '{"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"2"}}}]}}'),
        http("GET", ONE),
    )),
    Story("pods-templates", (
        *templates({}), *templates({"containers": []}), *templates({"restartPolicy": "x"}),
        *templates({"activeDeadlineSeconds": 5}), *templates({"nodeSelector": {"a b": ""}, "hostname": "A"}),
        *templates({"ephemeralContainers": [{"name": "e", "image": "i"}]}),
        *templates({"volumes": [{"name": "v"}]})[:2], *templates({"nodeSelector": {"beta.kubernetes.io/os": "linux"}}),
        *templates({"containers": [{"name": "c", "image": "i", "env": [{"name": "a", "value": "b"}] * 2}]}),
        template("Deployment", "apps/v1", "deployments", {"hostNetwork": True, "containers": [
            {"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]}),
    )),
    Story("pods-warned", (
        *posts(pod(name="a.b"), pod(annotations={"scheduler.alpha.kubernetes.io/critical-pod": ""}),
               pod(annotations={"seccomp.security.alpha.kubernetes.io/pod": "runtime/default"}),
               pod(annotations={"container.seccomp.security.alpha.kubernetes.io/c": "unconfined"})),
        *of_specs(
            {"nodeSelector": {"beta.kubernetes.io/arch": "x"}}, {"imagePullSecrets": [{"name": "a"}, {"name": "a"}]},
            {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "node-role.kubernetes.io/master", "operator": "Exists"}]}]}}}},
            {"affinity": {"podAntiAffinity": {REQUIRED: [{"topologyKey": "a"}]}}},
            {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "failure-domain.beta.kubernetes.io/zone",
                                            "whenUnsatisfiable": "DoNotSchedule"}]},
            {"hostAliases": [{"ip": "1.1.1.1", "hostnames": ["a"]}, {"ip": "1.1.1.1", "hostnames": ["b"]}]},
            {"hostAliases": [{"ip": "FE80::1", "hostnames": ["a"]}]}, {"dnsConfig": {"nameservers": ["2001:DB8::1"]}},
            {"volumes": [{"name": "v", "gitRepo": {"repository": "r"}}]},
            {"volumes": [{"name": "v", "glusterfs": {"endpoints": "e", "path": "p"}}]},
            {"volumes": [{"name": "v", "configMap": {"name": "m", "items": [
                {"key": "a", "path": "x"}, {"key": "b", "path": "x/y"}, {"key": "c", "path": "z"}]}}]},
            {"volumes": [{"name": "v", "projected": {"sources": [
                {"configMap": {"name": "m", "items": [{"key": "a", "path": "x"}]}},
                {"secret": {"name": "s", "items": [{"key": "a", "path": "x/y"}]}}]}}]},
        ),
        *of_containers(
            {"env": [{"name": "a", "value": "b"}, {"name": "a", "value": "c"}]},
            {"env": [{"name": "a", "value": "b"}, {"name": "a", "value": "$(a):c"}]},
            {"env": [{"name": "a", "value": "b"}, {"name": "a", "value": "$(a)"}]},
            {"ports": [{"containerPort": 80}, {"containerPort": 80, "hostPort": 1}]},
            {"ports": [{"containerPort": 80, "hostPort": 1}, {"containerPort": 80, "hostPort": 2}]},
            {"resources": {"limits": {"memory": "1500m", "ephemeral-storage": "100m"}}},
        ),
        kubectl("run", "w", "--image=i", "--dry-run=server",
                '--overrides={"spec":{"nodeSelector":{"beta.kubernetes.io/os":"linux"}}}'),
    )),
)  # fmt: skip
