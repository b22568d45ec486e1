"""More Pods that kube-apiserver refuses: probes, environment, security, scheduling, names and addresses."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import Http, Story
from tests.cluster.beside.stories.pods_refused import LONG, Object, of_containers, of_specs, pod, posts

EXEC = {"exec": {"command": ["x"]}}
REQUIRED, PREFERRED = (f"{word}DuringSchedulingIgnoredDuringExecution" for word in ("required", "preferred"))


def of_probes(*probes: Object) -> tuple[Http, ...]:
    return of_containers(*({"readinessProbe": each} for each in probes))


def of_env(*variables: Any) -> tuple[Http, ...]:
    return of_containers(*({"env": each if isinstance(each, list) else [each]} for each in variables))


def of_values(*sources: Object) -> tuple[Http, ...]:
    return of_env(*({"name": "x", "valueFrom": each} for each in sources))


def of_contexts(*contexts: Object) -> tuple[Http, ...]:
    return of_containers(*({"securityContext": each} for each in contexts))


def of_pod_contexts(*contexts: Object) -> tuple[Http, ...]:
    return of_specs(*({"securityContext": each} for each in contexts))


def of_tolerations(*tolerations: Object) -> tuple[Http, ...]:
    return of_specs(*({"tolerations": [each]} for each in tolerations))


def of_terms(*terms: Object) -> tuple[Http, ...]:
    return of_specs(
        *({"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [each]}}}} for each in terms)
    )


def of_expressions(*expressions: Object) -> tuple[Http, ...]:
    return of_terms(*({"matchExpressions": [each]} for each in expressions))


def of_pod_terms(*terms: Object) -> tuple[Http, ...]:
    return of_specs(*({"affinity": {"podAffinity": {REQUIRED: [each]}}} for each in terms))


def of_spreads(*constraints: Object) -> tuple[Http, ...]:
    one = {"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}
    return of_specs(*({"topologySpreadConstraints": [{**one, **each}]} for each in constraints))


STORIES = (
    Story("pods-probes", of_probes(
        {}, {"httpGet": {"port": 0}}, {"httpGet": {"port": 70000, "path": ""}}, {"httpGet": {"port": "A"}},
        {"httpGet": {"port": "a" * 16}}, {"httpGet": {}}, {"tcpSocket": {"port": 0}}, {"tcpSocket": {"port": ""}},
        {"exec": {}}, {"exec": {"command": []}}, {"grpc": {"port": 0}}, {"grpc": {"port": 70000}},
        {"httpGet": {"port": 80, "scheme": "ftp"}}, {"httpGet": {"port": 80, "httpHeaders": [{"name": "a b"}]}},
        {**EXEC, "tcpSocket": {"port": 80}}, {**EXEC, "initialDelaySeconds": -1, "timeoutSeconds": -1},
        {**EXEC, "periodSeconds": -1, "failureThreshold": -1, "successThreshold": -1},
        {**EXEC, "terminationGracePeriodSeconds": 5}, {**EXEC, "terminationGracePeriodSeconds": 0},
    ) + of_containers(
        {"livenessProbe": {**EXEC, "successThreshold": 2}}, {"startupProbe": {**EXEC, "successThreshold": 2}},
        {"livenessProbe": {**EXEC, "terminationGracePeriodSeconds": -1}}, {"livenessProbe": {"grpc": {}}},
        {"lifecycle": {"postStart": {}}}, {"lifecycle": {"preStop": {"exec": {}}}},
        {"lifecycle": {"preStop": {"sleep": {"seconds": 31}}}},
        {"lifecycle": {"preStop": {"sleep": {"seconds": -1}}}},
        {"lifecycle": {"preStop": {"httpGet": {"port": "x y"}}}},
        {"lifecycle": {"preStop": {"tcpSocket": {"port": 0}}}},
        {"lifecycle": {"postStart": {"exec": {"command": ["a"]}, "httpGet": {"port": 1}}}},
        {"restartPolicy": "x"}, {"restartPolicyRules": [{"action": "Restart"}]},
        {"restartPolicy": "Never", "restartPolicyRules": [{"action": "x", "exitCodes": {"operator": "y"}}]},
        {"resizePolicy": [{"resourceName": "x", "restartPolicy": "y"}]},
        {"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}] * 2},
        {"resizePolicy": [{"resourceName": "", "restartPolicy": ""}]},
    ) + of_specs(
        {"initContainers": [{"name": "i", "image": "i", "livenessProbe": EXEC, "lifecycle": {"preStop": EXEC}}]},
        {"initContainers": [{"name": "i", "image": "i", "restartPolicy": "OnFailure"}]},
        {"initContainers": [{"name": "i", "image": "i", "restartPolicy": "x"}]},
        {"initContainers": [{"name": "i", "image": "i", "restartPolicy": "Always", "startupProbe": {}}]},
        {"initContainers": [{"name": "i", "image": "i", "restartPolicy": ""}]},
        {"initContainers": [{"name": "", "image": ""}]},
        {"initContainers": [{"name": "i", "image": "i"}] * 2},
        {"ephemeralContainers": [{"name": "e", "image": "i"}]},
        {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i", "resizePolicy": [
            {"resourceName": "cpu", "restartPolicy": "RestartContainer"}]}]},
    )),
    Story("pods-environment", of_env(
        {"name": ""}, {"name": "a=b"}, {"name": "ä"}, {"value": "x"}, {"name": "x", "value": 5},
        {"name": "x", "value": True},
        {"name": "x", "value": "y", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ) + of_values(
        {}, {"fieldRef": {}}, {"fieldRef": {"fieldPath": "metadata.labels"}},
        {"fieldRef": {"fieldPath": "status.phase"}},
        {"fieldRef": {"fieldPath": "x"}}, {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v2"}},
        {"fieldRef": {"fieldPath": "metadata.labels['a b']"}}, {"fieldRef": {"fieldPath": "spec.host"}},
        {"resourceFieldRef": {}}, {"resourceFieldRef": {"resource": "cpu"}},
        {"resourceFieldRef": {"resource": "limits.gpu"}},
        {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}},
        {"resourceFieldRef": {"resource": "requests.memory", "divisor": "3Mi"}},
        {"resourceFieldRef": {"resource": "requests.ephemeral-storage", "divisor": "3Mi"}},
        {"resourceFieldRef": {"resource": "limits.hugepages-2Mi", "divisor": "3Mi"}},
        {"configMapKeyRef": {}}, {"configMapKeyRef": {"name": "A", "key": "a/b"}}, {"secretKeyRef": {"name": "a"}},
        {"secretKeyRef": {"name": "a", "key": ".."}}, {"fileKeyRef": {}},
        {"fileKeyRef": {"key": "a=b", "volumeName": "V", "path": "../x"}},
        {"configMapKeyRef": {"name": "a", "key": "b"}, "secretKeyRef": {"name": "a", "key": "b"}},
    ) + of_containers(
        {"envFrom": [{}]}, {"envFrom": [{"configMapRef": {}}]}, {"envFrom": [{"secretRef": {"name": "A_"}}]},
        {"envFrom": [{"prefix": "a=", "configMapRef": {"name": "a"}}]},
        {"envFrom": [{"configMapRef": {"name": "a"}, "secretRef": {"name": "b"}}]},
    ) + posts(
        pod({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, {"env": [{"name": "x", "valueFrom": {
            "fileKeyRef": {"key": "k", "volumeName": "v", "path": "p"}}}]}),
    )),
    Story("pods-security", of_contexts(
        {"runAsUser": -1}, {"runAsUser": 1 << 31}, {"runAsGroup": -1}, {"procMount": "x"}, {"procMount": "Unmasked"},
        {"allowPrivilegeEscalation": False, "privileged": True},
        {"allowPrivilegeEscalation": False, "capabilities": {"add": ["CAP_SYS_ADMIN"]}},
        {"seccompProfile": {}}, {"seccompProfile": {"type": "x"}}, {"seccompProfile": {"type": "Localhost"}},
        {"seccompProfile": {"type": "Localhost", "localhostProfile": "/x/../y"}},
        {"seccompProfile": {"type": "RuntimeDefault", "localhostProfile": "x"}},
        {"appArmorProfile": {}}, {"appArmorProfile": {"type": "x"}}, {"appArmorProfile": {"type": "Localhost"}},
        {"appArmorProfile": {"type": "Localhost", "localhostProfile": " x"}},
        {"appArmorProfile": {"type": "Unconfined", "localhostProfile": "x"}},
        {"windowsOptions": {"runAsUserName": ""}}, {"windowsOptions": {"runAsUserName": "a\\b\\c"}},
        {"windowsOptions": {"runAsUserName": "a b\\."}}, {"windowsOptions": {"gmsaCredentialSpecName": "A"}},
        {"windowsOptions": {"gmsaCredentialSpec": ""}}, {"windowsOptions": {"hostProcess": True}},
        {"windowsOptions": {"runAsUserName": "a" * 105}}, {"windowsOptions": {"runAsUserName": "a:b"}},
    ) + of_pod_contexts(
        {"runAsUser": -1}, {"fsGroup": -1}, {"supplementalGroups": [1, -1]}, {"fsGroupChangePolicy": "x"},
        {"supplementalGroupsPolicy": "x"}, {"seLinuxChangePolicy": "x"}, {"sysctls": [{"name": "", "value": ""}]},
        {"sysctls": [{"name": "a..b", "value": ""}]}, {"sysctls": [{"name": "a", "value": ""}] * 2},
        {"seccompProfile": {"type": "Localhost"}}, {"appArmorProfile": {"type": "y"}},
        {"windowsOptions": {"hostProcess": True}},
    ) + of_specs(
        {"hostNetwork": True, "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}},
        {"hostIPC": True, "securityContext": {"sysctls": [{"name": "kernel/shmmax", "value": "1"}]}},
        {"hostPID": True, "shareProcessNamespace": True}, {"hostUsers": False, "hostNetwork": True},
        {"hostUsers": False, "hostPID": True, "hostIPC": True}, {"os": {}}, {"os": {"name": "macos"}},
        {"os": {"name": "windows"}, "securityContext": {"runAsUser": 1, "fsGroup": 2, "seLinuxOptions": {}}},
        {"os": {"name": "windows"}, "hostPID": True, "hostUsers": True, "shareProcessNamespace": False},
        {"os": {"name": "linux"}, "securityContext": {"windowsOptions": {}}},
        {"os": {"name": "windows"}, "containers": [{"name": "c", "image": "i", "securityContext": {
            "privileged": True, "capabilities": {}, "readOnlyRootFilesystem": False}}]},
    ) + posts(
        pod(annotations={"seccomp.security.alpha.kubernetes.io/pod": "x"}),
        pod({"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
            annotations={"seccomp.security.alpha.kubernetes.io/pod": "runtime/default"}),
        pod(annotations={"container.apparmor.security.beta.kubernetes.io/z": "x"}),
        pod(container={"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
            annotations={"container.apparmor.security.beta.kubernetes.io/c": "runtime/default"}),
        pod(annotations={"controller.kubernetes.io/pod-deletion-cost": "x"}),
        pod(annotations={"controller.kubernetes.io/pod-deletion-cost": "+1"}),
    )),
    Story("pods-placement", of_tolerations(
        {"key": "a"}, {"key": "", "operator": "Equal"}, {}, {"key": "a b", "operator": "Exists"},
        {"key": "a", "operator": "Exists", "value": "x"}, {"key": "a", "value": "x y"}, {"key": "a", "operator": "x"},
        {"key": "a", "operator": "Gt", "value": "1"}, {"key": "a", "effect": "x"},
        {"key": "a", "effect": "NoSchedule", "tolerationSeconds": 1}, {"key": "a/b/c", "operator": "Exists"},
    ) + of_terms({}, {"matchFields": [{"key": "x", "operator": "In", "values": ["a"]}]},
        {"matchFields": [{"key": "metadata.name", "operator": "Exists"}]},
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["A", "b"]}]},
    ) + of_expressions(
        {"key": "a", "operator": "In"}, {"key": "a", "operator": "Exists", "values": ["x"]},
        {"key": "", "operator": "x"},
        {"key": "a", "operator": "Gt", "values": []}, {"key": "a", "operator": "In", "values": ["a b"]},
        {"key": "a b", "operator": "DoesNotExist"},
    ) + of_pod_terms(
        {}, {"topologyKey": "a b"}, {"topologyKey": "a", "namespaces": ["A"]},
        {"topologyKey": "a", "labelSelector": {"matchLabels": {"a b": ""}}},
        {"topologyKey": "a", "labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
        {"topologyKey": "a", "namespaceSelector": {"matchExpressions": [
            {"key": "a", "operator": "x", "values": ["b"]}]}},
        {"topologyKey": "a", "matchLabelKeys": ["a"]},
        {"topologyKey": "a", "labelSelector": {}, "matchLabelKeys": ["a b"]},
        {"topologyKey": "a", "labelSelector": {}, "matchLabelKeys": ["x"], "mismatchLabelKeys": ["x"]},
    ) + of_specs(
        {"affinity": {"nodeAffinity": {REQUIRED: {}}}},
        {"affinity": {"nodeAffinity": {PREFERRED: [{"weight": 0, "preference": {}}]}}},
        {"affinity": {"podAntiAffinity": {PREFERRED: [{"weight": 101, "podAffinityTerm": {}}]}}},
        {"nodeSelector": {"a b": "c d"}}, {"nodeSelector": {"a": 1}}, {"schedulingGates": [{"name": ""}]},
        {"schedulingGates": [{"name": "a b"}]}, {"schedulingGates": [{"name": "a"}] * 2},
        {"schedulingGates": [{"name": "a"}], "nodeName": "n"}, {"readinessGates": [{"conditionType": "a b"}]},
        {"topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}] * 2},
    ) + of_spreads(
        {"maxSkew": 0}, {"topologyKey": ""}, {"whenUnsatisfiable": "x"}, {"minDomains": 0},
        {"minDomains": 1, "whenUnsatisfiable": "ScheduleAnyway"}, {"nodeAffinityPolicy": "x"},
        {"nodeTaintsPolicy": "x"},
        {"matchLabelKeys": ["a"]}, {"labelSelector": {"matchLabels": {"a": "b"}}, "matchLabelKeys": ["a b"]},
        {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
        {"maxSkew": -1, "topologyKey": None},
    )),
    Story("pods-disabled", of_specs(
        {"schedulingGroup": {"podGroupName": "g"}}, {"volumes": [{"name": "v", "emptyDir": {"mode": 511}}]},
        {"evictionResponders": [{"name": "a.b/c"}]},
    ) + of_containers(
        {"lifecycle": {"stopSignal": "SIGTERM"}}, {"lifecycle": {"stopSignal": "SIGTERM", "preStop": EXEC}},
        {"readinessProbe": {"grpc": {"port": 5, "mode": "TLS"}}},
        {"readinessProbe": {"httpGet": {"port": 5, "protocol": "HTTP2"}}},
    )),
    Story("pods-network", of_specs(
        {"dnsPolicy": "x"}, {"dnsPolicy": "None"}, {"dnsPolicy": "None", "dnsConfig": {}},
        {"dnsConfig": {"nameservers": ["1.1.1.1"] * 4}},
        {"dnsConfig": {"nameservers": ["x", "01.1.1.1", "::ffff:1.2.3.4"]}},
        {"dnsConfig": {"searches": ["a_b.c", "A", "-"]}}, {"dnsConfig": {"searches": ["a"] * 33}},
        {"dnsConfig": {"searches": ["a" * 63 + "." + "b" * 63] * 20}}, {"dnsConfig": {"options": [{"value": "x"}]}},
        {"hostAliases": [{"ip": "x", "hostnames": ["A"]}]}, {"hostAliases": [{"ip": "1.2.3"}]}, {"hostname": "A.b"},
        {"hostname": LONG}, {"hostname": "a.b"}, {"subdomain": "A"}, {"subdomain": LONG}, {"hostnameOverride": "A"},
        {"hostnameOverride": LONG + "a"}, {"hostnameOverride": "a", "hostNetwork": True, "setHostnameAsFQDN": True},
        {"serviceAccountName": "A"}, {"serviceAccountName": "a", "serviceAccount": "b"}, {"nodeName": "A"},
        {"activeDeadlineSeconds": 0}, {"activeDeadlineSeconds": -1}, {"activeDeadlineSeconds": 1 << 31},
        {"terminationGracePeriodSeconds": -1}, {"restartPolicy": "Sometimes"}, {"restartPolicy": "always"},
        {"runtimeClassName": "A"}, {"imagePullSecrets": [{"name": ""}]}, {"schedulerName": ""},
        {"preemptionPolicy": "x"}, {"priorityClassName": "A"},
        {"restartPolicy": "x", "dnsPolicy": "y", "containers": [], "hostname": "A", "nodeName": "B"},
        {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
    )),
)  # fmt: skip
