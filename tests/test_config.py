"""The configuration contract: defaults, what is refused and how the refusal reads."""



from __future__ import annotations

import dataclasses
import socket
from pathlib import Path
from typing import Any

import pytest

from edged import config
from edged.admission.config import AdmissionConfig, GroupConfig, PolicyConfig
from edged.config import Config, ConfigErrors
from edged.errors import ConfigError
from edged.registry.config import module_path
from edged.scheduling.config.section import PluginConfig
from edged.toml.reader import Bad, split_address

POLICY = '[[admission.policy]]\nname = "p"\nmodule = "file:///p.wasm"\n'
PLUGIN = '[[scheduler.plugin]]\nname = "p"\nmodule = "file:///p.wasm"\n'


def problems(text: str) -> list[str]:
    """Each problem as `line: where: message`."""
    with pytest.raises(ConfigErrors) as caught:
        config.parse(text, "x.toml")
    return [line.removeprefix("x.toml:") for line in str(caught.value).splitlines()]


def policy(text: str) -> PolicyConfig:
    parsed = config.parse(f"[admission]\n{POLICY}{text}")
    assert parsed.admission is not None
    return parsed.admission.policy[0]


def test_an_empty_file_is_all_defaults() -> None:
    parsed = config.parse("")
    assert parsed.node.name == socket.gethostname().lower()
    assert parsed.admission is None
    assert parsed.scheduler is None
    assert parsed == Config()


def test_defaults_are_those_of_the_contract() -> None:
    parsed = config.effective(config.parse("[admission]\n[scheduler]\n"))
    assert parsed["engine"] == {
        "kind": "native", "memory_limit_mib": 64, "guests_memory_mib": 192, "cpu_budget_ms": 1000,
        "wall_timeout_s": 2.0,
    }  # fmt: skip
    admission = parsed["admission"]
    assert admission["listen"] == "127.0.0.1:8443"
    assert admission["url"] == "https://127.0.0.1:8443"
    assert (admission["register"], admission["client_auth"]) == ("dynamic", "auto")
    assert (admission["webhook_timeout_s"], admission["audit_interval_s"]) == (3, 3600.0)
    assert parsed["scheduler"]["names"] == ["edged"]
    assert parsed["observability"] == {
        "listen": "127.0.0.1:8080", "log_format": "logfmt", "log_level": "info", "otlp_endpoint": "",
    }  # fmt: skip


def test_a_policy_is_read_as_written() -> None:
    read = policy(
        'mode = "monitor"\nallowed_to_mutate = true\nsettings = { deep = [{ a = 1 }] }\nmessage = "no"\n'
        'rules = [{ apiGroups = [""], apiVersions = ["v1"], resources = ["pods"], operations = ["CREATE"] }]\n'
        'context_aware = [{ apiVersion = "v1", kind = "Namespace" }]\nhost_capabilities = ["kubernetes/*"]\n'
        "timeout_s = 1\n"
        'namespace_selector = { matchExpressions = [{ key = "a/b", operator = "In", values = ["x"] }] }\n'
        'match_conditions = [{ name = "c", expression = "true" }]\n'
    )
    assert read.mode == "monitor" and read.allowed_to_mutate and read.message == "no"
    assert read.settings == {"deep": [{"a": 1}]}
    assert read.rules is not None and read.rules[0]["operations"] == ["CREATE"]
    assert read.context_aware == ({"apiVersion": "v1", "kind": "Namespace"},)
    assert read.host_capabilities == ("kubernetes/*",)
    assert read.timeout_s == 1.0 and isinstance(read.timeout_s, float)
    assert read.namespace_selector["matchExpressions"] == [{"key": "a/b", "operator": "In", "values": ["x"]}]
    assert read.match_conditions == ({"name": "c", "expression": "true"},)


def test_no_rules_and_empty_rules_differ() -> None:
    assert policy("").rules is None
    assert policy("rules = []").rules == ()


def test_failure_policy_defaults_by_mode() -> None:
    assert policy("").failure_policy == "Fail"
    assert policy('mode = "monitor"').failure_policy == "Ignore"
    assert policy('mode = "monitor"\nfailure_policy = "Fail"').failure_policy == "Fail"


def test_a_policys_timeout_defaults_to_the_engines() -> None:
    parsed = config.parse(f"[engine]\nwall_timeout_s = 1.5\n[admission]\n{POLICY}")
    assert parsed.admission is not None
    assert parsed.admission.policy[0].timeout_s == 1.5


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("0.0.0.0:9443", "https://127.0.0.1:9443"), ("[::1]:1", "https://[::1]:1"), ("[::]:1", "https://[::1]:1"),
        ("localhost:443", "https://localhost:443"),
    ],
)  # fmt: skip
def test_url_defaults_to_the_listener(listen: str, url: str) -> None:
    parsed = config.parse(f'[admission]\nlisten = "{listen}"\n')
    assert parsed.admission is not None
    assert parsed.admission.url == url


def test_a_port_chosen_at_start_has_no_url() -> None:
    parsed = config.parse('[admission]\nlisten = "127.0.0.1:0"\nregister = "none"\n')
    assert parsed.admission is not None
    assert parsed.admission.url == ""


def test_webhooks_are_shared_unless_somebody_says_otherwise() -> None:
    for text, expected in (("", True), ('webhooks = "each"', False), ('register = "none"', False)):
        parsed = config.parse(f"[admission]\n{text}\n")
        assert parsed.admission is not None and parsed.admission.is_sharing is expected
    assert "webhooks: must be" in problems('[admission]\nwebhooks = "shared-mutating"\n')[0]
    own = POLICY + 'webhook = "each"\n'
    assert "webhook: must be" in problems(own)[0]


def test_all_problems_are_told_at_once_in_line_order() -> None:
    text = (
        "[node]\ndrain = 1\n[engine]\nkind = 'fast'\ncpu_budget_ms = 1.5\n[admission]\nlisten = '8443'\n"
        "[[admission.policy]]\nname = 'good'\nmodule = 'file:///x.wasm'\n[[admission.policy]]\nname = 'a/b'\n"
    )
    assert problems(text) == [
        '2: [node] drain: unknown key; did you mean drain_s?',
        '4: [engine] kind: must be one of "native", "pulley", not "fast"',
        "5: [engine] cpu_budget_ms: must be an integer, not a float",
        '7: [admission] listen: must be "host:port" with a port from 0 to 65535, not "8443"',
        '11: [[admission.policy]] "a/b": needs the key "module"',
        '12: [[admission.policy]] "a/b" name: must be letters, digits, `-`, `_`, `.`, first a letter or digit, '
        'not "a/b"',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[schedular]\n", '1: [schedular]: unknown table; did you mean scheduler?'),
        ("node = 1\n", "1: [node]: must be a table, not an integer"),
        ("[admission]\npolicy = 1\n", "2: [admission] policy: must be an array, not an integer"),
        ("[admission]\n[admission.policy]\nname = 'x'\n", "2: [admission] policy: must be an array, not a table: "
         "write [[admission.policy]], with two brackets"),
        ("[scheduler.plugin]\nname = 'x'\n",
         "1: [scheduler] plugin: must be an array, not a table: write [[scheduler.plugin]], with two brackets"),
        ("[[admission]]\n", "1: [admission]: must be a table, not an array: write [admission], with one bracket"),
        ("[engine]\nfast = 1\n", "2: [engine] fast: unknown key; there are: cpu_budget_ms, guests_memory_mib, kind"),
        ("[admission]\npolicy = [1]\n", "2: [[admission.policy]] number 1: must be a table, not an integer"),
        ("[engine]\nmemory_limit_mib = true\n", "2: [engine] memory_limit_mib: must be an integer, not a boolean"),
        ("[engine]\nmemory_limit_mib = 5000\n", "2: [engine] memory_limit_mib: must be from 1 to 4096, not 5000"),
        ("[engine]\nwall_timeout_s = 0\n", "2: [engine] wall_timeout_s: must be above 0 and at most 3600, not 0"),
        ("[engine]\nwall_timeout_s = nan\n", "2: [engine] wall_timeout_s: must be above 0 and at most 3600, not nan"),
        ("[node]\nstate_dir = 'var'\n", '2: [node] state_dir: must be an absolute path, not "var"'),
        ("[node]\nname = 'A_b'\n", "2: [node] name: must be lower-case letters, digits, `-` and `.` (a DNS name)"),
        ("[admission]\nlisten = ':1'\n", '2: [admission] listen: needs a host: "127.0.0.1:1"'),
        ("[admission]\nlisten = '::1:1'\n", "2: [admission] listen: needs brackets around an IPv6 address"),
        ("[admission]\nlisten = '1.2.3:1'\n", "2: [admission] listen: is neither a host name nor an IP address"),
        ("[admission]\nlisten = 'h:70000'\n", '2: [admission] listen: must be "host:port"'),
        ("[admission]\nurl = 'http://a'\n", "2: [admission] url: must be an https:// URL with a host"),
        ("[admission]\nurl = 'https://a?b'\n", "2: [admission] url: must not hold a user, a query or a fragment"),
        ("[admission]\nurl = 'https://a:x'\n", "2: [admission] url: is not a URL"),
        ("[admission]\ntls = { cert = '/c' }\n", "2: [admission] tls: needs both cert and key, or neither"),
        ("[admission]\nclient_auth = 'off'\ntls.client_ca = '/c'\n", "3: [admission] tls.client_ca: is never used"),
        ("[admission]\nregister = 'static'\nstatic_dir = ''\n", "3: [admission] static_dir: must name a directory"),
        ("[admission]\nlisten = '127.0.0.1:0'\n", "2: [admission] listen: needs a fixed port"),
        ("[admission]\nwebhook_timeout_s = 31\n", "2: [admission] webhook_timeout_s: must be from 1 to 30, not 31"),
        ("[fabric]\nbackend = 'ovs'\n", '2: [fabric] backend: must be one of "linux", "memory", not "ovs"'),
        ("[fabric]\nsocket = 'fabric.sock'\n", '2: [fabric] socket: must be an absolute path, not "fabric.sock"'),
        ("[fabric]\nsocket = '/" + 107 * "x" + "'\n",
         "2: [fabric] socket: is longer than the 107 bytes that a Unix socket's path may have"),
        ("[fabric]\nhost_ip = 'fe80::1'\n", '2: [fabric] host_ip: must be an IPv4 address of this node, not "fe80::1"'),
        ("[fabric]\nhost_ip = '224.0.0.1'\n", "2: [fabric] host_ip: must be an address of this node, not 224.0.0.1"),
        ("[fabric]\nport = 0\n", "2: [fabric] port: must be from 1 to 65535, not 0"),
        ("[admission]\nlisten = 'localhost:8080'\n[observability]\nlisten = 'localhost:8080'\n",
         "4: [observability] listen: is the same address as [admission] listen"),
        ("[scheduler]\nnames = ['a']\nconfig = '/c'\n", "2: [scheduler] names: cannot be set together with config"),
        ("[scheduler]\nnames = ['a', 'a']\n", '2: [scheduler] names: names "a" twice'),
        ("[scheduler]\nnames = []\n", "2: [scheduler] names: must not be empty"),
        (f"[scheduler]\n{PLUGIN}points = ['filters']\n", "5: [[scheduler.plugin]] \"p\" points[0]: must be one of"),
        (f"[scheduler]\n{PLUGIN}profiles = ['x']\n", '5: [[scheduler.plugin]] "p" profiles: "x" is not in'),
        (f"[scheduler]\n{PLUGIN}depends_on = ['unknown', 'pod']\n",
         '5: [[scheduler.plugin]] "p" depends_on: "unknown" must stand alone'),
        (f"[scheduler]\n{PLUGIN}{PLUGIN}", '6: [[scheduler.plugin]] "p" name: is already used, in line 3'),
        (f"[admission]\n{POLICY}{POLICY}", '6: [[admission.policy]] "p" name: is already used, in line 3'),
    ],
)  # fmt: skip
def test_refusals(text: str, expected: str) -> None:
    found = problems(text)
    assert len(found) == 1 and found[0].startswith(expected), found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("settings = 1", "settings: must be a table"),
        ("settings = { a = [1979-05-27] }", "settings.a[0]: is a date or time, which JSON does not have"),
        ("settings = { a = inf }", "settings.a: has no JSON form"),
        ("settings = { a = 99999999999999999999 }", "settings.a: does not fit into 64 bits"),
        ("rules = [{}]", "rules[0]: needs apiGroups and apiVersions and resources and operations"),
        ("rules = [{ apiGroup = [] }]", 'rules[0].apiGroup: unknown key; did you mean apiGroups?'),
        ("host_capabilities = ['oci/v1']", "host_capabilities[0]: unknown host capability"),
        ("host_capabilities = ['kubernetes/list']", "host_capabilities[0]: unknown host capability"),
        ("context_aware = [{ kind = 'Pod' }]", "context_aware[0]: needs apiVersion"),
        ("context_aware = [{ apiVersion = 'v1', kind = 'Secret' }]", "context_aware[0]: Secret needs [admission]"),
        ("timeout_s = 2.5", "timeout_s: must not be above [engine] wall_timeout_s = 2"),
        ("object_selector = { matchLabels = { 'a b' = 'c' } }", "object_selector.matchLabels.a b: is not a qualified"),
        ("object_selector = { matchExpressions = [{ key = 'a', operator = 'In' }] }",
         "object_selector.matchExpressions[0]: operator In needs values"),
        ("match_conditions = [{ name = 'c', expression = 'a' }, { name = 'c', expression = 'b' }]",
         "match_conditions: names a condition twice"),
    ],
)  # fmt: skip
def test_refusals_in_a_policy(line: str, expected: str) -> None:
    found = problems(f"[admission]\n{POLICY}{line}\n")
    assert any(text.startswith(f'5: [[admission.policy]] "p" {expected}') for text in found), found


def test_operations_with_a_star_stand_alone() -> None:
    rule = (
        '{ apiGroups = ["*", "apps"], apiVersions = ["v1"], resources = ["pods"], operations = ["CREATE"] }'
    )
    assert problems(f"[admission]\n{POLICY}rules = [{rule}]\n") == [
        '5: [[admission.policy]] "p" rules[0].apiGroups: "*" must stand alone'
    ]


def test_timeouts_must_leave_time_to_answer() -> None:
    text = (
        f"[engine]\nwall_timeout_s = 5\n[admission]\nwebhook_timeout_s = 3\n{POLICY}timeout_s = 3\n{POLICY}"
    )
    found = problems(text.replace('"p"', '"q"', 1))
    assert found == [
        '8: [[admission.policy]] "q" timeout_s: must be below [admission] webhook_timeout_s = 3',
        '9: [[admission.policy]] "p": timeout_s, by default [engine] wall_timeout_s = 5, must be below '
        "[admission] webhook_timeout_s = 3",
    ]


@pytest.mark.parametrize(
    "url", ["/x.wasm", "x.wasm", "file://x.wasm", "file:///", "file:///x?y", "ftp://a/b"]
)
def test_module_urls_that_are_none(url: str) -> None:
    text = f'[admission]\n[[admission.policy]]\nname = "p"\nmodule = "{url}"\n'
    assert problems(text)[0].startswith('4: [[admission.policy]] "p" module: must ')


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file:///" + "a" * 4096, "names a path that no file can have"),
        ("file:///" + "a/" * 2048 + "x", "names a path that no file can have"),
        ("https://h.example/" + "a" * 4096, "cannot be the name of a file"),
        ("https://h.example/" + "a/" * 1024 + "x", "is longer than 2000 bytes"),
        ("https://" + "a" * 300 + "/x", "cannot be the name of a file"),
        ("https://h.example/../x", "cannot be the name of a file"),
        ("registry://h.example/" + "a" * 4096, "longer than 255 characters"),
        ("registry://h.example/" + "a/" * 2048 + "x", "longer than 255 characters"),
    ],
)
def test_addresses_of_modules_that_no_file_can_have(url: str, said: str) -> None:
    (found,) = problems(f'[admission]\n[[admission.policy]]\nname = "p"\nmodule = "{url}"\n')
    assert said in found and len(found) < 500


def test_a_policy_that_is_never_registered_may_have_any_segment_as_name() -> None:
    text = '[admission]\n[[admission.policy]]\nname = "Raw_1"\nmodule = "file:///x.wasm"\n'
    assert problems(text)[0].startswith('3: [[admission.policy]] "Raw_1" name: becomes part of')
    assert config.parse(text + "rules = []\n")


@pytest.mark.parametrize(
    "url",
    [
        "registry://ghcr.io/team/policy:v1",
        "registry://localhost:5000/p@sha256:" + "0" * 64,
        "https://example.com/policies/p.wasm",
    ],
)
def test_modules_from_the_network(url: str) -> None:
    parsed = config.parse(f'[admission]\n[[admission.policy]]\nname = "p"\nmodule = "{url}"\n')
    assert parsed.admission and parsed.admission.policy[0].module == url


@pytest.mark.parametrize(
    "url",
    [
        "registry://ghcr.io/UPPER:v1",
        "registry://ghcr.io/p@sha256:12",
        "registry://ghcr.io/p:",
        "registry://ghcr.io",
        "https://example.com",
    ],
)
def test_urls_that_can_name_no_module(url: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        config.parse(f'[admission]\n[[admission.policy]]\nname = "p"\nmodule = "{url}"\n')
    assert caught.value.problems[0].line == 4 and url in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        '[registry]\nsources = "/s.yml"\n',
        '[registry]\nmirrors = { "docker.io" = ["mirror.local"] }\noffline = true\n',
    ],
)
def test_registry_keys(text: str) -> None:
    config.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        '[signatures]\nverification = "/v.yml"\n',
        '[signatures]\ntrust_root = "/t.json"\n',
    ],
)
def test_what_this_release_does_not_have_is_refused_not_ignored(text: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        config.parse(text)
    assert len(caught.value.problems) == 1
    assert caught.value.unavailable == caught.value.problems
    assert "not available in this release" in str(caught.value)


def test_empty_values_of_what_is_not_there_are_fine() -> None:
    text = (
        'controller = []\n[admission]\npolicy_server = ""\naudit_interval_s = 0\ngroup = []\nmodule_dirs = []\n'
        '[scheduler]\nleader_election = false\n[signatures]\nverification = ""\n[registry]\nmirrors = {}\n'
    )
    assert config.parse(text).controller == ()


def test_group_members_are_checked() -> None:
    group = '[[admission.group]]\nname = "g"\nexpression = "a()"\nmessage = "no"\n'
    found = problems(f'{group}[admission.group.members."a b"]\nmodul = "file:///a"\n')
    assert (
        '5: [[admission.group]] "g" members.a b: must be letters, digits and `_`: the expression calls it'
        in found
    )
    assert '6: [[admission.group]] "g" members.a b.modul: unknown key; did you mean module?' in found


GROUP = '[admission]\n[[admission.group]]\nname = "g"\nmessage = "no"\nmembers.a = { module = "file:///a" }\n'


def test_a_group_is_complete() -> None:
    parsed = config.parse(f'{GROUP}expression = "!a()"\nmode = "monitor"\n[engine]\nwall_timeout_s = 1.5\n')
    group = parsed.admission.group[0]
    assert group.failure_policy == "Ignore"
    assert group.members["a"].timeout_s == 1.5
    assert group.rules == ()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ('expression = "a() &&"', '6: [[admission.group]] "g" expression: column 7: a member\'s call, true,'),
        ('expression = "b()"', '6: [[admission.group]] "g" expression: column 1: b is not a member of the group'),
        ('expression = "true"', '5: [[admission.group]] "g" members.a: is never called by the expression'),
        (
            'expression = "a()"\nmembers.b = { module = "file:///b", timeout_s = 3 }',
            '7: [[admission.group]] "g" members.b.timeout_s: must not be above [engine] wall_timeout_s = 2',
        ),
    ],
)
def test_a_group_is_refused_with_the_place_of_what_is_wrong(more: str, expected: str) -> None:
    found = problems(f"{GROUP}{more}\n")
    assert any(text.startswith(expected) for text in found), found


def test_a_scheduler_configuration_file_replaces_names() -> None:
    parsed = config.parse(f'[scheduler]\nconfig = "/c.yaml"\n{PLUGIN}profiles = ["other"]\n')
    assert parsed.scheduler is not None
    assert parsed.scheduler.names == ()


def test_settings_are_hidden() -> None:
    parsed = config.parse(f'[admission]\n{POLICY}settings = {{ password = "hunter2" }}\n')
    shown = config.effective(parsed)
    assert shown["admission"]["policy"][0]["settings"] == "(1 key, hidden)"
    assert "hunter2" not in str(shown)


def test_invalid_toml_names_its_line() -> None:
    with pytest.raises(ConfigError, match=r"x\.toml: not valid TOML: .*line 2"):
        config.parse("a = 1\nb = = 2\n", "x.toml")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        config.load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'a = 1\nb = "\xe4"\n')
    with pytest.raises(ConfigError, match=r"latin\.toml:2: not UTF-8"):
        config.load(tmp_path / "latin.toml")


def test_windows_line_ends_count_once() -> None:
    assert problems("[node]\r\n\r\ndrain = 1\r\n")[0].startswith("3: ")


def test_module_path_and_split_address() -> None:
    assert module_path("file:///a%20b/c.wasm") == "/a b/c.wasm"
    assert split_address("[::1]:8443") == ("::1", 8443)
    with pytest.raises(Bad):
        split_address("nowhere")


def test_every_field_has_a_check() -> None:
    def fields(cls: Any) -> Any:
        return dataclasses.fields(cls)

    for cls in (Config, AdmissionConfig, PolicyConfig, GroupConfig, PluginConfig):
        assert all("check" in field.metadata for field in fields(cls) if field.name != "origin")


def test_whose_custom_resources_and_where_their_modules_come_from() -> None:
    found = config.parse(
        '[admission]\npolicy_server = "edge"\nmodule_sources = ["ghcr.io", "https://example.com/p/"]\n'
        'module_dirs = ["/opt/modules"]\nnamespaced_capabilities = ["kubernetes/*"]\n'
    ).admission
    assert found is not None
    assert (found.policy_server, found.module_dirs) == ("edge", ("/opt/modules",))
    assert found.module_sources == ("ghcr.io", "https://example.com/p/")
    assert found.namespaced_capabilities == ("kubernetes/*",)


@pytest.mark.parametrize("value", ["ftp://x", "", "https://", "user@host", "a b"])
def test_sources_are_hosts_or_urls(value: str) -> None:
    assert problems(f'[admission]\nmodule_sources = ["{value}"]\n')


@pytest.mark.parametrize("value", ["Default", "a b", "x" * 64])
def test_policy_server_is_a_name(value: str) -> None:
    assert problems(f'[admission]\npolicy_server = "{value}"\n')


# --- what of a broken file can be used
def test_a_broken_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    policies = "".join(
        f'[[admission.policy]]\nname = "p{i}"\n' + ('module = "file:///m.wasm"\n' if i % 3 else "")  # else: required
        for i in range(12)
    )
    path = tmp_path / "edged.toml"
    path.write_text(
        '[node]\nsocket = "/x"\nstate_dir = "relative"\n[nod]\n[admission]\nlisten = "nowhere"\nurl = "https://a:1"\n'
        + policies + '[[scheduler.plugin]]\nname = "q"\n'
    )  # fmt: skip
    found, error = config.load_leniently(path)
    assert isinstance(error, ConfigErrors)
    assert found.node.socket == "/x" and found.node.state_dir == config.Config().node.state_dir
    assert found.admission is not None
    assert found.admission.listen == "127.0.0.1:8443" and found.admission.url == "https://a:1"
    assert [policy.name for policy in found.admission.policy] == [f"p{i}" for i in range(12) if i % 3]
    assert found.scheduler is not None and found.scheduler.plugin == ()


def test_a_file_that_contradicts_a_default_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "edged.toml"
    path.write_text('[admission]\nlisten = "127.0.0.1:8080"\n')
    found, error = config.load_leniently(path)
    assert error is not None and "same address" in str(error)
    assert found.admission is not None and found.admission.listen == "127.0.0.1:8080"


def test_a_file_that_is_no_toml_or_not_there_gives_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "edged.toml"
    assert config.load_leniently(path)[0] == config.Config()
    path.write_text("[node\n")
    found, error = config.load_leniently(path)
    assert found == config.Config() and "not valid TOML" in str(error)
    path.write_text("[admission]\n")
    assert config.load_leniently(path) == (config.load(path), None)


REQUIRED = """
[admission]
[[admission.policy]]
name = "p"
module = "file:///m.wasm"
[[admission.group]]
name = "g"
expression = "a()"
message = "m"
members = { a = { module = "file:///m.wasm" } }
[scheduler]
[[scheduler.plugin]]
name = "q"
module = "file:///m.wasm"
"""


@pytest.mark.parametrize("line", [line for line in REQUIRED.splitlines() if " = " in line])
def test_each_required_key_may_be_missing_or_of_another_type(line: str) -> None:
    """What checks several keys at once copes with each of them alone."""
    config.parse(REQUIRED)
    key = line.partition(" = ")[0]
    with pytest.raises(ConfigErrors, match=f'needs the key "{key}"'):
        config.parse(REQUIRED.replace(line, ""))
    with pytest.raises(ConfigErrors, match=f"{key}: must be"):
        config.parse(REQUIRED.replace(line, f"{key} = 3"))


@pytest.mark.parametrize("depth", [600, 5000])
def test_arrays_nested_too_deeply_are_an_error_of_the_file(depth: int) -> None:
    with pytest.raises(ConfigError, match=r"edged\.toml: .*nested too deeply|unknown"):
        config.parse(f"[x]\na = {'[' * depth}{']' * depth}\n")


@pytest.mark.usefixtures("edged_in_path")
def test_a_file_that_is_not_there_says_who_writes_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "edged.toml"
    with pytest.raises(ConfigError, match=rf"{missing}: No such file .*; `edged init --config {missing}` writes one"):
        config.load(missing)
    monkeypatch.setattr(config, "DEFAULT_PATH", str(missing))
    with pytest.raises(ConfigError, match=rf"{missing}: No such file .*; `edged init` writes one"):
        config.load(str(missing))


@pytest.mark.parametrize(("module", "said"), [
    ("ghcr.io/team/policy:v1", ': write "registry://ghcr.io/team/policy:v1"'),
    ("localhost:5000/policy", ': write "registry://localhost:5000/policy"'),
    ("team/policy", ': for a registry write "registry://HOST/team/policy"'),
    ("/opt/m.wasm", ': write "file:///opt/m.wasm"'), ("http://h/m.wasm", ': write "https://h/m.wasm"'),
    ("oci://h/policy", ': write "registry://h/policy"'), ("./m.wasm", 'its whole path, "file:///folder/m.wasm"'),
    ("m.wasm", 'its whole path, "file:///folder/m.wasm"'), ("ftp://x/y", 'not "ftp://x/y"'),
    ("registry://ghcr.io", 'needs a host and a path, such as "registry://ghcr.io/team/policy:v1"'),
    ("https://example.com", 'needs a host and a path, such as "https://example.com/policy.wasm"'),
])  # fmt: skip
def test_a_module_that_is_no_url_is_told_how_to_write_it(module: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as refused:
        config.parse(f'[admission]\n[[admission.policy]]\nname = "p"\nmodule = "{module}"\n')
    assert said in str(refused.value)
    assert 'edged.toml:4: [[admission.policy]] "p" module: ' in str(refused.value)


def test_an_unknown_profile_of_a_plugin_is_told_with_the_nearest_name() -> None:
    with pytest.raises(ConfigErrors, match=r'"edg" is not in \[scheduler\] names; did you mean edge\?'):
        config.parse(
            '[scheduler]\nnames = ["edge"]\n'
            '[[scheduler.plugin]]\nname = "q"\nmodule = "file:///m.wasm"\nprofiles = ["edg"]\n'
        )


@pytest.mark.parametrize(("value", "taken"), [("0", 0.0), ("10", 10.0), ("86400", 86400.0), ("12.5", 12.5)])
def test_a_bound_on_the_age_of_context(value: str, taken: float) -> None:
    parsed = config.parse(f"[admission]\n{POLICY}context_max_age_s = {value}\n")
    assert parsed.admission is not None and parsed.admission.policy[0].context_max_age_s == taken


@pytest.mark.parametrize("value", ["9.9", "-1", "86401", "nan", "inf", '"30"', "true"])
def test_bounds_on_the_age_of_context_that_are_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="context_max_age_s"):
        config.parse(f"[admission]\n{POLICY}context_max_age_s = {value}\n")


def test_only_a_policy_that_may_mutate_is_asked_again() -> None:
    again = 'reinvocation_policy = "IfNeeded"'
    assert problems(f"[admission]\n{POLICY}{again}\n") == [
        '5: [[admission.policy]] "p" reinvocation_policy: is of policies that change objects: set allowed_to_mutate'
    ]
    assert policy(f"{again}\nallowed_to_mutate = true").reinvocation_policy == "IfNeeded"
    assert "one of" in problems(f'[admission]\n{POLICY}reinvocation_policy = "Always"\n')[0]


@pytest.mark.parametrize("name", ["Upper", "a b", "", "-a", "edged-trial-x", "a" * 240])
def test_the_name_of_webhook_configurations(name: str) -> None:
    assert "registration_name: must be a DNS name" in problems(f'[admission]\nregistration_name = "{name}"\n')[0]
