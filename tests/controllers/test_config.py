"""[[controller]]: defaults, what is refused, and what a forced selector becomes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from edged import config
from edged.config import ConfigErrors
from edged.controllers.config import ControllerConfig

HEAD = '[[controller]]\nname = "ipam"\nmodule = "file:///c.wasm"\n'
RULES = 'rules = [{ apiGroups = [""], apiVersions = ["v1"], resources = ["pods"], operations = ["CREATE"] }]'
ADMITS = f"admits = [{{ {RULES} }}]\n"


def controller(text: str, before: str = "") -> ControllerConfig:
    (found,) = config.parse(f"{before}{HEAD}{text}").controller
    return found


def problems(text: str) -> list[str]:
    """Each problem as `line: where: message`."""
    with pytest.raises(ConfigErrors) as caught:
        config.parse(text, "x.toml")
    return [line.removeprefix("x.toml:") for line in str(caught.value).splitlines()]


def problem(text: str, before: str = "") -> str:
    """The only one of a controller, after its name."""
    (found,) = problems(f"{before}{HEAD}{text}")
    return found.partition('"ipam" ')[2]


def rule(**keys: Any) -> str:
    whole = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], **keys}
    pairs = ", ".join(f"{name} = {value!r}" for name, value in whole.items())
    return f"allow = [{{ {pairs} }}]\n"


def test_only_name_and_module_are_needed() -> None:
    found = controller("")
    assert (found.leader_election, found.allow, found.admits, found.extensions) == (True, (), (), ())
    assert (found.idle_s, found.memory_limit_mib, found.cpu_budget_ms, found.timeout_s) == (30.0, 16, 500, 30.0)
    assert (found.api_calls_per_s, found.max_objects, found.max_cache_mib, found.max_keys) == (50.0, 4096, 16, 100_000)
    assert 'needs the key "module"' in problems('[[controller]]\nname = "x"\n')[0]


def test_a_file_without_controllers_loads_no_code_of_theirs() -> None:
    for text in ("[admission]\\n[scheduler]\\n", "controller = []\\n"):
        code = f"import sys; from edged import config; config.parse('{text}'); " \
               "print([name for name in sys.modules if name.startswith('edged.controllers')])"  # fmt: skip
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"


@pytest.mark.parametrize(("value", "means"), [("true", True), ("false", False), ('"own"', "own")])
def test_leader_election(value: str, means: object) -> None:
    assert controller(f"leader_election = {value}\n").leader_election == means


@pytest.mark.parametrize("value", ['"shared"', "1", "[]"])
def test_no_other_leader_election(value: str) -> None:
    assert 'must be true, false or "own"' in problem(f"leader_election = {value}\n")


@pytest.mark.parametrize("name", ["Ipam", "a.b", "a_b", "", "-a", "a" * 64])
def test_a_name_is_a_dns_label(name: str) -> None:
    assert "a DNS label" in problems(HEAD.replace("ipam", name))[0]


def test_names_are_unique() -> None:
    assert problems(HEAD + HEAD) == ['5: [[controller]] "ipam" name: is already used, in line 2']


def test_the_table_is_an_array_of_tables() -> None:
    assert "write [[controller]], with two brackets" in problems('[controller]\nname = "x"\n')[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rule(verbs=["fly"]), "allow[0].verbs[0]: must be one of"),
        (rule(verbs=["deletecollection"]), "allow[0].verbs[0]: must be one of"),
        (rule(verbs=["get", "watch"]), "allow[0].verbs: watch needs list, too"),
        (rule(verbs=["*", "get"]), 'allow[0].verbs: "*" must stand alone'),
        (rule(resources=["pods/status"], verbs=["get", "list"]), "allow[0].resources[0]: pods/status takes get, upd"),
        (rule(resources=["pods/exec"]), 'allow[0].resources[0]: names the subresource "exec"'),
        (rule(resources=["Pods"]), "allow[0].resources[0]: must be a resource in lower case"),
        (rule(namespaces=["a/b"]), "allow[0].namespaces[0]: must be the name of a namespace"),
        (rule(namespaces=[]), "allow[0].namespaces: must not be empty"),
        (rule(resourceName=["a"]), "allow[0].resourceName: unknown key; did you mean resourceNames?"),
        (rule(fieldSelector="spec.node"), "allow[0].fieldSelector: is no selector"),
        (rule(fieldSelector="spec.node=${nod}"), "allow[0].fieldSelector: knows ${node}"),
        (rule(labelSelector="a=b,,c"), "allow[0].labelSelector: is no selector that the API server takes: found"),
        ("allow = [{ apiGroups = [''] }]\n", "allow[0]: needs resources and verbs"),
        ('extensions = ["netfabrik"]\n', "extensions[0]: unknown extension; did you mean netfabric?"),
        ("memory_limit_mib = 257\n", "memory_limit_mib: must be from 1 to 256"),
        ("idle = 3\n", "idle: unknown key; did you mean idle_s?"),
        ("max_objects = 0\n", "max_objects: must be from 1"),
        ('module = "a.wasm"\n', ""),
    ],
)
def test_what_is_refused(text: str, expected: str) -> None:
    if expected:
        assert problem(text).startswith(expected)
    else:
        assert "module: must be a file://" in problems(f'[[controller]]\nname = "x"\n{text}')[0]


def test_rules_keep_the_names_of_kubernetes() -> None:
    (found,) = controller(rule(namespaces=["a"], resourceNames=["b"], labelSelector="c=d", verbs=["*"])).allow
    assert found == {
        "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"], "namespaces": ["a"],
        "resourceNames": ["b"], "labelSelector": "c=d",
    }  # fmt: skip


def test_a_forced_selector_names_this_node() -> None:
    text = rule(fieldSelector="spec.node=${node},status.ipv4!=", labelSelector="on=${node}")
    (found,) = controller(text, '[node]\nname = "n1"\n').allow
    assert (found["fieldSelector"], found["labelSelector"]) == ("spec.node=n1,status.ipv4!=", "on=n1")


def test_rules_that_force_different_selectors_on_the_same_objects_contradict_themselves() -> None:
    both = [f'{{ apiGroups = [""], resources = ["pods"], verbs = ["list"], {each} }}'
            for each in ('fieldSelector = "spec.nodeName=${node}"', 'labelSelector = "a=b"')]  # fmt: skip
    assert problem(f"allow = [{', '.join(both)}]\n") == "allow: has two rules for pods that force different selectors"


def test_what_it_admits_is_bounded_as_a_policy_is() -> None:
    (found,) = controller(ADMITS, "[admission]\n").admits
    assert found.rules[0]["operations"] == ["CREATE"]
    assert (found.failure_policy, found.timeout_s, found.object_selector) == ("Fail", 2.0, {})
    assert (found.mode, found.allowed_to_mutate) == ("protect", False)
    nested = f'{HEAD}[[controller.admits]]\n{RULES}\nfailure_policy = "Ignore"\n'
    (found,) = config.parse(f"[admission]\n{nested}").controller[0].admits
    assert found.failure_policy == "Ignore"


def test_who_admits_needs_the_listener() -> None:
    assert problem(ADMITS).startswith("admits: needs the table [admission]")
    # A table that is wrong itself is told alone.
    assert len(problems(f"admission = 5\n{HEAD}{ADMITS}")) == 1


def test_who_admits_answers_in_time_and_by_a_name_of_its_own() -> None:
    slow = ADMITS.replace(" }]\n", ", timeout_s = 3 }]\n")
    assert problem(slow, "[admission]\n") == "admits[0].timeout_s: must be below [admission] webhook_timeout_s = 3"
    short = "[admission]\nwebhook_timeout_s = 2\n[engine]\nwall_timeout_s = 1\n"
    assert problem(ADMITS, short).endswith("webhook_timeout_s = 2 (default 2)")
    policy = '[admission]\n[[admission.policy]]\nname = "ipam"\nmodule = "file:///p.wasm"\n'
    assert "also the name of a policy" in problem(ADMITS, policy)
    assert config.parse(f"{policy}{HEAD}").controller[0].name == "ipam"
    second = f"{HEAD}[[controller.admits]]\n{RULES}\n" + f"[[controller.admits]]\n{RULES}\n"
    (found,) = problems(policy.replace('"ipam"', '"ipam.2"') + second)
    assert found.endswith("is also the name of a policy or group, and this controller admits, as ipam.2")


def test_its_memory_fits_into_that_of_all_guests() -> None:
    assert "must not be above [engine] guests_memory_mib = 8" in problem(
        "memory_limit_mib = 9\n", "[engine]\nguests_memory_mib = 8\n"
    )


def test_what_is_in_effect_hides_settings() -> None:
    shown = config.effective(config.parse(f"{HEAD}config = {{ token = 'x' }}\n"))
    assert shown["controller"][0]["config"] == "(1 key, hidden)"
    assert "controller" not in config.effective(config.parse("controller = []"))


def test_a_wrong_controller_counts_as_not_there(tmp_path: Any) -> None:
    path = tmp_path / "edged.toml"
    path.write_text(f"{HEAD}{ADMITS}{HEAD.replace('ipam', 'other')}")
    found, error = config.load_leniently(path)
    assert [each.name for each in found.controller] == ["other"]
    assert "needs the table [admission]" in str(error)
