"""Audit runs against an API server that fails in every way: on virtual time, with policies that are plain functions."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
import trio
import trio.testing

from edged.admission.audit import audit_conditions
from edged.admission.audit.audit_run import Scan, Tally, audit_policy
from edged.admission.audit.auditor import Auditor, asked_scan
from edged.admission.config import AdmissionConfig, GroupConfig, GroupMemberConfig, PolicyConfig
from edged.admission.host.policy import Group, Policy
from edged.admission.rules.capabilities import Grants
from edged.admission.rules.module_conditions import ModuleConditions
from edged.admission.rules.review import AdmissionResponse
from edged.errors import ConfigError
from edged.kube.client import ApiError, NoAnswer
from edged.telemetry.logs import Logger
from edged.telemetry.metrics import MetricRegistry
from edged.wasm.account import Budget

PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
GONE = ApiError(410, "Expired", "too old", {"kind": "Status", "metadata": {}})
GONE_ON = ApiError(410, "Expired", "too old", {"kind": "Status", "metadata": {"continue": "anew"}})
Answer = Exception | dict[str, Any] | None


class Cluster:
    """An API server as audits see one: two namespaces with Pods, reports by path. `fail(method, part of the path,
    errors...)` spoils the next requests that match; it stands in for ApiClient and for LeanPool."""

    server = "https://test"
    configured = True

    def __init__(self, pods: int = 5) -> None:
        self.lists: dict[str, list[dict[str, Any]]] = {
            "/api/v1/namespaces": [_object(name) for name in ("kube-system", "one", "two")],
            "/api/v1/namespaces/one/pods": [_object(f"p{n}", "one") for n in range(pods)],
            "/api/v1/namespaces/two/pods": [_object("q", "two")],
        }
        self.served = {
            "/api/v1": [("pods", "Pod", True), ("namespaces", "Namespace", False)],
            "/apis/wgpolicyk8s.io/v1alpha2": [
                ("policyreports", "PolicyReport", True), ("clusterpolicyreports", "ClusterPolicyReport", False),
            ],
        }  # fmt: skip
        self.verbs: dict[str, list[str]] = {}
        self.reports: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.on_request: Callable[[], Awaitable[None]] | None = None
        self._faults: list[tuple[str, str, Exception]] = []

    def fail(self, method: str, part: str, *errors: Exception) -> None:
        self._faults += [(method, part, error) for error in errors]

    async def wait_configured(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()

    async def fetch(self, method: str, path: str, *, query: Any = None, timeout_s: float = 0) -> bytes:
        return orjson.dumps(await self.request(method, path, query=query))

    def decode(self, method: str, path: str, data: bytes) -> Any:
        return orjson.loads(data)

    async def request(self, method: str, path: str, body: Any = None, *, query: Any = None, **_: Any) -> Any:
        await trio.lowlevel.checkpoint()
        path = urlsplit(path).path
        query = dict(query or {})
        self.asked.append((method, path, query))
        if self.on_request is not None:
            await self.on_request()
        for index, (wanted, part, error) in enumerate(self._faults):
            if wanted == method and part in path:
                del self._faults[index]
                raise error
        return getattr(self, f"_{method.lower()}")(path, query, body)

    def _get(self, path: str, query: dict[str, str], body: Any) -> Any:
        if path in self.served:
            entries = [{"name": n, "kind": k, "namespaced": s, "verbs": self.verbs.get(n, ["list"])}
                       for n, k, s in self.served[path]]  # fmt: skip
            return {"resources": entries}
        if path not in self.lists:
            raise ApiError(404, "NotFound", "not there")
        items, limit = self.lists[path], int(query["limit"])
        begin = int(query.get("continue", "0").replace("anew", "2"))
        more = begin + limit < len(items)
        metadata = {"resourceVersion": "1"} | ({"continue": str(begin + limit)} if more else {})
        return {"kind": "List", "metadata": metadata, "items": items[begin : begin + limit]}

    def _patch(self, path: str, query: Any, body: bytes) -> Any:
        if path not in self.reports:
            raise ApiError(404, "NotFound", "no such report")
        self.reports[path] |= orjson.loads(body)
        return {}

    def _post(self, path: str, query: Any, body: bytes) -> Any:
        made = orjson.loads(body)
        self.reports[f"{path}/{made['metadata']['name']}"] = made
        return {}

    def _delete(self, path: str, query: dict[str, str], body: Any) -> Any:
        return {}

    def deleted(self) -> list[str]:
        return [path for method, path, _ in self.asked if method == "DELETE"]


def _object(name: str, namespace: str = "") -> dict[str, Any]:
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
    return {"metadata": metadata | ({"namespace": namespace} if namespace else {})}


class Verdicts:
    """Stands in for Admission: policies and what they say about names. Asked about "p3" it may do something first."""

    def __init__(self, *policies: Policy | Group) -> None:
        self.policies = {policy.name: policy for policy in policies}
        self.in_flight = 0
        self.last_review_at = -math.inf
        self.asked: list[tuple[str, str]] = []
        self.before_p3: Callable[[], None] = lambda: None

    async def audit(self, policy: Policy, request: Any, *, background: bool) -> AdmissionResponse:
        assert background
        name = request.text("name")
        if name == "p3":
            self.before_p3()
        self.asked.append((policy.name, name))
        await trio.sleep(0.001)
        status = {"message": "no", "code": 500 if name == "p1" else 403}
        allowed = name not in ("p0", "p1")
        return AdmissionResponse(request.uid, allowed, status=None if allowed else status)


def loaded(name: str = "a", error: str | None = None, **config: Any) -> Policy:
    config = {"name": name, "module": "file:///m.wasm", "rules": (PODS,)} | config
    return Policy(PolicyConfig(**config), b"{}", Grants((), frozenset()), 2.0, Budget(), error=error)


class World:
    def __init__(self, *policies: Policy | Group, pods: int = 5, **config: Any) -> None:
        self.cluster = Cluster(pods)
        self.admission = Verdicts(*(policies or (loaded(),)))
        self.said: list[str] = []
        self.events: list[dict[str, Any]] = []
        log = Logger(write=lambda line: self.said.append(line.decode()))
        settings = AdmissionConfig(**config)
        self.auditor = Auditor(
            self.cluster, self.admission, settings, log,  # type: ignore[arg-type]
            clock=trio.current_time, random=lambda: 0.0, open_pool=lambda client: self.cluster,  # type: ignore[arg-type,return-value]
        )  # fmt: skip

    def scan(self, **scan: Any) -> Tally:
        async def tell(event: dict[str, Any]) -> None:
            self.events.append(event)

        async def main() -> Tally:
            return await self.auditor.scan(Scan(**({"ignored": frozenset({"kube-system"})} | scan)), tell)

        return run(main)


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_run_asks_about_everything_and_writes_reports():
    world = World()
    tally = world.scan()
    assert (tally.scanned, tally.passed, tally.failed, tally.errored) == (6, 4, 1, 1)
    assert (tally.namespaces, tally.written, tally.problems) == (2, 6, [])
    path = "/apis/wgpolicyk8s.io/v1alpha2/namespaces/one/policyreports"
    assert world.cluster.reports[f"{path}/uid-p0"]["summary"]["fail"] == 1
    assert world.cluster.deleted() == [
        "/apis/wgpolicyk8s.io/v1alpha2/clusterpolicyreports", path, path.replace("one", "two"),
    ]  # fmt: skip
    assert [e["report"]["scope"]["name"] for e in world.events if "report" in e] == ["p0", "p1", "p2", "p3", "p4", "q"]


def test_reports_that_are_there_are_changed():
    world = World()
    world.scan()
    again = world.scan()
    assert again.written == 6 and len(world.cluster.reports) == 6
    labels = [made["metadata"]["labels"] for made in world.cluster.reports.values()]
    assert {each["kubewarden.io/audit-scanner-run-uid"] for each in labels} == {again.run}


def test_chunks_are_no_larger_than_asked_for():
    world = World(pods=7)
    assert world.scan(page_size=2).scanned == 8
    asked = [query for method, path, query in world.cluster.asked if path.endswith("one/pods")]
    assert {query["limit"] for query in asked} == {"2"}
    assert [query.get("continue") for query in asked] == [None, "2", "4", "6"]


@pytest.mark.parametrize("expired", [GONE, GONE_ON], ids=["from the start", "where the server says"])
def test_an_expired_list_goes_on(expired: ApiError):
    world = World(pods=7)
    asked_about: list[int] = []

    async def expire() -> None:
        if world.cluster.asked[-1][2].get("continue") == "4" and not asked_about:
            asked_about.append(1)
            raise expired

    world.cluster.on_request = expire
    tally = world.scan(page_size=2)
    assert asked_about and tally.scanned == (8 if expired is GONE else 10)  # "anew" begins two objects earlier
    assert len(world.cluster.reports) == 8 and tally.problems == []


def test_a_list_that_always_expires_is_a_problem_and_keeps_old_reports():
    world = World()
    world.cluster.fail("GET", "one/pods", *[GONE] * 4)
    tally = world.scan()
    assert tally.problems == ["pods.v1 in namespace one not read: API server answered 410 Expired: too old"]
    assert tally.scanned == 1
    assert not any("/one/" in path for path in world.cluster.deleted())


def test_a_server_that_is_away_is_waited_for():
    world = World()
    away = NoAnswer("connection refused")
    world.cluster.fail("GET", "one/pods", *[away] * 50)
    world.cluster.fail("PATCH", "policyreports", *[away] * 50)
    tally = world.scan()
    assert (tally.scanned, tally.written, tally.problems, tally.waiting) == (6, 6, [], "")
    assert sum("audit waits for the API server" in line for line in world.said) == 2
    waits = [event["waiting"] for event in world.events if "waiting" in event]
    assert waits[0] == "connection refused" and waits.count("") == 2


def test_a_kubeconfig_is_waited_for():
    world = World()
    world.cluster.configured = False
    assert world.scan().scanned == 6
    assert world.events[:2] == [{"waiting": "there is no readable kubeconfig yet"}, {"waiting": ""}]


def test_a_busy_server_is_asked_again_and_a_broken_one_given_up():
    world = World()
    busy, broken = ApiError(429, "TooManyRequests", "later", retry_after_s=30.0), ApiError(503, "", "no backend")
    world.cluster.fail("GET", "one/pods", *[busy] * 3)
    world.cluster.fail("GET", "two/pods", *[broken] * 6)
    tally = world.scan()
    assert tally.scanned == 5
    assert tally.problems == ["pods.v1 in namespace two not read: API server answered 503: no backend"]
    assert tally.finished_at - tally.started_at >= 90


def test_what_may_not_be_read_costs_itself():
    world = World()
    world.cluster.fail("GET", "one/pods", ApiError(403, "Forbidden", "you may not"))
    tally = world.scan()
    assert (tally.scanned, len(tally.problems)) == (1, 1)


def test_groups_that_have_no_such_resource_are_no_problem():
    world = World(loaded(rules=(PODS | {"apiGroups": ["", "apps"], "resources": ["pods", "tokenreviews"]},)))
    world.cluster.served["/apis/apps/v1"] = [("tokenreviews", "TokenReview", False)]
    world.cluster.verbs["tokenreviews"] = ["create"]
    tally = world.scan()
    assert (tally.scanned, tally.unasked, tally.problems) == (6, {}, [])
    assert tally.to_dict()["without_objects"] == {"a": "tokenreviews of v1, apps/v1"}
    assert min(report["summary"]["error"] for report in world.cluster.reports.values()) == 0


def test_a_group_that_appears_later_is_found_by_the_next_run():
    world = World(loaded(rules=(PODS | {"apiGroups": ["", "x.example"], "resources": ["pods", "gadgets"]},)))
    tally = world.scan()
    missing = {"a": "the API server does not serve gadgets of v1, x.example/v1"}
    assert (tally.scanned, tally.unasked, tally.partly) == (6, {}, missing)
    assert tally.to_dict()["partly_asked_policies"] == missing
    assert min(report["summary"]["error"] for report in world.cluster.reports.values()) == 1
    world.cluster.served["/apis/x.example/v1"] = [("gadgets", "Gadget", True)]
    world.cluster.lists |= {f"/apis/x.example/v1/namespaces/{name}/gadgets": [] for name in ("one", "two")}
    tally = world.scan()
    assert (tally.scanned, tally.unasked) == (6, {})


def test_a_group_that_cannot_be_read_is_a_problem_and_keeps_old_reports():
    world = World(loaded(rules=(PODS | {"apiGroups": ["", "x.example"]},)))
    world.cluster.fail("GET", "x.example", *[ApiError(503, "ServiceUnavailable", "no backend")] * 6)
    tally = world.scan()
    assert (tally.scanned, tally.unasked) == (6, {})
    answered = "API server answered 503 ServiceUnavailable: no backend"
    assert tally.problems == [f"what x.example/v1 has was not read: {answered}"]
    assert world.cluster.deleted() == []


def test_an_object_that_would_take_too_much_memory_costs_itself():
    """3 MB of lists in lists are 100 MB of values. The others of its page are audited, and old reports stay."""
    world = World()
    world.cluster.lists["/api/v1/namespaces/one/pods"][2]["spec"] = {"lists": [[[]]] * 600_000}
    tally = world.scan()
    assert (tally.scanned, tally.errored) == (5, 2)
    problem = r"pods\.v1 one/p2 not audited: it would take \d+ MiB of memory to be read \(at most 64\)"
    assert len(tally.problems) == 1 and re.fullmatch(problem, tally.problems[0])
    assert {name for _, name in world.admission.asked} == {"p0", "p1", "p3", "p4", "q"}
    assert world.cluster.deleted() == [
        "/apis/wgpolicyk8s.io/v1alpha2/clusterpolicyreports",
        "/apis/wgpolicyk8s.io/v1alpha2/namespaces/two/policyreports",
    ]


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{", b"null", b'{"items":[]}', b'{"metadata":{},"items":{}}', b'{"metadata":[]}']
)
def test_an_answer_that_is_no_list_costs_that_kind(answer):
    world = World()
    fetch = world.cluster.fetch

    async def odd(method, path, **more):
        return answer if path.endswith("one/pods") else await fetch(method, path, **more)

    world.cluster.fetch = odd
    tally = world.scan()
    assert (tally.scanned, len(tally.problems)) == (1, 1)
    assert "pods.v1 in namespace one not read: " in tally.problems[0]


def test_rights_to_write_that_are_missing_are_told_once():
    world = World()
    world.cluster.fail("PATCH", "", *[ApiError(403, "Forbidden", "you may not")] * 9)
    tally = world.scan()
    assert (tally.scanned, tally.written) == (6, 0)
    assert tally.problems == ["reports cannot be written: you may not"]
    assert sum(method == "PATCH" for method, _, _ in world.cluster.asked) == 1
    assert world.cluster.deleted() == ["/apis/wgpolicyk8s.io/v1alpha2/clusterpolicyreports"]


def test_a_report_that_is_refused_is_that_report():
    world = World()
    world.cluster.fail("PATCH", "uid-p2", ApiError(413, "", "too large"))
    tally = world.scan()
    assert (tally.written, tally.problems) == (5, ["report on p2 not written: API server answered 413: too large"])


def test_missing_report_kinds():
    world = World()
    del world.cluster.served["/apis/wgpolicyk8s.io/v1alpha2"]
    assert (tally := world.scan()).problems == [] and (tally.reports, tally.scanned) == ("none", 6)
    assert "install their CustomResourceDefinitions" in world.scan(reports="policyreport").problems[0]
    assert world.scan(reports="none").problems == []


def test_one_namespace_or_only_the_cluster():
    spaces = loaded("s", rules=({**PODS, "resources": ["namespaces"]},))
    world = World(loaded(), spaces)
    assert world.scan(namespace="two").scanned == 1
    assert world.scan(cluster=True).scanned == 3
    assert world.scan(namespace="three").problems == ["there is no namespace three"]
    assert world.scan(ignored=frozenset({"kube-system", "one"})).scanned == 4


def test_a_reload_in_the_middle_leaves_the_run_with_its_policies():
    world = World()
    world.admission.before_p3 = lambda: setattr(world.admission, "policies", {})
    assert world.scan().scanned == 6
    assert world.scan().scanned == 0


def test_a_shutdown_in_the_middle_leaves_nothing_behind():
    world = World()

    async def main() -> None:
        with trio.CancelScope() as scope:
            world.admission.before_p3 = scope.cancel
            await world.auditor.scan(Scan())
        assert scope.cancelled_caught and world.auditor.running is None and world.auditor.last is None
        world.admission.before_p3 = lambda: None
        assert (await world.auditor.scan(Scan())).scanned == 6

    run(main)


def test_audits_come_at_their_interval_and_one_at_a_time():
    world = World(audit_interval_s=3600.0)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.auditor.run)
            await trio.sleep(599)
            assert world.auditor.last is None and world.auditor.describe()["next"]
            await trio.sleep(60)
            first = world.auditor.last
            assert first is not None
            await trio.sleep(3600)
            assert world.auditor.last is not first
            async with trio.open_nursery() as both:
                both.start_soon(world.auditor.scan, Scan())
                both.start_soon(world.auditor.scan, Scan())
            nursery.cancel_scope.cancel()

    run(main)
    begins = [index for index, line in enumerate(world.said) if "audit begins" in line]
    ends = [index for index, line in enumerate(world.said) if "audit done" in line]
    assert len(begins) == len(ends) == 4
    assert all(begin < end for begin, end in zip(begins, ends, strict=True)) and begins[3] > ends[2]


def test_the_last_audit_is_measured():
    world, registry = World(loaded(), loaded("b", error="broken")), MetricRegistry()
    world.auditor.measure(registry)
    assert "edged_audit_results{" not in registry.render().decode()
    world.scan()
    text = registry.render().decode()
    for name, value in (("pass", 4), ("fail", 1), ("error", 1)):
        assert f'edged_audit_results{{result="{name}"}} {value}\n' in text
    assert "edged_audit_problems 1\n" in text and "edged_audit_finished_timestamp_seconds " in text


def test_no_interval_means_no_audits():
    run(World(audit_interval_s=0.0).auditor.run)


def test_beside_reviews_an_audit_rests_longer():
    def seconds(world: World) -> float:
        tally = world.scan(reports="none")
        return tally.finished_at - tally.started_at

    idle, busy = World(), World()
    busy.admission.in_flight = 1
    assert seconds(busy) > 4 * seconds(idle)


def test_policies_of_every_sort():
    member = GroupMemberConfig(module="file:///m.wasm", context_aware=({"apiVersion": "v1", "kind": "Pod"},))
    group = Group(
        GroupConfig(name="g", expression="m()", message="no", members={"m": member}, rules=(PODS,)),
        {"m": loaded("g/m", context_aware=member.context_aware)},
    )
    found = audit_policy(group)
    assert (found.facts.context_aware, found.facts.mutating, found.rules) == (True, False, (PODS,))
    assert audit_policy(loaded(allowed_to_mutate=True)).facts.mutating
    assert not audit_policy(loaded(background_audit=False)).background
    assert audit_policy(loaded(error="broken")).problem == "broken"
    broken = World(loaded(error="broken"))
    assert broken.scan().unasked == {"a": "broken"} and broken.admission.asked == []


def test_what_is_asked_for_over_the_socket_is_checked():
    default = Scan(ignored=frozenset({"x"}))
    asked = asked_scan({"namespace": "n", "ignored": ["y"], "page_size": 7, "reports": "none"}, default)
    assert asked == Scan(namespace="n", ignored=frozenset({"x", "y"}), page_size=7, reports="none")
    for wrong in ({"page_size": 0}, {"page_size": "7"}, {"reports": "x"}, {"namespace": 3}, {"ignored": "n"}):
        with pytest.raises(ConfigError):
            asked_scan(wrong, default)


def test_what_match_conditions_leave_out_is_left_out():
    not_p0 = {"name": "not-p0", "expression": "object.metadata.name != 'p0'"}
    nobody = "request.userInfo.username == '' && request.resource.resource == 'pods'"
    by_nobody = {"name": "nobody", "expression": nobody}
    broken = {"name": "broken", "expression": "object.spec.nothing == 1"}
    world = World(loaded("a", match_conditions=(not_p0, by_nobody)), loaded("b", match_conditions=(broken, not_p0)))

    async def main() -> Tally:  # a child answers: real time
        return await world.auditor.scan(Scan(namespace="one", reports="none"), tell)

    async def tell(event: dict[str, Any]) -> None:
        world.events.append(event)

    tally = trio.run(main)
    assert [asked for asked in world.admission.asked if asked[0] == "a"] == [("a", f"p{n}") for n in range(1, 5)]
    assert (tally.scanned, tally.failed, tally.errored) == (5, 0, 1 + 4)
    results = [event["report"]["results"] for event in world.events if "report" in event]
    assert results[0] == [] and [entry["result"] for entry in results[2]] == ["pass", "error"]
    assert results[2][1]["message"].startswith("match condition broken could not be evaluated: ")


def test_a_modules_own_conditions_leave_out_the_same_objects():
    not_p0 = {"name": "module.edged.dev/not-p0", "expression": "object.metadata.name != 'p0'"}
    asked, everything = loaded("a"), loaded("b", module_conditions=False)
    for policy in (asked, everything):
        policy.found_conditions = ModuleConditions((not_p0,))
    world = World(asked, everything)

    async def main() -> Tally:  # a child answers: real time
        return await world.auditor.scan(Scan(namespace="one", reports="none"), tell)

    async def tell(event: dict[str, Any]) -> None:
        world.events.append(event)

    trio.run(main)
    assert [name for policy, name in world.admission.asked if policy == "a"] == [f"p{n}" for n in range(1, 5)]
    assert [name for policy, name in world.admission.asked if policy == "b"] == [f"p{n}" for n in range(5)]


def test_a_child_that_ends_or_hangs_costs_one_answer(monkeypatch: pytest.MonkeyPatch):
    always = [{"name": "always", "expression": "true"}]
    variables = {"object": {}, "oldObject": None, "request": {}}

    async def main() -> None:
        conditions = audit_conditions.Conditions()
        assert await conditions.hold(always, variables) == (True, "")
        child = conditions._child.process
        assert child is not None
        child.kill()
        await child.wait()
        assert await conditions.hold(always, variables) == (True, "")
        monkeypatch.setattr(audit_conditions, "TIMEOUT_S", 0.0)
        assert await conditions.hold(always, variables) == (
            False, "match conditions could not be evaluated within 0 s",
        )  # fmt: skip
        await conditions.aclose()

    trio.run(main)
