"""`edged controller test`: what a module does as a script says, and what is said where it does something else."""

from __future__ import annotations

import time

import pytest

from edged.cli.controller.stage import CALLS
from edged.cli.main import main
from tests.cli.controller.building import ALL, SETTINGS, applies, played, script, wat

MADE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}, "data": {"text": "x"}}
NAMED = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "default", "name": "made"}
AGAIN_IN_AN_HOUR = wat("(call $answer)", answer={"requeueAfterMs": 3_600_000})


def test_what_a_module_makes_is_compared_and_put_right_after_each_change(capsys, tmp_path):
    change = {**NAMED, "merge": {"data": {"text": "changed"}}}
    played(
        capsys, tmp_path, applies(), {"expect": {"objects": MADE, "requests": {"patch configmaps": 2}}},
        {"patch": change}, {"expect": {"objects": MADE}}, {"delete": NAMED},
        {"expect": {"objects": MADE, "exactly": {**MADE, "metadata": {"name": "made"}}, "denied": [], "error": ""}},
    )  # fmt: skip


def test_a_difference_names_step_line_object_and_place(capsys, tmp_path):
    wanted = {**MADE, "data": {"text": "z", "more": "?"}}
    result = played(capsys, tmp_path, applies(), {"expect": {"objects": wanted, "absent": NAMED}}, code=1)
    assert result["outcome"] == "failed"
    assert result["details"] == [
        'step 1 (line 12): ConfigMap default/made: /data/text: expected "z", found "x"',
        'step 1 (line 12): ConfigMap default/made: /data/more: expected "?", found nothing',
        "step 1 (line 12): ConfigMap default/made: expected to be absent, it is there",
    ]


def test_an_hour_passes_at_once_for_timers_and_for_the_clock_of_the_api_server(capsys, tmp_path):
    begun = time.monotonic()
    made = {**SETTINGS, "metadata": {"name": "late"}}
    stamped = {**made, "metadata": {"name": "late", "creationTimestamp": "2030-01-02T00:00:00Z"}}
    played(
        capsys, tmp_path, AGAIN_IN_AN_HOUR, {"expect": {"reconciles": 2}}, {"advance": "59m"},
        {"expect": {"reconciles": 0}}, {"advance": "1m"}, {"expect": {"reconciles": 2}}, {"advance": "23h"},
        {"expect": {"reconciles": 46}}, {"create": made}, {"expect": {"objects": stamped}}, objects=[SETTINGS],
    )  # fmt: skip
    assert time.monotonic() - begun < 3600


def test_guests_read_the_scripts_clock(capsys, tmp_path):
    noon = 1_893_499_200_000  # 2030-01-01T12:00:00Z
    code = f"(if (result i64) (i64.lt_s (call $now) (i64.const {noon})) (then (i64.const -1)) (else (i64.const 0)))"
    failing = {"expect": {"error": "answered -1"}}
    played(capsys, tmp_path, wat(code), failing, {"advance": "13h"}, {"expect": {"error": ""}})


def test_faults_meet_the_module_and_not_the_script(capsys, tmp_path):
    played(
        capsys, tmp_path, applies(), {"expect": {"absent": NAMED, "requests": {"write *": 1}}}, {"advance": "1m"},
        {"expect": {"absent": NAMED}}, {"create": SETTINGS}, {"faults": []}, {"advance": "20m"},
        {"expect": {"objects": [MADE, SETTINGS]}}, test={"faults": ["write * 503"]},
    )  # fmt: skip


def test_what_a_module_may_not_do_is_told(capsys, tmp_path):
    may = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]
    denied = {"expect": {"denied": ["patch"], "requests": {"write *": 0}, "absent": NAMED}}
    played(capsys, tmp_path, applies(), denied, controller={"allow": may})


def test_a_trap_fails_the_test_that_does_not_expect_it(capsys, tmp_path):
    traps = wat("unreachable")
    result = played(capsys, tmp_path, traps, {"advance": "1ms"}, code=1)
    assert "unreachable" in result["details"][0]
    played(capsys, tmp_path, traps, {"expect": {"traps": 1, "error": "unreachable"}})


def test_a_module_that_never_rests_ends_the_test(capsys, tmp_path):
    result = played(capsys, tmp_path, wat("(call $answer)", answer={"requeueAfterMs": 0}), {"advance": "1s"},
                    code=1, objects=[SETTINGS])  # fmt: skip
    assert f"called {CALLS} times while the time stood still" in result["details"][0]


def test_an_endless_loop_costs_its_cpu_and_no_more(capsys, tmp_path):
    spins = wat("(loop $l (br $l)) unreachable")
    played(capsys, tmp_path, spins, {"expect": {"traps": 1}}, controller={"allow": ALL, "cpu_budget_ms": 20})


def test_a_restarted_module_knows_nothing_and_begins_again(capsys, tmp_path):
    played(capsys, tmp_path, applies(), {"expect": {"reconciles": 2}}, {"restart": {}}, {"expect": {"reconciles": 2}})


def test_each_test_begins_with_an_api_server_of_its_own(capsys, tmp_path):
    (tmp_path / "m.wasm").write_bytes(applies())
    path = script(tmp_path, {"create": SETTINGS}, {"expect": {"objects": SETTINGS}})
    text = path.read_text()
    path.write_text(text + text[text.index("- name: it"):].replace("name: it", "name: again"))
    assert main(["controller", "test", str(tmp_path / "m.wasm"), str(tmp_path),
                 "--cache-dir", str(tmp_path / "cache")]) == 0  # fmt: skip
    out = capsys.readouterr().out.splitlines()
    assert [line.split(" (")[0] for line in out[1:3]] == ["  ok it", "  ok again"] and out[-1] == "2 passed, 0 failed"


@pytest.mark.parametrize("step, why", [
    ({"creat": SETTINGS}, "unknown key; did you mean create"),
    ({}, "must have one key"),
    ({"advance": "soon"}, "must be a time such as 90s"),
    ({"faults": ["all of them"]}, "has a rule that is none"),
    ({"expect": {"requests": {"create": 1}}}, "a request is a verb and a resource"),
    ({"create": {"kind": "ConfigMap"}}, "needs apiVersion and kind"),
])  # fmt: skip
def test_a_script_that_is_wrong_is_refused_with_file_and_line(capsys, tmp_path, step, why):
    (tmp_path / "m.wasm").write_bytes(applies())
    path = script(tmp_path, step)
    assert main(["controller", "test", str(tmp_path / "m.wasm"), str(path)]) == 2
    err = capsys.readouterr().err
    assert f"edged: {path}:" in err and why in err


def test_a_module_that_does_not_start_says_why(capsys, tmp_path):
    result = played(capsys, tmp_path, wat("(i64.const 0)", manifest={"watches": 1}), {"advance": "1s"}, code=1)
    assert result["details"][0].startswith("the module does not start: ")


def test_a_step_that_the_api_server_refuses_fails_the_test(capsys, tmp_path):
    wrong = {**SETTINGS, "metadata": {"name": "No Name"}}
    result = played(capsys, tmp_path, applies(), {"create": wrong}, code=1)
    assert result["details"][0].startswith("step 1 (line 12): ConfigMap default/No Name: ")
