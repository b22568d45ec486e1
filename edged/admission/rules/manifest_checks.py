"""Which webhooks may stand in a manifest, where one that the API server does not take keeps it from starting. Pure.

Everything but CEL was checked when the webhooks were made (webhook_check.py). A match condition may stand there if it
surely compiles (kube/values/cel_types.py), if an API server has taken it before, or if one takes it now: then the
webhook is tried first, in an object of another kind than manifests, by a dry run. This file says what to try and what
to make of the answer; admission/endpoint/trials.py asks. The manifest itself remembers, in an annotation, which of its
conditions needed an API server's word: after a reboot edged starts before the API server that reads the manifest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from edged.admission.rules.exemptions import NAMESPACE_NAME
from edged.admission.rules.object_names import TRIAL
from edged.admission.rules.webhook_objects import generate
from edged.admission.rules.webhooks import (
    GROUP_VERSION,
    PLURALS,
    Target,
    Webhook,
    WebhookConfiguration,
    hooks_of,
    refused_webhooks,
)
from edged.json_text import dumps
from edged.kube.values.cel_syntax import MAX_CHARACTERS, MAX_DEPTH
from edged.kube.values.cel_types import judge

TRIED = "edged.dev/tried-conditions"
MAX_REMEMBERED = 4000
"""Conditions in the annotation; all annotations of an object have 256 KiB."""
CHUNK = 64
CHUNK_BYTES = 256 << 10
LONGEST_REASON = 600
_DIGEST = re.compile(r"[0-9a-f]{32}")


def trial_name(owner: str) -> str:
    """The name of this node's objects for trials. `owner`: the node's name, and perhaps more behind a slash."""
    node = owner.partition("/")[0].lower()
    name = f"{TRIAL}-{node}"
    if len(name) <= 253 and re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", node) and ".." not in name:
        return name
    return f"{TRIAL}-{hashlib.sha256(node.encode()).hexdigest()[:16]}"


def trial_objects(owner: str) -> list[WebhookConfiguration]:
    """What `edged webhook install` creates: one of each kind, empty."""
    return [{**obj, "metadata": {**obj["metadata"], "name": trial_name(owner)}}
            for obj in generate((), Target("https://localhost", b"", owner)).objects.values()]


def trial_path(kind: str, name: str) -> str:
    """URL path of the object for trials of a kind."""
    return f"/apis/{GROUP_VERSION}/{PLURALS[kind]}/{name}"


def trial_object(live: WebhookConfiguration, hooks: Sequence[Webhook]) -> WebhookConfiguration:
    """What to PUT in place of the empty object `live`: it with these webhooks, without their CAs, which are not
    validated."""
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    shortened = [{**hook, "clientConfig": {"url": hook["clientConfig"]["url"]}} for hook in hooks]
    return {**live, "metadata": metadata, "webhooks": shortened}


def chunks(hooks: Iterable[Webhook]) -> list[list[Webhook]]:
    """What is tried together: an administrator's first, then those of namespaces, few enough for one request."""
    made: list[list[Webhook]] = [[]]
    size = 0
    for hook in sorted(hooks, key=lambda hook: bool(_namespace_of(hook))):
        length = len(dumps(hook))
        if made[-1] and (len(made[-1]) >= CHUNK or size + length > CHUNK_BYTES):
            made.append([])
            size = 0
        made[-1].append(hook)
        size += length
    return [chunk for chunk in made if chunk]


def _namespace_of(hook: Webhook) -> str:
    labels = hook["namespaceSelector"].get("matchLabels") or {}
    return str(labels.get(NAMESPACE_NAME, ""))


def digest(kind: str, hook: Webhook) -> str:
    """Names a webhook as far as a trial of it goes: without its CA."""
    said = {**hook, "clientConfig": hook["clientConfig"]["url"], "kind": kind}
    return hashlib.sha256(dumps(said, sort=True)).hexdigest()[:32]


def refusals(status: Mapping[str, Any], count: int) -> dict[int, str]:
    """Number of the webhook -> why the API server does not take it, of an answer with code 422. {}: the answer does not
    say which one it means."""
    found = refused_webhooks(status)
    return {number: reason(text.partition(".")[2] or text) for number, text in found.items() if number < count}


def reason(text: str) -> str:
    """An API server's text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 3]}..."


# --- without an API server


def unsure_conditions(hook: Webhook) -> Iterator[tuple[str, str]]:
    """(digest of the expression, what is unknown about it or wrong with it) of conditions that are not surely fine."""
    for condition in hook.get("matchConditions") or ():
        judgement = judge(condition["expression"])
        if judgement.kind == "fine":
            continue
        what = "does not compile" if judgement.kind == "wrong" else "may not compile"
        yield _digest_of(condition["expression"]), f"match condition {condition['name']!r} {what}: {judgement.text}"


def excessive(hook: Webhook) -> str:
    """Why a webhook is neither tried nor written, whatever an API server says; "" where it may be. cel-go takes minutes
    for some conditions that are long, or deep (200 lists inside each other): trying one would harm the API server."""
    total = 0
    for condition in hook.get("matchConditions") or ():
        name, expression = condition["name"], condition["expression"]
        total += len(expression)
        if len(expression) > MAX_CHARACTERS or total > 2 * MAX_CHARACTERS:
            return f"match condition {name!r} is too long: one may have {MAX_CHARACTERS} characters, and all of them " \
                   f"{2 * MAX_CHARACTERS}, since an API server takes minutes for some that are longer"
        if _depth(expression) > MAX_DEPTH:
            return f"match condition {name!r} has more than {MAX_DEPTH} brackets inside each other"
    return ""


def _depth(expression: str) -> int:
    """Of brackets, also those that stand in strings."""
    depth = deepest = 0
    for character in expression:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def waiting(hook: Webhook, remembered: frozenset[str]) -> str:
    """Why a webhook must wait for an API server that tries it; "" where it need not."""
    return next((text for name, text in unsure_conditions(hook) if name not in remembered), "")


def remembered(live: Iterable[WebhookConfiguration]) -> frozenset[str]:
    """Digests of conditions that an API server has taken, as the manifests say."""
    found: set[str] = set()
    for obj in live:
        metadata = obj.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
        text = annotations.get(TRIED) if isinstance(annotations, Mapping) else None
        found.update(_DIGEST.findall(text) if isinstance(text, str) else ())
    return frozenset(found)


def tried_conditions(hook: Webhook) -> list[str]:
    """Digests of the conditions of a webhook that needed an API server's word."""
    return [name for name, _ in unsure_conditions(hook)]


def remembering(obj: WebhookConfiguration, tried: Mapping[str, Sequence[str]]) -> WebhookConfiguration:
    """The manifest with the annotation, where it needs one. An administrator's conditions come first. `tried`: name of
    the webhook -> its `tried_conditions`, which take their time."""
    hooks = sorted(hooks_of(obj), key=lambda hook: bool(_namespace_of(dict(hook))))
    names = [name for hook in hooks for name in tried[hook["name"]]]
    if not names:
        return obj
    kept = ",".join(sorted(list(dict.fromkeys(names))[:MAX_REMEMBERED]))
    metadata = obj["metadata"]
    return {**obj, "metadata": {**metadata, "annotations": {**metadata["annotations"], TRIED: kept}}}


def _digest_of(expression: str) -> str:
    return hashlib.sha256(expression.encode()).hexdigest()[:32]
