"""`edged policy run`: questions, policies, exit codes, and what is said when something is wrong."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from edged.wasm import binary
from edged.wasm.compile import METADATA_SECTION
from tests.cli.policy.support import POD, PRIVILEGED, Policy, fault, sample, write

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "shop"},
    "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "x"}]}}},
}


def test_a_manifest_is_allowed_or_rejected(policy: Policy, tmp_path: Path):
    code, out, _ = policy("run", "-r", write(tmp_path / "pod.json", POD), sample("pod-privileged"))
    assert (code, json.loads(out)["allowed"]) == (0, True)
    code, out, _ = policy("run", "-r", write(tmp_path / "pod.json", PRIVILEGED), sample("pod-privileged"))
    assert code == 1
    assert json.loads(out)["status"] == {
        "message": 'Pod web: container "app" is privileged, which is not allowed',
        "code": 403,
    }


def test_the_request_is_read_from_stdin_and_settings_from_a_file(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(yaml.safe_dump(PRIVILEGED).encode())))
    settings = write(tmp_path / "settings.yaml", "allowed_images: [x]\n")
    code, out, _ = policy("run", "-r", "-", "-s", settings, sample("pod-privileged"))
    assert (code, json.loads(out)["allowed"]) == (0, True)


def test_a_patch_is_decoded_on_request(policy: Policy, tmp_path: Path):
    settings = ("--settings-json", "limits: {cpu: '1'}")
    request = write(tmp_path / "deployment.json", DEPLOYMENT)
    code, out, _ = policy("run", "-r", request, *settings, "--decode-patch", sample("resource-defaults"))
    assert code == 0
    assert json.loads(out)["decodedPatch"] == [
        {
            "op": "add",
            "path": "/spec/template/spec/containers/0/resources",
            "value": {"limits": {"cpu": "1"}},
        }
    ]
    code, out, _ = policy("run", "-r", request, *settings, "-o", "wide", sample("resource-defaults"))
    assert "Deployment default/shop" in out and '{"op":"add"' in out


def test_reviews_and_bare_requests_are_taken_as_they_are(policy: Policy, tmp_path: Path):
    _, request, _ = policy("scaffold", "admission-request", "--object", write(tmp_path / "pod.json", PRIVILEGED))
    bare = write(tmp_path / "request.json", request)
    review = write(tmp_path / "review.json", {"kind": "AdmissionReview", "request": json.loads(request)})
    answers = [policy("run", "-r", each, sample("pod-privileged"))[:2] for each in (bare, review)]
    assert answers[0] == answers[1]
    assert answers[0][0] == 1
    code, _, err = policy("run", "-r", bare, "--operation", "UPDATE", sample("pod-privileged"))
    assert (code, "is a request already" in err) == (2, True)


@pytest.mark.parametrize("wrap", [lambda request: request, lambda request: {"request": request}])
def test_reviews_as_gator_takes_them(policy: Policy, tmp_path: Path, wrap: Callable[[Any], Any]):
    path = write(tmp_path / "review.json", wrap({"object": PRIVILEGED}))
    code, out, err = policy("run", "-r", path, sample("pod-privileged"))
    assert (code, json.loads(out)["status"]["code"]) == (1, 403)
    assert "note: " in err and "review.json: the request lacks kind, operation, resource, uid, userInfo; " in err


def test_a_policy_of_type_raw_gets_the_document_as_it_is(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As with kwctl, also without --raw."""
    old = {"protocolVersion": "v1", "rules": [], "mutating": False, "policyType": "raw"}
    module = binary.replace_custom_section(
        sample("pod-privileged").read_bytes(), METADATA_SECTION, json.dumps(old).encode()
    )
    module_path = write(tmp_path / "raw.wasm", module)
    request = write(tmp_path / "raw.json", {"uid": "u-1", "user": "me"})
    code, out, err = policy("run", "-r", request, module_path)
    assert json.loads(out)["uid"] == "u-1"
    assert "policy raw is of type raw: it is asked about" in err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}")))
    assert "it is asked about stdin as it is" in policy("run", "-r", "-", module_path)[2]
    with_option = policy("run", "--raw", "-r", request, module_path)
    assert with_option[:2] == (code, out) and "of type raw" not in with_option[2]


def test_what_a_module_will_not_get_is_told(policy: Policy, tmp_path: Path):
    request = write(tmp_path / "pod.json", POD)
    _, _, err = policy("run", "-r", request, sample("namespace-quota-hint"))
    assert "note: policy namespace-quota-hint reads v1 Namespace, v1 Pod, which is refused without --allow" in err


def test_what_a_custom_resource_says_in_vain_is_told(policy: Policy, tmp_path: Path):
    resource = resources(
        "ClusterAdmissionPolicy", module=f"file://{sample('pod-privileged')}", mutating=False, policyServer="default",
        matchConditions=[{"name": "never", "expression": "false"}], failurePolicy="Ignore", timeoutSeconds=5,
    )  # fmt: skip
    request = write(tmp_path / "pod.json", PRIVILEGED)
    code, _, err = policy("run", "-r", request, write(tmp_path / "policy.yaml", yaml.safe_dump(resource)))
    said = "ClusterAdmissionPolicy clusteradmissionpolicy is asked whatever these say: "
    assert code == 1 and f"edged: note: {said}" in err
    (line,) = [line for line in err.splitlines() if said in line]
    assert set(line.partition(said)[2].split(", ")) == {"rules", "matchConditions", "failurePolicy", "policyServer"}


def test_mode_monitor_is_told(policy: Policy, tmp_path: Path):
    request = write(tmp_path / "pod.json", PRIVILEGED)
    for mode, code in (("monitor", 0), ("protect", 1)):
        resource = resources(
            "ClusterAdmissionPolicy", module=f"file://{sample('pod-privileged')}", mutating=False, mode=mode
        )
        done = policy("run", "-r", request, write(tmp_path / "policy.yaml", yaml.safe_dump(resource)))
        told = "edged: note: policy clusterwide-clusteradmissionpolicy is in mode monitor: it allows all, and only"
        assert (done[0], told in done[2]) == (code, mode == "monitor")


def test_several_objects_are_asked_about_one_by_one(policy: Policy, tmp_path: Path):
    objects = write(tmp_path / "list.json", {"apiVersion": "v1", "kind": "List", "items": [POD, PRIVILEGED]})
    code, out, _ = policy("run", "-r", objects, sample("pod-privileged"))
    assert code == 1
    assert [each["response"]["allowed"] for each in json.loads(out)] == [True, False]


def resources(kind: str, **spec: Any) -> dict[str, Any]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
    return {
        "apiVersion": "policies.kubewarden.io/v1",
        "kind": kind,
        "metadata": {"name": kind.lower()},
        "spec": {"rules": [rule], **spec},
    }


def test_custom_resources_are_run_in_sequence(policy: Policy, tmp_path: Path):
    module = f"file://{sample('pod-privileged')}"
    members = {"strict": {"module": module}, "lenient": {"module": module, "settings": {"allowed_images": ["x"]}}}
    text = yaml.safe_dump_all(
        [
            resources("ClusterAdmissionPolicy", module=module, mutating=False),
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "else"}},
            resources(
                "ClusterAdmissionPolicyGroup", policies=members, expression="strict() || lenient()", message="no"
            ),
        ]
    )
    request = write(tmp_path / "pod.json", PRIVILEGED)
    code, out, _ = policy("run", "-r", request, write(tmp_path / "policies.yaml", text))
    assert code == 1
    assert [(each["policy"], each["response"]["allowed"]) for each in json.loads(out)] == [
        ("clusterwide-clusteradmissionpolicy", False),
        ("clusterwide-group-clusteradmissionpolicygroup", True),
    ]


def test_a_custom_resource_that_is_wrong_is_told_by_field(policy: Policy, tmp_path: Path):
    wrong = resources("ClusterAdmissionPolicy", module=f"file://{sample('pod-privileged')}", rules=[])
    request = write(tmp_path / "pod.json", POD)
    code, _, err = policy("run", "-r", request, write(tmp_path / "policy.yaml", yaml.safe_dump(wrong)))
    assert code == 2
    assert "policy.yaml: document 1: ClusterAdmissionPolicy clusteradmissionpolicy: spec.rules" in err


@pytest.mark.parametrize(
    ("api_version", "said"),
    [
        ("policies.kubewarden.io/v2", "must be policies.kubewarden.io/v1 or policies.kubewarden.io/v1alpha2"),
        (None, "apiVersion must be policies.kubewarden.io/v1"),
        ("policies.example.com/v1", "holds no policy"),
    ],
)
def test_kinds_are_known_by_their_group(policy: Policy, tmp_path: Path, api_version: str | None, said: str):
    """Other programs have an AdmissionPolicy, too."""
    made = {**resources("AdmissionPolicy", module=f"file://{sample('pod-privileged')}"), "apiVersion": api_version}
    request = write(tmp_path / "pod.json", POD)
    code, _, err = policy("run", "-r", request, write(tmp_path / "policy.yaml", yaml.safe_dump(made)))
    assert code == 2 and said in err


def test_the_list_of_differences_from_kwctl(policy: Policy, tmp_path: Path):
    """Exit codes and output as docs/kubewarden-differences.md has them."""
    pod, both = write(tmp_path / "pod.json", POD), write(tmp_path / "both.json", {
        "apiVersion": "v1", "kind": "List", "items": [POD, PRIVILEGED]})  # fmt: skip
    module = sample("pod-privileged")
    assert policy("run", "-r", pod, module)[0] == 0
    code, out, _ = policy("run", "-r", pod, "--settings-json", "{allowed_images: 3}", module)
    assert (code, json.loads(out)["status"]["code"]) == (1, 500)
    assert "settings are invalid" in json.loads(out)["status"]["message"]
    code, out, _ = policy("run", "-r", both, module)
    assert code == 1 and set(json.loads(out)[0]) == {"policy", "request", "object", "response"}
    assert policy("run", "-r", tmp_path / "absent.json", module)[0] == 2
    assert policy("run", "-r", pod, tmp_path / "absent.wasm")[0] == 2
    plain = write(tmp_path / "plain.wasm", binary.remove_custom_sections(module.read_bytes(), METADATA_SECTION))
    code, out, _ = policy("run", "-r", pod, plain)
    assert (code, json.loads(out)["status"]["code"]) == (1, 500)
    assert policy("run", "-r", pod, "-e", "kubewarden", plain)[0] == 0
    resource = write(tmp_path / "policy.yaml", yaml.safe_dump(
        resources("ClusterAdmissionPolicy", module=f"file://{module}", mutating=False)))  # fmt: skip
    assert policy("run", "-r", pod, "-e", "wasi", resource)[0] == 2
    assert policy("run", "-r", pod, "--settings-json", "{allowed_images: 3}", resource)[0] == 1
    assert policy("run", "-r", pod, "--raw", resource)[0] == 0


def config(tmp_path: Path, text: str) -> str:
    folders = f'[node]\nstate_dir = "{tmp_path}/state"\ncache_dir = "{tmp_path}/cache"\n'
    return write(tmp_path / "edged.toml", f'{folders}[admission]\nregister = "none"\n{text}')


def test_a_policy_of_the_configuration_file_is_run_as_it_is_configured(policy: Policy, tmp_path: Path):
    entry = f'name = "watch"\nmodule = "file://{sample("pod-privileged")}"\nmode = "monitor"\n'
    path = config(tmp_path, f"[[admission.policy]]\n{entry}")
    request = write(tmp_path / "pod.json", PRIVILEGED)
    code, out, err = policy("run", "--config", path, "-r", request, "watch")
    assert (code, json.loads(out)["allowed"]) == (0, True)
    assert err.count("note: ") == 1 and "note: policy watch is in mode monitor" in err
    code, _, err = policy("run", "--config", path, "-r", request, "wach")
    assert code == 2
    assert "policies of the configuration file: watch" in err


def test_a_module_of_the_store_is_found_by_its_digest(policy: Policy, tmp_path: Path):
    content = sample("pod-privileged").read_bytes()
    stored = tmp_path / "state" / "modules" / "registry" / "reg.example" / "policies" / "pod-privileged:v1"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    request = write(tmp_path / "pod.json", POD)
    code, out, _ = policy("run", "--config", config(tmp_path, ""), "-r", request, digest[:12])
    assert (code, json.loads(out)["allowed"]) == (0, True)
    code, _, err = policy("run", "--config", config(tmp_path, ""), "-r", request, "0000aaaa")
    assert (code, "no module in" in err) == (2, True)


def test_a_module_without_metadata_runs_in_the_mode_that_is_asked_for(policy: Policy, tmp_path: Path):
    module = tmp_path / "plain.wasm"
    write(module, fault("metadata-none"))
    request = write(tmp_path / "pod.json", POD)
    code, out, _ = policy("run", "-r", request, module)
    assert code == 1
    assert "protocol version" in json.loads(out)["status"]["message"]
    _, out, _ = policy("run", "-r", request, "-e", "kubewarden", module)
    assert "protocol version" not in out


def test_null_is_json_too(policy: Policy, tmp_path: Path):
    """As for the daemon. Nothing at all is none."""
    request = write(tmp_path / "raw.json", "null\n")
    code, out, err = policy("run", "--raw", "-r", request, sample("pod-privileged"))
    assert "holds nothing" not in err and "allowed" in out
    for options, text in ((("--raw",), " \n"), ((), "null")):
        request = write(tmp_path / "raw.json", text)
        code, _, err = policy("run", *options, "-r", request, sample("pod-privileged"))
        assert (code, "raw.json: holds nothing" in err) == (2, True)


def test_raw_policies_get_any_json(policy: Policy, tmp_path: Path):
    request = write(tmp_path / "raw.json", {"uid": "mine", "anything": [1]})
    code, out, _ = policy("run", "--raw", "-r", request, sample("pod-privileged"))
    assert json.loads(out)["uid"] == "mine"
    assert code in (0, 1)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("spin", "exceeded the allowed execution time"),
        ("trap-unreachable", "Guest call failure"),
        ("reply-not-json", "not JSON"),
        ("unknown-import", "import"),
        ("metadata-bad", "not JSON"),
    ],
)
def test_a_policy_that_fails_rejects_and_says_why(policy: Policy, tmp_path: Path, name: str, said: str):
    module = tmp_path / f"{name}.wasm"
    write(module, fault(name))
    code, out, _ = policy("run", "--timeout", "0.3", "-r", write(tmp_path / "pod.json", POD), module)
    status = json.loads(out)["status"]
    assert (code, status["code"]) == (1, 500)
    assert said in status["message"]


def test_bad_settings_reject_with_what_the_policy_says(policy: Policy, tmp_path: Path):
    request = write(tmp_path / "pod.json", POD)
    code, out, _ = policy("run", "-r", request, "--settings-json", "{nonsense: 1}", sample("pod-privileged"))
    assert code == 1
    assert json.loads(out)["status"]["message"].startswith("Policy settings are invalid: unknown setting")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-r", "absent.yaml", "{module}"), "absent.yaml: No such file"),
        (("-r", "{pod}", "absent.wasm"), "absent.wasm: no such file"),
        (("-r", "{pod}", "{pod}"), "holds no policy"),
        (("-r", "{pod}", "{text}"), "not a WebAssembly module"),
        (("-r", "{pod}", "{rego}"), "`opa build -t wasm"),
        (("-r", "{pod}", "{bundle}"), "a bundle of OPA"),
        (("-r", "{wat}", "{module}"), "not valid YAML"),
        (("-r", "{settings}", "{module}"), "neither an AdmissionReview"),
        (("-r", "{pod}", "--settings-json", "[1", "{module}"), "--settings-json: not valid YAML"),
        (("-r", "{pod}", "--settings-json", "[1]", "{module}"), "settings must be an object"),
        (("-r", "{pod}", "--timeout", "0", "{module}"), "--timeout"),
        (("-r", "{pod}", "--allowed-host-capabilities", "oci/v9", "{module}"), "is not a host capability"),
        (("-r", "{pod}", "--old-object", "{pod}", "{module}"), "--old-object is for"),
        (("-r", "{pod}", "ftp://host/x.wasm"), "must be a file://"),
        (("-r", "{pod}", "--allow-context-aware", "{module}"), "kubeconfig"),
    ],
)
def test_what_is_wrong_is_named(policy: Policy, tmp_path: Path, arguments: tuple[str, ...], said: str):
    files = {
        "pod": write(tmp_path / "pod.json", POD),
        "text": write(tmp_path / "text", "hello"),
        "rego": write(tmp_path / "policy.rego", "# a policy\npackage policy.pods\n\nimport rego.v1\n"),
        "bundle": write(tmp_path / "bundle.tar.gz", gzip.compress(b"a tar")),
        "wat": write(tmp_path / "bad.yaml", "a: ["),
        "settings": write(tmp_path / "settings.yaml", "a: 1"),
        "module": str(sample("pod-privileged")),
    }
    code, out, err = policy("run", *(argument.replace("{", "{0[").replace("}", "]}").format(files)
                                     if argument[1:-1] in files else argument for argument in arguments))  # fmt: skip
    assert (code, out) == (2, "")
    assert said in err


PLUGIN = Path(__file__).parents[3] / "modules/scheduling/device-fit/device-fit.wasm"


@pytest.mark.parametrize("mode", [(), ("-e", "kubewarden")])
@pytest.mark.parametrize("command", ["run", "bench"])
def test_a_scheduler_plugin_is_no_policy(policy: Policy, tmp_path: Path, command: str, mode: tuple[str, ...]):
    code, out, err = policy(command, "-r", write(tmp_path / "pod.json", POD), *mode, PLUGIN)
    assert (code, out) == (2, "")
    (line,) = [line for line in err.splitlines() if line.startswith("edged: ")]
    assert line.startswith("edged: policy device-fit")
    assert line.endswith(": the module is a scheduler plugin: write it under [[scheduler.plugin]]")


def test_a_configured_policy_that_reads_the_cluster_is_not_asked_without_one(policy: Policy, tmp_path: Path):
    entry = 'context_aware = [{ apiVersion = "v1", kind = "Pod" }]\nhost_capabilities = ["kubernetes/*"]\n'
    path = config(
        tmp_path, f'[[admission.policy]]\nname = "quota"\nmodule = "file://{sample("namespace-quota-hint")}"\n{entry}'
    )
    code, _, err = policy("run", "--config", path, "-r", write(tmp_path / "pod.json", POD), "quota")
    assert code == 2
    assert "policy quota reads v1 Pod of the cluster" in err


def test_what_a_simple_question_does_not_need_is_not_imported(tmp_path: Path) -> None:
    """Each of these would take a tenth of the command's time or more."""
    code = (
        "import sys; from edged.cli.main import main; code = main(sys.argv[1:]);"
        "print(sorted({'httpx2', 'lightkube', 'asyncio', 'yaml', 'edged.config', 'edged.kube.client', 'wasmtime',"
        " 'edged.kube.informers', 'edged.registry.http', 'edged.admission.host.rego_policy', 'importlib.metadata',"
        " 'edged.cli.policy.sessions', 'edged.cli.policy.suite_files'} & set(sys.modules)), code, file=sys.stderr)"
    )
    words = ["policy", "run", "-f", write(tmp_path / "pod.json", POD), "--cache-dir", str(tmp_path / "cache"),
             sample("pod-privileged")]  # fmt: skip
    ran = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=100)
    assert ran.stderr.splitlines()[-1] == "[] 0"


def test_a_kind_that_is_no_text_is_no_policy(policy: Policy, tmp_path: Path):
    for kind in ("[]", "{}"):
        path = write(tmp_path / "policy.yaml", f"kind: {kind}\n")
        code, _, err = policy("run", "-f", write(tmp_path / "pod.json", POD), path)
        assert code == 2 and "holds no policy" in err
