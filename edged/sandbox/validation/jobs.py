"""Jobs and CronJobs. Pure.

Facts from kubernetes' pkg/apis/batch/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.kube.values.selectors import parse_label_selector
from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import (
    IMMUTABLE,
    each_invalid,
    invalid,
    not_negative,
    not_supported,
    part,
    required,
    too_long,
    unchanged,
)
from edged.sandbox.validation.cron import schedule_problem, time_zone
from edged.sandbox.validation.formats import dns_label, dns_subdomain, http_path, size
from edged.sandbox.validation.internal_values import invalid_value
from edged.sandbox.validation.job_policies import pod_failure_policy, success_policy
from edged.sandbox.validation.pod_templates import pod_template
from edged.sandbox.validation.selectors import label_selector, printed, printed_labels

MOST_PARALLEL, MOST_FAILED_INDEXES, MANY_COMPLETIONS, PARALLEL_WITH_MANY = 100_000, 100_000, 100_000, 10_000
_NUMBERS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
            "backoffLimitPerIndex", "maxFailedIndexes")  # fmt: skip
_REPLACEMENTS = ("Failed", "TerminatingOrFailed")
_LABELS = {"controller-uid": "uid", "job-name": "name", "batch.kubernetes.io/controller-uid": "uid",
           "batch.kubernetes.io/job-name": "name"}  # fmt: skip


def job(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    if old is None:
        yield from _generated(obj)
    yield from job_spec(spec, "spec")
    if spec.get("selector") is None:
        yield required("spec.selector")
    else:
        yield from label_selector(spec["selector"], "spec.selector")
    labels = part(spec, "template", "metadata").get("labels")
    selector = parse_label_selector(spec.get("selector"))
    if selector is None or not selector.matches(labels or {}):
        why = "`selector` does not match template `labels`"
        yield invalid("spec.template.metadata.labels", printed_labels(labels), why)
    if old is not None:
        yield from _changed(spec, part(old, "spec"))
    yield from _hostnames(obj)


def cron_job(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec, before = part(obj, "spec"), part(old or {}, "spec")
    schedule, zone = spec.get("schedule") or "", spec.get("timeZone")
    if schedule:
        yield from _schedule(schedule, zone, "TZ" in (before.get("schedule") or ""))
    yield from not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if old is None or zone != before.get("timeZone"):
        yield from time_zone("spec.timeZone", zone)
    policy = spec.get("concurrencyPolicy") or "Allow"
    if policy not in ("Allow", "Forbid", "Replace"):
        yield not_supported("spec.concurrencyPolicy", policy, ("Allow", "Forbid", "Replace"))
    inner = part(spec, "jobTemplate", "spec")
    yield from job_spec(inner, "spec.jobTemplate.spec")
    if inner.get("selector") is not None:
        yield invalid("spec.jobTemplate.spec.selector", inner["selector"], "`selector` will be auto-generated")
    if inner.get("manualSelector"):
        yield not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false"))
    for name in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        yield from not_negative(f"spec.{name}", spec.get(name))
    name = obj["metadata"].get("name") or ""
    if old is None and len(name) > 52:
        yield invalid("metadata.name", name, "must be no more than 52 characters")
    if not schedule:
        yield required("spec.schedule")


def job_status(obj: Object, old: Object | None) -> Iterator[Cause]:
    status = part(obj, "status")
    for name in ("active", "succeeded", "failed", "ready", "terminating"):
        yield from not_negative(f"status.{name}", status.get(name))


def job_spec(spec: Object, field: str) -> Iterator[Cause]:
    """A JobSpec, but for its selector."""
    for name in _NUMBERS:
        yield from not_negative(f"{field}.{name}", spec.get(name))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        yield required(f"{field}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    yield from _managed_by(spec.get("managedBy"), f"{field}.managedBy")
    yield from _completion_mode(spec, field)
    if spec.get("podFailurePolicy") is not None:
        yield from pod_failure_policy(spec, f"{field}.podFailurePolicy")
    if spec.get("successPolicy") is not None:
        yield from success_policy(spec, f"{field}.successPolicy")
    replacement = spec.get("podReplacementPolicy")
    allowed: tuple[str, ...] = _REPLACEMENTS
    if spec.get("podFailurePolicy") is not None:
        allowed = ("Failed",)
    if replacement is not None and replacement not in allowed:
        yield not_supported(f"{field}.podReplacementPolicy", replacement, allowed)
    yield from pod_template(spec.get("template") or {}, f"{field}.template")
    policy, where = part(spec, "template", "spec").get("restartPolicy") or "", f"{field}.template.spec.restartPolicy"
    if policy in ("", "Always"):
        yield required(where, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield not_supported(where, policy, ("OnFailure", "Never"))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        yield invalid(where, policy, 'only "Never" is supported when podFailurePolicy is specified')


def domain_path(field: str, value: str) -> Iterator[Cause]:
    """`example.com/path`, such as the name of a controller."""
    host, slash, path = value.partition("/")
    if not value:
        yield required(field)
    elif not slash or not host or not path:
        yield invalid(field, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        yield from each_invalid(field, host, dns_subdomain(host))
        yield from each_invalid(field, path, http_path(path))


def _managed_by(value: str | None, field: str) -> Iterator[Cause]:
    if value is not None:
        yield from domain_path(field, value)
        if size(value) > 63:
            yield too_long(field, 63)


def _completion_mode(spec: Object, field: str) -> Iterator[Cause]:
    mode = spec.get("completionMode")
    parallel, completions, failed = (spec.get(n) for n in ("parallelism", "completions", "maxFailedIndexes"))
    if mode not in (None, "NonIndexed", "Indexed"):
        yield not_supported(f"{field}.completionMode", mode, ("NonIndexed", "Indexed"))
    if mode == "Indexed":
        if completions is None:
            yield required(f"{field}.completions", "when completion mode is Indexed")
        if (parallel or 0) > MOST_PARALLEL:
            why = f"must be less than or equal to {MOST_PARALLEL} when completion mode is Indexed"
            yield invalid(f"{field}.parallelism", parallel, why)
        if completions is not None and (failed or 0) > completions:
            yield invalid(f"{field}.maxFailedIndexes", failed, "must be less than or equal to completions")
        if (failed or 0) > MOST_FAILED_INDEXES:
            yield invalid(f"{field}.maxFailedIndexes", failed, f"must be less than or equal to {MOST_FAILED_INDEXES}")
        if (completions or 0) > MANY_COMPLETIONS and spec.get("backoffLimitPerIndex") is not None:
            yield from _many(parallel, failed, field)
    if mode in (None, "NonIndexed"):
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(name) is not None:
                yield invalid(f"{field}.{name}", spec[name], "requires indexed completion mode")


def _many(parallel: int | None, failed: int | None, field: str) -> Iterator[Cause]:
    if failed is None:
        yield required(f"{field}.maxFailedIndexes", f"must be specified when completions is above {MANY_COMPLETIONS}")
    why = (f"must be less than or equal to {PARALLEL_WITH_MANY} when completions are above {MANY_COMPLETIONS} and used "
           "with backoff limit per index")  # fmt: skip
    if (parallel or 0) > PARALLEL_WITH_MANY:
        yield invalid(f"{field}.parallelism", parallel, why)
    if (failed or 0) > PARALLEL_WITH_MANY:
        yield invalid(f"{field}.maxFailedIndexes", failed, why)


def _generated(obj: Object) -> Iterator[Cause]:
    """That labels and selector are those that the server makes, unless the user makes them."""
    spec, metadata = part(obj, "spec"), obj["metadata"]
    if spec.get("manualSelector") or spec.get("selector") is None:
        return
    given = part(spec, "template", "metadata").get("labels") or {}
    expected = {label: metadata.get(field) or "" for label, field in _LABELS.items()}
    for label, value in expected.items():
        field = f"spec.template.metadata.labels[{label}]"
        if label not in given:
            yield required("spec.template.metadata.labels", f"must be '{value}'")
        elif given[label] != value:
            yield invalid(field, given, f"must be '{value}'")
    selector = parse_label_selector(spec["selector"])
    if selector is not None and not selector.matches(expected):
        yield invalid("spec.selector", printed(spec["selector"]), "`selector` not auto-generated")


def _hostnames(obj: Object) -> Iterator[Cause]:
    spec, name = part(obj, "spec"), obj["metadata"].get("name") or ""
    completions = spec.get("completions") or 0
    if spec.get("completionMode") == "Indexed" and completions > 0:
        host = f"{name}-{completions - 1}"
        if dns_label(host):
            why = f"will not able to create pod with invalid DNS label: {host}"
            yield invalid("metadata.name", name, why)


def _changed(spec: Object, before: Object) -> Iterator[Cause]:
    after, earlier = spec.get("completions"), before.get("completions")
    if spec.get("completionMode") != "Indexed":
        yield from unchanged("spec.completions", earlier, after)
    elif after is not None and after != earlier and after != spec.get("parallelism"):
        yield invalid("spec.completions", after, "can only be modified in tandem with spec.parallelism")
    yield from unchanged("spec.selector", printed(before.get("selector")), printed(spec.get("selector")))
    template, kept = spec.get("template") or {}, before.get("template") or {}
    if _comparable(template, before) != _comparable(kept, before):
        yield invalid_value("spec.template", "core.PodTemplateSpec", template, IMMUTABLE)
    yield from unchanged("spec.completionMode", before.get("completionMode"), spec.get("completionMode"))
    for name, go_type in (("podFailurePolicy", "*batch.PodFailurePolicy"), ("backoffLimitPerIndex", "*int32"),
                          ("managedBy", "*string"), ("successPolicy", "*batch.SuccessPolicy")):  # fmt: skip
        if spec.get(name) != before.get(name):
            yield invalid_value(f"spec.{name}", go_type, spec.get(name), IMMUTABLE)


def _comparable(template: Object, before: Object) -> Object:
    """What may not change of a template: while a Job is suspended and has not begun, scheduling may."""
    if not before.get("suspend"):
        return _without_empty(template)
    loose = ("nodeSelector", "tolerations", "schedulingGates", "affinity")
    pod = {key: value for key, value in part(template, "spec").items() if key not in loose}
    for name in ("containers", "initContainers"):
        if pod.get(name):
            pod[name] = [{key: value for key, value in each.items() if key != "resources"} for each in pod[name]]
    metadata = {k: v for k, v in part(template, "metadata").items() if k not in ("labels", "annotations")}
    return _without_empty({"metadata": metadata, "spec": pod})


def _without_empty(template: Object) -> Object:
    metadata = {key: value for key, value in part(template, "metadata").items() if value}
    return {"metadata": metadata, "spec": {k: v for k, v in part(template, "spec").items() if v not in (None, [], "")}}


def _schedule(schedule: str, zone: str | None, has_zone: bool) -> Iterator[Cause]:
    if problem := schedule_problem(schedule):
        yield invalid("spec.schedule", schedule, problem)
    if "TZ" in schedule:
        if not has_zone:
            yield invalid("spec.schedule", schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
        elif zone is not None:
            yield invalid("spec.schedule", schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule")
