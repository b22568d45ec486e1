"""What is refused of Jobs and CronJobs, and what may not change of them."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.bodies import changed, tried
from tests.cluster.beside.steps import MERGE, Object, Story, http, kubectl

BATCH = "/apis/batch/v1/namespaces/{ns}"
POD: Object = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
TEMPLATE: Object = {"spec": POD}


def specs(*each: Object) -> tuple[Object, ...]:
    return tuple({"spec": {"template": TEMPLATE, **spec}} for spec in each)


def crons(*each: Object) -> tuple[Object, ...]:
    return tuple({"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": TEMPLATE}},
    **spec}} for spec in each)


INDEXED: Object = {"completionMode": "Indexed", "completions": 3}
CODES: Object = {"operator": "In", "values": [1]}


def rules(*each: Object) -> Object:
    return {"podFailurePolicy": {"rules": list(each)}}


JOBS: tuple[Any, ...] = (
    {"parallelism": -1}, {"completions": -1}, {"backoffLimit": -1}, {"activeDeadlineSeconds": -1},
    {"ttlSecondsAfterFinished": -1}, {"completionMode": "X"}, {"completionMode": "Indexed"},
    {"template": {"spec": {**POD, "restartPolicy": "Always"}}}, {"template": {"spec": {**POD,
    "restartPolicy": None}}}, {"template": {"spec": {**POD, "restartPolicy": "X"}}}, {"template": {}},
    {"selector": {"matchLabels": {"a": "b"}}}, {"manualSelector": True}, {"manualSelector": True,
    "selector": {"matchLabels": {"a": "b"}}}, {"backoffLimitPerIndex": 1}, {"maxFailedIndexes": 1},
    {**INDEXED, "maxFailedIndexes": 5, "backoffLimitPerIndex": 1}, {**INDEXED, "maxFailedIndexes": 1}, {**INDEXED,
    "parallelism": 200000}, {"podReplacementPolicy": "X"}, {"managedBy": "x"}, {"managedBy": "a.b/c"},
    {"managedBy": ""}, {"managedBy": "A_/c"}, rules({}), rules({"action": "X", "onExitCodes": CODES}),
    rules({"action": "FailJob"}), rules({"action": "FailJob", "onExitCodes": {}}),
    rules({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [0]}}), rules({"action": "FailJob",
    "onExitCodes": {"operator": "In", "values": [2, 1, 1]}}),
    rules({"action": "FailJob", "onExitCodes": {**CODES, "containerName": "x"}}), rules({"action": "FailIndex",
    "onExitCodes": CODES}),
    rules({"action": "Ignore", "onPodConditions": [{"type": "a b", "status": "X"}]}), rules({"action": "Ignore",
    "onPodConditions": [{"type": "A"}], "onExitCodes": CODES}),
    {**rules({"action": "FailJob", "onExitCodes": CODES}), "template": {"spec": {**POD,
    "restartPolicy": "OnFailure"}}}, {**rules({"action": "FailJob", "onExitCodes": CODES}),
    "podReplacementPolicy": "TerminatingOrFailed"},
    {"successPolicy": {"rules": [{}]}}, {**INDEXED, "successPolicy": {"rules": []}}, {**INDEXED,
    "successPolicy": {"rules": [{}]}}, {**INDEXED, "successPolicy": {"rules": [{"succeededIndexes": "5"}]}},
    {**INDEXED, "successPolicy": {"rules": [{"succeededIndexes": "x"}]}}, {**INDEXED,
    "successPolicy": {"rules": [{"succeededIndexes": "1-0"}]}}, {**INDEXED,
    "successPolicy": {"rules": [{"succeededCount": 5}]}},
    {"suspend": "yes"},
)
SCHEDULES = ("", "x", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
"*/0 * * * *", "5-1 * * * *", "1-2-3 * * * *", "1/2/3 * * * *", "a * * * *",
             "@daily", "@sometimes", "@every 1h", "@every x", "-1 * * * *", "* * * jan sun", "TZ=UTC * * * * *",
             "CRON_TZ=Nowhere/City * * * * *", "TZ=UTC", "0 0 31 2 *", "? ? ? ? ?", "* * * * *  ")
ZONES = ("", "UTC", "Europe/Berlin", "Nowhere/City", "Local", "local", "../etc", "-x", "a" * 20, "Etc/UTC", "EST")
CRONS: tuple[Any, ...] = (
    {"concurrencyPolicy": "X"}, {"startingDeadlineSeconds": -1}, {"successfulJobsHistoryLimit": -1,
    "failedJobsHistoryLimit": -1}, {"jobTemplate": {}},
    {"jobTemplate": {"spec": {"template": TEMPLATE, "selector": {"matchLabels": {"a": "b"}}}}},
    {"jobTemplate": {"spec": {"template": TEMPLATE, "manualSelector": True}}},
    {"jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Always"}}}}},
    {"jobTemplate": {"spec": {"template": TEMPLATE, "parallelism": -1}}}, {"suspend": None},
)
JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "f"}, "spec": {"template": TEMPLATE}}

STORIES = (
    Story("kinds-jobs", (
        *tried(f"{BATCH}/jobs", "batch/v1", "Job", *specs(*JOBS), {}, {"spec": {}}),
        *tried(f"{BATCH}/jobs", "batch/v1", "Job", *specs(INDEXED), name="a" * 62), *tried(f"{BATCH}/jobs",
        "batch/v1", "Job", *specs({}), name="a.b"),
        http("POST", f"{BATCH}/jobs", JOB),
        *changed(f"{BATCH}/jobs/f", {"spec": {"completions": 5}}, {"spec": {"parallelism": 5}},
        {"spec": {"backoffLimit": 1}}, {"spec": {"completionMode": "Indexed"}},
        {"spec": {"selector": {"matchLabels": {"a": "b"}}}},
                 {"spec": {"managedBy": "a.b/c"}}, {"spec": {"backoffLimitPerIndex": 1}},
                 {"spec": {"podFailurePolicy": {"rules": [{"action": "Count", "onExitCodes": CODES}]}}},
                 {"spec": {"suspend": True}}, {"spec": {"ttlSecondsAfterFinished": -1}}),
        http("PATCH", f"{BATCH}/jobs/f/status?dryRun=All", {"status": {"active": -1}}, MERGE),
        kubectl("create", "job", "j", "--image=x", "--dry-run=server", "-o", "name"),
        kubectl("create", "job", "k", "--from=cronjob/nothing"),
    )),
    Story("kinds-job-templates", (
        http("POST", f"{BATCH}/jobs", JOB),
        *changed(f"{BATCH}/jobs/f", {"spec": {"template": {"spec": {"containers": [{"name": "c",
        "image": "other"}]}}}}, {"spec": {"template": {"metadata": {"labels": {"x": "y"}}}}},
                 {"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}),
    )),
    Story("kinds-cronjobs", (
        *tried(f"{BATCH}/cronjobs", "batch/v1", "CronJob", *crons(*({"schedule": each} for each in SCHEDULES),
        *({"timeZone": each} for each in ZONES), *CRONS), {}, {"spec": {}}),
        *tried(f"{BATCH}/cronjobs", "batch/v1", "CronJob", *crons({}), name="a" * 53),
        http("POST", f"{BATCH}/cronjobs", {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "f"},
        **crons({})[0]}),
        *changed(f"{BATCH}/cronjobs/f", {"spec": {"schedule": "x"}}, {"spec": {"timeZone": "x"}},
        {"spec": {"schedule": "0 1 * * *"}}),
        kubectl("create", "cronjob", "c", "--image=x", "--schedule=bad"),
    )),
)  # fmt: skip
