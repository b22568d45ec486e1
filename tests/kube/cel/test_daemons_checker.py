"""The daemon's small checker of CEL (kube/values/cel_types.py, cel_cost.py) never contradicts the compiler here."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

from edged.admission.rules import exemptions
from edged.admission.rules.module_conditions import conditions_of
from edged.kube.cel import conditions, programs
from edged.kube.cel.declarations import admission
from edged.kube.values.cel_cost import LENGTH, TEXT, estimate
from edged.kube.values.cel_syntax import Unsure, Wrong
from edged.kube.values.cel_types import judge
from tests.kube.values import expressions

ROOT = Path(__file__).parents[3]
SEED = 20261130
COUNT = 2500
TEXT_OF_SIZE = "a" * TEXT
LIST = [TEXT_OF_SIZE] * LENGTH
MAP = {**{f"k{number}": TEXT_OF_SIZE for number in range(LENGTH - 1)}, "a": TEXT_OF_SIZE}
ITEMS = [{"name": TEXT_OF_SIZE, "image": TEXT_OF_SIZE, "a": TEXT_OF_SIZE, "b": LIST, "c": MAP,
          "securityContext": {"privileged": False}}] * LENGTH  # fmt: skip
KIND = dict.fromkeys(("group", "version", "kind", "resource"), TEXT_OF_SIZE)
VARIABLES = {
    "object": {
        "metadata": {"labels": MAP, "annotations": MAP, "name": TEXT_OF_SIZE}, "a": {"b": {"c": TEXT_OF_SIZE}, "a": 1},
        "spec": {"containers": ITEMS, "initContainers": ITEMS, "ephemeralContainers": ITEMS, "template": {}},
        "namespace": TEXT_OF_SIZE, "int": 3, "b": LIST, "c": ITEMS,
    },
    "oldObject": {"x": LIST}, "namespaceObject": None,
    "request": {
        "kind": KIND, "resource": KIND, "name": TEXT_OF_SIZE, "operation": "CREATE", "dryRun": False, "options": {},
        "userInfo": {"username": TEXT_OF_SIZE, "groups": LIST, "extra": {"a": LIST}}, "subResource": TEXT_OF_SIZE,
    },
}  # fmt: skip
"""As large as estimates take lists, maps and texts to be."""


def of_the_project() -> Iterator[str]:
    """Expressions in samples and documents, and those that edged writes by itself."""
    for path in sorted((ROOT / "modules").glob("*/*/metadata.json")):
        annotations = json.loads(path.read_text()).get("annotations") or {}
        yield from (each["expression"] for each in conditions_of(annotations).conditions)
    for path in sorted((ROOT / "docs").glob("*.md")):
        yield from re.findall(r'expression(?:"?: |\s*=\s*)"((?:request|object|!)[^"\\]+)"', path.read_text())
    rules = [{"apiGroups": [group], "apiVersions": ["v1"], "resources": ["*"], "operations": ["*"]}
             for group in ("*", "", "apps")]  # fmt: skip
    found = exemptions.condition(rules)
    if found is not None:
        yield found["expression"]


def chances() -> Iterator[str]:
    random = Random(SEED)
    yield from (expressions.condition(random) for _ in range(COUNT))


def test_what_it_is_sure_of_is_so() -> None:
    met: Counter[tuple[str, bool]] = Counter()
    wrong = []
    for text in (*of_the_project(), *chances()):
        kind, refused = judge(text).kind, bool(conditions.problem(text))
        met[kind, refused] += 1
        wrong += [text] if (kind, refused) in (("fine", True), ("wrong", False)) else []
    assert wrong == []
    assert met["fine", False] > 50 and met["wrong", True] > 500


def test_the_expressions_of_the_project_are_fine() -> None:
    texts = list(of_the_project())
    assert len(texts) >= 5
    assert [text for text in texts if conditions.problem(text)] == []


def test_estimates_are_never_below_what_an_evaluation_costs() -> None:
    """Of those that edged takes from modules."""
    looked_at, below = 0, []
    growing = [" + ".join(["object.metadata.name"] * count) + " == ''" for count in (2, 3, 20)]
    for text in (*of_the_project(), *chances(), *growing):
        try:
            most = estimate(text)
            program = programs.compiled(text, admission())
        except (Wrong, Unsure, conditions.CompileError, conditions.EvaluationError):
            continue
        if judge(text).kind != "fine":
            continue
        looked_at += 1
        cost = programs.run(program, VARIABLES, 10**9).cost
        below += [(text, most, cost)] if cost > most else []
    assert looked_at > 80 and below == []
