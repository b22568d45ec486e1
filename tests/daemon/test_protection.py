"""The answer to "am I protected?": one case for each state that a policy, and the process, can be in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edged.daemon.protection import (
    DAY_S,
    CertificateFacts,
    ControllerFacts,
    Facts,
    PolicyFacts,
    Protection,
    RegistrationFacts,
    SchedulerFacts,
    is_near,
    judge,
)

NOW = 1_800_000_000.0
TOLD = RegistrationFacts("dynamic", "registered", policies=frozenset({"a", "b"}), told=True, current=True)
A, B = PolicyFacts("a"), PolicyFacts("b")
MISSING = "the module file is missing (/srv/gone.wasm)"


def of(*policies: PolicyFacts, registration: RegistrationFacts | None = TOLD, **more: object) -> Protection:
    return judge(replace(Facts(NOW, policies=policies, registration=registration), **more))


def states(protection: Protection) -> list[str]:
    return [policy.state for policy in protection.policies]


def test_all_in_force() -> None:
    found = of(A, B)
    assert (found.sentence, found.problems, states(found)) == ("2 of 2 policies in force.", (), ["in_force"] * 2)
    assert of(A).sentence == "1 of 1 policy in force."


def test_a_policy_whose_module_is_missing_and_that_nobody_asks() -> None:
    found = of(A, PolicyFacts("gone", rules="unknown", error=MISSING))
    assert found.sentence == f"1 of 2 policies in force; `gone`: not enforced, {MISSING}."
    (problem,) = found.problems
    assert problem.text == f"gone: not enforced: {MISSING}"
    assert "edged check" in problem.next_step and "systemctl reload edged" in problem.next_step


def test_a_policy_that_cannot_answer_and_is_asked_denies_everything() -> None:
    found = of(A, replace(B, error="it traps"))
    assert states(found) == ["in_force", "refusing"]
    assert "`b`: denies every request that it is asked about, it traps" in found.sentence


def test_in_monitor_mode_such_a_policy_lets_everything_pass() -> None:
    found = of(replace(A, error="it traps", monitor=True))
    assert states(found) == ["not_enforced"] and found.sentence.startswith("0 of 1 policy in force")


def test_a_module_that_is_still_to_come_is_tried_again() -> None:
    (problem,) = of(PolicyFacts("late", rules="unknown", error="no route", waits=True)).problems
    assert problem.next_step.startswith("edged tries again by itself")


def test_without_rules_nobody_asks() -> None:
    found = of(A, PolicyFacts("bare", rules="missing"))
    assert states(found) == ["in_force", "not_enforced"] and "`rules`" in found.problems[0].text


def test_what_is_not_to_be_registered_is_not_counted() -> None:
    found = of(A, PolicyFacts("raw", rules="none"))
    assert found.sentence == "1 of 1 policy in force; 1 policy not registered, as configured." and not found.problems
    assert of(PolicyFacts("raw", rules="none")).sentence == "1 policy not registered, as configured."
    assert states(of(PolicyFacts("raw", rules="none", error="it traps"))) == ["refusing"]


def test_monitor_mode_is_said() -> None:
    assert of(A, replace(B, monitor=True)).sentence == "2 of 2 policies in force, 1 of them in monitor mode."
    both = of(replace(A, monitor=True), replace(B, monitor=True))
    assert both.sentence == "2 of 2 policies in force, all in monitor mode: nothing is denied." and not both.problems


@pytest.mark.parametrize(("monitor", "words"), [(False, "denies requests"), (True, "checks nothing")])
def test_reviews_that_fail_one_after_the_other(monitor: bool, words: str) -> None:
    failing = replace(A, failures=3, failure="it traps", monitor=monitor)
    found = of(failing)
    assert states(found) == ["failing"] and f"`a`: {words} because it fails, the last 3 reviews" in found.sentence
    assert states(of(replace(failing, failures=2))) == ["in_force"]


def test_a_webhook_that_the_api_server_refuses() -> None:
    registration = replace(TOLD, policies=frozenset({"a"}), problems={"b": "its CEL is wrong"})
    found = of(A, B, registration=registration)
    assert states(found) == ["in_force", "not_enforced"] and "`b`: not enforced, its CEL is wrong" in found.sentence


@pytest.mark.parametrize("phase", ["pending", "failing", "refused"])
def test_an_api_server_that_was_never_told(phase: str) -> None:
    found = of(A, B, registration=RegistrationFacts("dynamic", phase, "403 Forbidden"))
    assert states(found) == ["unconfirmed", "unconfirmed"]
    assert found.sentence == (
        "0 of 2 policies known to be in force; "
        "the API server has not been told of the policies yet: 403 Forbidden."
    )
    (problem,) = found.problems
    assert problem.subject == "registration" and problem.next_step


@pytest.mark.parametrize("told", [False, True])
def test_missing_rights_name_the_command_that_gives_them(told: bool) -> None:
    facts = RegistrationFacts("dynamic", "failing", "403 cannot create; run `edged init`", told=told)
    (problem,) = [p for p in of(A, registration=facts).problems if p.subject == "registration"]
    assert problem.next_step == "run `edged init`; edged tries again by itself"


def test_what_was_registered_stays_while_the_api_server_is_away() -> None:
    away = replace(TOLD, phase="failing", message="Connection refused")
    found = of(A, B, registration=away, contact="https://k: Connection refused")
    assert states(found) == ["in_force", "in_force"]
    assert found.sentence == (
        "2 of 2 policies in force; the API server does not answer: https://k: Connection refused."
    )
    assert [problem.subject for problem in found.problems] == ["api-server", "registration"]
    assert found.about("registration") == "what is registered cannot be verified: Connection refused"
    changed = of(A, PolicyFacts("new"), registration=replace(away, current=False))
    assert states(changed) == ["in_force", "not_enforced"]
    assert "the API server has not been told of the last change" in changed.about("registration")


@pytest.mark.parametrize("phase", ["refused", "contested"])
def test_webhooks_that_belong_to_others_or_are_fought_over_are_not_known(phase: str) -> None:
    found = of(A, registration=replace(TOLD, phase=phase, message="m"))
    assert states(found) == ["unconfirmed"] and found.about("registration")


def test_without_registration_edged_cannot_see_who_asks() -> None:
    found = of(A, replace(B, error="it traps"), registration=RegistrationFacts("none", "off", told=True))
    assert states(found) == ["answers", "refusing"]
    assert found.sentence.startswith('1 of 2 policies answer; with register = "none" edged cannot see whether')


def test_static_manifests_are_read_a_while_later() -> None:
    static = replace(TOLD, mode="static", settles_s=150.0)
    assert of(A, B, registration=static).sentence == (
        "2 of 2 policies in force; the API server reads its manifests within 2 minutes."
    )
    assert of(A, B, registration=replace(static, settles_s=0)).sentence == "2 of 2 policies in force."


UNREAD = "the API server has not read the last change of /s/validating yet"
STATIC = RegistrationFacts("static", "registered", policies=frozenset({"a", "b"}), told=True, current=True)


def test_a_policy_that_the_api_server_is_not_known_to_ask_is_not_in_force() -> None:
    found = of(A, B, registration=replace(STATIC, waiting={"b": UNREAD}, settles_s=150.0))
    assert states(found) == ["in_force", "unconfirmed"] and found.policies[1].why == UNREAD
    assert found.sentence == (
        "1 of 2 policies known to be in force; the API server reads its manifests within 2 minutes; "
        f"the API server is not known to ask 1 policy: {UNREAD}."
    )
    (problem,) = found.problems
    assert problem.subject == "registration" and problem.next_step.startswith("wait a moment")


@pytest.mark.parametrize(
    ("message", "next_step"),
    [
        ("the API server refused /s/validating as it is now",
         "edged tries again by itself; `edged doctor` looks for the cause"),
        ("edged may not read it (403); run `edged rbac render` and apply the output",
         "run `edged rbac render` and apply the output; edged tries again by itself"),
        ("the kubeconfig names https://lb, which is no address of this host; set [admission] static_api_server to that",
         "set [admission] static_api_server to that, then `systemctl restart edged`"),
    ])
def test_why_an_api_server_is_not_known_to_go_by_the_manifests_is_said_with_the_next_step(
    message: str, next_step: str
) -> None:
    facts = replace(STATIC, message=message, waiting={"a": message, "b": message})
    found = of(A, B, registration=facts)
    assert states(found) == ["unconfirmed", "unconfirmed"]
    (problem,) = found.problems
    assert problem.text == f"the API server is not known to ask 2 policies: {message}"
    assert problem.next_step == next_step and message in found.about("registration")
    nobody = of(A, B, registration=replace(facts, waiting={}))  # all are asked, and a removed one may be, too
    assert states(nobody) == ["in_force", "in_force"] and message in nobody.about("registration")


def test_what_the_api_server_goes_by_is_not_repeated_while_it_does_not_answer() -> None:
    facts = replace(STATIC, message="no answer", waiting={"a": "no answer"})
    found = of(A, B, registration=facts, contact="https://k: Connection refused")
    assert "not known to ask" not in found.sentence and "not known to ask" in found.about("registration")


def test_a_listener_that_completes_no_handshake_keeps_all_policies_from_answering() -> None:
    why = "no TLS handshake with 127.0.0.1:8443 within 5 s"
    found = of(A, replace(B, ignored=True), PolicyFacts("raw", rules="none"), listener=why)
    assert states(found) == ["refusing", "not_enforced", "unregistered"]
    assert found.sentence == (
        "0 of 2 policies in force; 1 policy not registered, as configured; "
        f"the admission listener does not answer: {why}."
    )
    (problem,) = found.problems
    assert problem.subject == "policies" and "edged doctor" in problem.next_step
    assert found.about("policies") == problem.text


def test_behind_such_a_listener_each_policy_keeps_its_own_error() -> None:
    found = of(replace(A, monitor=True), replace(B, error="it traps"), listener="no TLS handshake")
    assert [(policy.state, policy.why) for policy in found.policies] == [
        ("not_enforced", "no TLS handshake"), ("refusing", "it traps"),
    ]  # fmt: skip
    assert len(found.problems) == 2 and "`b`: denies every request that it is asked about, it traps" in found.sentence
    unseen = of(A, registration=RegistrationFacts("none", "off", told=True), listener="no TLS handshake")
    assert unseen.sentence.startswith("0 of 1 policy answer;") and states(unseen) == ["refusing"]


def test_custom_resources() -> None:
    from_cluster = replace(A, object="ClusterAdmissionPolicy x", waits=True)
    outdated = of(replace(from_cluster, error="it traps", earlier=True))
    assert states(outdated) == ["outdated"] and "an earlier version is in force, it traps" in outdated.sentence
    alone = replace(from_cluster, name="c", served=False, why="its PolicyServer does not exist, or is being deleted")
    found = of(alone)
    assert states(found) == ["not_enforced"] and "its PolicyServer does not exist" in found.sentence
    assert found.problems[0].next_step.startswith("correct ClusterAdmissionPolicy x")
    assert states(of(replace(alone, rules="some"), registration=RegistrationFacts("none", "off", told=True))) == [
        "not_enforced"
    ]
    assert of(A, resources_problem="403 Forbidden").about("custom-resources")


def test_a_refused_reload_names_what_was_refused_and_what_stays() -> None:
    found = of(A, reload_error="edged.toml:3: [x] y: no\nedged.toml:9: z", configured_at="2026-11-29T10:00:00Z")
    assert found.sentence == (
        "1 of 1 policy in force; the last reload was refused, the configuration of 2026-11-29T10:00:00Z "
        "stays in force."
    )
    assert found.about("reload").count("edged.toml:3: [x] y: no\nedged.toml:9: z") == 1


def test_what_is_known_of_the_cluster_grows_old() -> None:
    assert not of(A, ages={"pods.v1": 62.0, "nodes.v1": 149.0}).problems, "bookmarks come once a minute"
    found = of(A, ages={"pods.v1": 200.0, "nodes.v1": 310.4})
    assert found.about("api-server") == "what is known of nodes.v1 may be 310 s old"
    away = of(A, ages={"pods.v1": 200.0}, contact="https://k: Connection refused")
    assert away.about("api-server") == (
        "the API server does not answer: https://k: Connection refused; what is known of pods.v1 may be 200 s old"
    )


def certificate(life_days: float, left_days: float, **more: object) -> CertificateFacts:
    ends = NOW + left_days * DAY_S
    return replace(CertificateFacts("serving", "the serving certificate", ends - life_days * DAY_S, ends), **more)


def test_certificates() -> None:
    assert not of(A, certificates=[certificate(365, 15)]).problems
    near = of(A, certificates=[certificate(365, 13)])
    assert near.about("certificate") == "the serving certificate expires in 13 days"
    assert is_near(certificate(1, 0.09), NOW) and not is_near(certificate(1, 0.11), NOW), "a short life"
    assert "has expired" in of(A, certificates=[certificate(90, -1)]).sentence
    assert "clock" in of(A, certificates=[certificate(30, 60)]).about("certificate")
    refused = of(A, certificates=[certificate(365, 100, error="they do not belong together")])
    assert "stays in use" in refused.sentence and "they do not belong together" in refused.sentence
    (owned,) = of(A, certificates=[certificate(90, 5, owned=True)]).problems
    assert owned.next_step.startswith("edged renews it by itself")


def test_no_kubeconfig() -> None:
    found = of(A, registration=RegistrationFacts("dynamic"), kubeconfig="no kubeconfig found", has_server=False)
    assert found.about("api-server") == "there is no usable kubeconfig: no kubeconfig found"
    assert found.sentence.count("kubeconfig found") == 1 and "has not been told" not in found.sentence
    assert "read before" in of(A, kubeconfig="k: not YAML").about("api-server")


def test_nothing_to_enforce() -> None:
    assert of().sentence == "No policy is configured, so nothing is checked."
    assert of(registration=None).sentence == "Neither [admission] nor [scheduler] is configured."
    assert not of().problems and not of(registration=None).problems


RUNS = SchedulerFacts(True, profiles=("edged",))


@pytest.mark.parametrize(
    ("scheduler", "words", "problems"),
    [
        (RUNS, "Scheduling Pods of edged; no admission is configured.", 0),
        (replace(RUNS, leads=False, holder="edge-2_5bd6a1c0"), "Not scheduling: edge-2 leads; no", 0),
        (replace(RUNS, leads=False), "Not scheduling: nobody leads;", 0),
        (replace(RUNS, synced=False), "Not scheduling yet: Pods and Nodes are being read;", 0),
        (replace(RUNS, problem="Nodes: 403"), "the scheduler is hindered: Nodes: 403.", 1),
        (replace(RUNS, error="no module"), "the scheduler could not be built again: no module.", 1),
        (SchedulerFacts(False, error="no module"), "the scheduler does not run: no module.", 1),
    ],
)
def test_the_scheduler_alone(scheduler: SchedulerFacts, words: str, problems: int) -> None:
    found = of(registration=None, scheduler=scheduler)
    assert words in found.sentence and len(found.problems) == problems


def test_admission_and_scheduler_together() -> None:
    assert of(A, scheduler=RUNS).sentence == "1 of 1 policy in force; scheduling Pods of edged."


def test_a_process_that_starts_or_ends() -> None:
    found = of(A, serving=False)
    assert found.sentence == "Edged is starting or stopping and does not serve." and len(found.problems) == 1


def test_many_problems_are_counted_and_long_ones_cut() -> None:
    found = of(*(PolicyFacts(f"p{n}", error="x" * 500, rules="unknown") for n in range(9)))
    assert len(found.problems) == 9 and found.sentence.endswith("…; 6 more problems.") and len(found.sentence) < 600
    assert len(found.problems[0].text) > 500


def test_a_sentence_that_is_cut_ends_with_a_whole_word_and_one_mark() -> None:
    found = of(A, resources_problem="edged.toml:3: " + "number, " * 60)
    assert found.sentence.endswith(" number…")


def test_controllers_that_work_are_counted_and_others_named() -> None:
    good = ControllerFacts("ipam", "running")
    found = judge(Facts(now=0.0, controllers=[good, ControllerFacts("agent", "standby")]))
    assert found.problems == () and found.sentence == "2 of 2 controllers run; no admission is configured."
    broken = [
        ControllerFacts("gone", "loading", error="no such file"),
        ControllerFacts("hot", "parked", last_error="trap: unreachable\nat 5"),
        ControllerFacts("odd", "running", last_error="index out of range", quarantined=["a/b", "a/c"]),
    ]
    found = judge(Facts(now=0.0, controllers=[good, *broken]))
    assert found.sentence.startswith("2 of 4 controllers run; no admission")
    gone, hot, odd = (problem.text for problem in found.problems)
    assert gone == "the controller gone does not run: no such file"
    assert hot.startswith("the controller hot is parked") and hot.endswith("trap: unreachable and 1 more")
    assert odd.startswith("the controller odd fails at 2 objects") and "a/b, a/c: index out of range" in odd
    assert "controller gone" in found.about("controllers")
