"""leaderElection and extenders of a KubeSchedulerConfiguration: defaults, rules, and where what is wrong."""

import math

import pytest

from edged.errors import ConfigError
from edged.kube.control.leases import LeaseTimes
from edged.scheduling.config.config_sections import LeaderElectionSettings, parse_extenders, parse_leader_election
from edged.scheduling.config.profile_config import parse

HEADER = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
URL = "http://127.0.0.1:8888/x"


def test_leader_election_is_on_unless_switched_off():
    default = LeaderElectionSettings("kube-system", "kube-scheduler", LeaseTimes(15, 10, 2))
    assert parse_leader_election(None) == parse_leader_election({}) == default
    assert parse_leader_election({"leaderElect": False, "leaseDuration": "1s"}) is None
    given = {"leaseDuration": "1m30s", "renewDeadline": "60s", "retryPeriod": "500ms", "resourceName": "n"}
    assert parse_leader_election({"retryPeriod": "0s", "renewDeadline": "0"}) == default
    found = parse_leader_election({**given, "resourceNamespace": "ns", "resourceLock": "leases"})
    assert found == LeaderElectionSettings("ns", "n", LeaseTimes(90.0, 60.0, 0.5))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([], "leaderElection: must be an object"),
        ({"leaderElect": "yes"}, "leaderElection.leaderElect: must be true or false"),
        ({"leaseDuration": "15"}, 'leaderElection.leaseDuration: must be a duration such as "15s"'),
        ({"retryPeriod": "-1s"}, "leaderElection.retryPeriod: must be greater than zero"),
        ({"leaseDuration": "10s"}, "leaderElection.leaseDuration: must be greater than renewDeadline"),
        ({"renewDeadline": "2s"}, "leaderElection.renewDeadline: must be greater than 1.2 times retryPeriod"),
        ({"retryPeriod": None}, "leaderElection.retryPeriod: must be a duration"),
        ({"retryPeriod": 2}, "leaderElection.retryPeriod: must be a duration"),
        ({"resourceLock": "endpoints"}, 'leaderElection.resourceLock: must be "leases"'),
        ({"resourceNamme": "x"}, "leaderElection.resourceNamme: unknown field"),
    ],
)
def test_what_is_wrong_with_leader_election_is_named(given, problem):
    with pytest.raises(ConfigError) as raised:
        parse_leader_election(given)
    assert str(raised.value).startswith(problem)


def test_extenders_have_kube_schedulers_defaults_and_ignorable_ones_come_last():
    managed = [{"name": "example.com/gpu", "ignoredByScheduler": True}, {"name": "example.com/fpga"}]
    entries = [
        {"urlPrefix": URL + "/", "filterVerb": "f", "ignorable": True, "managedResources": managed},
        {"urlPrefix": "https://second", "prioritizeVerb": "p", "weight": 3, "httpTimeout": "30s"},
    ]
    second, first = parse_extenders(entries)
    assert (first.url, first.filter_verb, first.timeout_s, first.tls, first.weight) == (URL, "f", 5.0, None, 0)
    assert (first.managed, first.ignored) == (("example.com/gpu", "example.com/fpga"), ("example.com/gpu",))
    assert (second.weight, second.timeout_s, second.path) == (3, 30.0, "extenders[1]")
    assert second.tls is not None and not second.tls.insecure


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("x", "extenders[0]: must be an object"),
        ({"urlPrefix": 1}, "extenders[0].urlPrefix: must be text"),
        ({"urlPrefix": URL, "filterVerbs": "x"}, "extenders[0].filterVerbs: unknown field"),
        ({"urlPrefix": URL, "filterVerb": 1}, "extenders[0].filterVerb: must be text"),
        ({"urlPrefix": URL, "prioritizeVerb": "p"}, "extenders[0].weight: must be positive"),
        ({"urlPrefix": URL, "httpTimeout": "soon"}, "extenders[0].httpTimeout: must be a duration"),
        ({"urlPrefix": URL, "httpTimeout": None}, "extenders[0].httpTimeout: must be a duration"),
        ({"urlPrefix": URL, "weight": 1.5}, "extenders[0].weight: must be a whole number"),
        ({"urlPrefix": URL, "weight": 1 << 63}, "extenders[0].weight: must be from"),
        ({"urlPrefix": URL, "managedResources": [{"name": "cpu"}]}, "extenders[0].managedResources[0].name: must be"),
        ({"urlPrefix": URL, "tlsConfig": {"caData": "!"}}, "extenders[0].tlsConfig.caData: must be base64"),
        ({"urlPrefix": URL, "tlsConfig": {"insecure": True, "caFile": "/x"}}, "extenders[0].tlsConfig.insecure"),
        ({"urlPrefix": URL, "tlsConfig": {"ca": "/x"}}, "extenders[0].tlsConfig.ca: unknown field"),
    ],
)
def test_what_is_wrong_with_an_extender_is_named(entry, problem):
    with pytest.raises(ConfigError) as raised:
        parse_extenders([entry])
    assert str(raised.value).startswith(problem)


def test_an_extender_that_no_request_can_reach_is_taken_and_named():
    file = parse({**HEADER, "extenders": [None, {"urlPrefix": "ftp://x", "httpTimeout": "-1s"}]})
    assert [entry.timeout_s for entry in file.extenders] == [5.0, math.inf]
    assert file.ignored == tuple(f"extenders[{i}]: no request can be sent to this urlPrefix" for i in (0, 1))


def test_extenders_must_not_contradict_each_other():
    binder = {"urlPrefix": URL, "bindVerb": "b"}
    with pytest.raises(ConfigError, match=r"extenders\[1\]\.bindVerb: only one extender can bind"):
        parse_extenders([binder, binder])
    gpu = {"urlPrefix": URL, "managedResources": [{"name": "example.com/gpu"}]}
    with pytest.raises(ConfigError, match=r"extenders\[1\]\.managedResources\[0\]\.name: 'example.com/gpu' is managed"):
        parse_extenders([gpu, gpu])


def test_what_an_extender_takes_on_the_scheduler_leaves_alone():
    file = parse(
        {
            **HEADER,
            "extenders": [
                {"urlPrefix": URL, "managedResources": [{"name": "example.com/gpu", "ignoredByScheduler": True}]}
            ],
        }
    )
    assert file.profiles[0].args["NodeResourcesFit"] == {"ignoredResources": ["example.com/gpu"]}
    assert [entry.url for entry in file.extenders] == [URL]
    assert file.election is not None
