"""What `edged check` says of match conditions: which do not compile, and which only an API server can judge.

Offline as far as edged/kube/values/cel_types.py knows CEL. With --online the API server is asked by the same dry run
that the daemon makes with static registration (admission/endpoint/trials.py), with the daemon's own rights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from edged import config as configuration
from edged.admission.config import AdmissionConfig, GroupConfig, PolicyConfig
from edged.config import Config
from edged.errors import EdgedError
from edged.kube.values.cel_types import judge
from edged.toml.lines import Path


@dataclass(frozen=True, slots=True)
class Findings:
    """Lines for people, each with its place in the file."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def look(config: Config, path: str, *, online: bool = False) -> Findings:
    """At the conditions of all policies and groups. Raises ConfigError."""
    found = Findings()
    admission = config.admission
    if admission is None:
        return found
    for at, kind, text in _judged(admission):
        if kind == "wrong":
            found.errors.append(_placed(path, at, text))
        elif admission.register == "static" and not online:
            found.warnings.append(_placed(path, at, f"{text}. With static registration the policy waits until the API "
                                                    "server has tried it; `edged check --online` asks it"))
    found.warnings.extend(_placed(path, at, text) for at, text in _of_modules(config, admission))
    if online:
        refused, why_not = _asked(config, admission)
        found.errors.extend(_placed(path, at, refused[policy.name]) for at, policy in _policies(admission)
                            if policy.name in refused)
        if why_not:
            found.warnings.append(f"the API server could not be asked about all webhooks: {why_not}")
    return found


def _placed(path: str, at: Path, text: str) -> str:
    """As an error of the file itself would be printed."""
    places = configuration.places(path)
    return f"{path}:{places.line(at)}: {places.where(at)}: {text}"


def _policies(admission: AdmissionConfig) -> Iterator[tuple[Path, PolicyConfig | GroupConfig]]:
    for index, policy in enumerate(admission.policy):
        yield ("admission", "policy", index), policy
    for index, group in enumerate(admission.group):
        yield ("admission", "group", index), group


def _judged(admission: AdmissionConfig) -> Iterator[tuple[Path, str, str]]:
    """(where, wrong or unsure, what)."""
    for at, policy in _policies(admission):
        for index, condition in enumerate(policy.match_conditions):
            judgement = judge(condition["expression"])
            what = "does not compile" if judgement.kind == "wrong" else "may not compile"
            if judgement.kind != "fine":
                yield (*at, "match_conditions", index, "expression"), judgement.kind, f"{what}: {judgement.text}"


def _of_modules(config: Config, admission: AdmissionConfig) -> Iterator[tuple[Path, str]]:
    """(where, why a module's own conditions are left out). What cannot be read is an error elsewhere."""
    from edged.admission.rules.module_conditions import conditions_of
    from edged.cli.webhook.registrations import metadata_of

    for index, policy in enumerate(admission.policy):
        metadata = metadata_of(policy, config.node.state_dir, lambda text: None) if policy.module_conditions else None
        if metadata is not None and (problem := conditions_of(metadata.annotations).problem):
            yield ("admission", "policy", index, "module"), f"the policy is asked about everything: {problem}"


def _asked(config: Config, admission: AdmissionConfig) -> tuple[dict[str, str], str]:
    """(policy -> why the API server refuses it, why not all could be tried or "")."""
    import trio

    return trio.run(_ask, config, admission)


async def _ask(config: Config, admission: AdmissionConfig) -> tuple[dict[str, str], str]:
    from edged.admission.endpoint.trials import Trials
    from edged.admission.rules import webhook_objects, webhooks
    from edged.cli.webhook import registrations
    from edged.kube.kubeconfig import open_client

    target = replace(registrations.target_of(config, admission), is_sharing=False)  # each is asked about alone
    specs = [spec for spec in registrations.specs_of(config, admission, lambda text: None) if not spec.path]
    objects = webhook_objects.generate(specs, target, static=True).objects
    try:
        client = await open_client(config.kubernetes)
    except EdgedError as error:
        return {}, str(error)
    try:
        trials = Trials(client, target.owner)
        why_not = await trials.try_all(objects)
        return {webhooks.policy_of({"name": name}): text for name, text in trials.refused(objects).items()}, why_not
    finally:
        await client.aclose()
