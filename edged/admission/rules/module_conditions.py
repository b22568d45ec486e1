"""Match conditions that a module carries: which requests can matter to it, in its author's words. Pure.

The annotation `io.edged.match-conditions` of a module's metadata is a list of `{name, expression}`, as text in JSON or
YAML. The API server evaluates them beside those of the configuration, and calls the webhook only where all hold. So a
condition takes requests away from its policy, and one that cannot be relied on must take away none: where anything is
wrong with the list, none of it is used and the policy is asked about everything. Only what surely compiles is taken
(kube/values/cel_types.py), because the API server refuses the whole webhook for a condition that does not.

Read by admission/host for each module that is loaded, and by cli for the modules of a configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from edged.abi.metadata import MATCH_CONDITIONS
from edged.admission.rules.webhook_check import is_unicode
from edged.json_text import JsonError, loads
from edged.kube.values.name_checks import qualified_name_problem
from edged.records import dataclass

Condition = Mapping[str, str]
"""`name` and `expression`."""
PREFIX: Final = "module.edged.dev/"
"""Before a condition's name in a webhook: a user's condition may have the same name, and the API server's messages and
metrics name the condition."""
MOST: Final = 8
MOST_CHARACTERS: Final = 4096
"""Of all expressions of a module together: as many as edged reads in one."""
MOST_TEXT: Final = 16 << 10
"""Characters of the annotation."""
MOST_COST: Final = 250_000
"""Units of kube/values/cel_cost.py for all conditions of a module together: a quarter of what the API server lets one
expression cost, so that an object four times as large as estimated is still no error."""


@dataclass(frozen=True, slots=True)
class ModuleConditions:
    """`conditions` as a webhook has them, with PREFIX; none where there is a `problem`."""

    conditions: tuple[dict[str, str], ...] = ()
    problem: str = ""


NONE: Final = ModuleConditions()


def conditions_of(annotations: Mapping[str, object]) -> ModuleConditions:
    """Of a module's annotations. Never raises: the problem names the condition."""
    written = annotations.get(MATCH_CONDITIONS)
    if written is None:
        return NONE
    try:
        entries = _entries(written)
        return ModuleConditions(tuple({"name": PREFIX + each["name"], "expression": each["expression"]}
                                      for each in entries))
    except _Bad as error:
        return ModuleConditions(problem=f"{MATCH_CONDITIONS}: {error}")


def own_names(conditions: Sequence[Condition]) -> list[dict[str, str]]:
    """The conditions as their author wrote them: without PREFIX."""
    return [{"name": each["name"].removeprefix(PREFIX), "expression": each["expression"]} for each in conditions]


def added(users: Sequence[Mapping[str, str]], modules: Sequence[Condition], room: int) -> list[dict[str, str]]:
    """A user's conditions and a module's: all must hold. The module's only where all of them fit in, since one webhook
    has at most `room`, and a bound on what edged lets all of them have together: without them the policy is asked more
    often, and a user's are never given up for them."""
    own = [dict(each) for each in users]
    if not modules:
        return own
    from edged.kube.values.cel_syntax import MAX_CHARACTERS

    taken = {each.get("name") for each in own}
    both = [*own, *(dict(each) for each in modules)]
    fits = len(both) <= room and sum(len(str(each.get("expression"))) for each in both) <= 2 * MAX_CHARACTERS
    return both if fits and not any(each["name"] in taken for each in modules) else own


def of_webhook(hook: Mapping[str, object]) -> list[dict[str, str]]:
    """The conditions that a registered webhook has of a module. Nothing is known of the webhook."""
    conditions = hook.get("matchConditions")
    named = [each for each in conditions if isinstance(each, Mapping)] if isinstance(conditions, list) else []
    return [dict(each) for each in named
            if str(each.get("name")).startswith(PREFIX) and isinstance(each.get("expression"), str)]


class _Bad(Exception):
    """The text says what is wrong."""


def _entries(written: object) -> list[Condition]:
    entries = _parsed(written)
    if not isinstance(entries, list):
        raise _Bad("must be a list of {name, expression}")
    if not entries:
        raise _Bad("is empty: a list of conditions has at least one")
    if len(entries) > MOST:
        raise _Bad(f"has {len(entries)} conditions, and at most {MOST} are allowed")
    names: set[str] = set()
    checked = [_entry(entry, index, names) for index, entry in enumerate(entries)]
    _check_size(checked)
    return checked


def _parsed(written: object) -> object:
    if isinstance(written, list):
        return written
    if not isinstance(written, str):
        raise _Bad("must be text: a list of {name, expression}, in JSON or YAML")
    if len(written) > MOST_TEXT:
        raise _Bad(f"has {len(written)} characters, and at most {MOST_TEXT} are allowed")
    try:
        return loads(written)
    except JsonError:
        from edged import yaml_text

        try:
            return yaml_text.load(written.encode(errors="surrogatepass"), rules=yaml_text.TEXT, strict=True)
        except (yaml_text.YamlError, UnicodeError) as error:
            raise _Bad(f"is neither JSON nor YAML: {error}") from error


def _entry(entry: object, index: int, names: set[str]) -> Condition:
    if not isinstance(entry, Mapping):
        raise _Bad(f"[{index}] is not a mapping of name and expression")
    if strange := sorted(str(key) for key in entry if key not in ("name", "expression")):
        raise _Bad(f"[{index}] has the unknown key {strange[0]!r}")
    name, expression = entry.get("name"), entry.get("expression")
    if not isinstance(name, str) or "/" in name or qualified_name_problem(name):
        raise _Bad(f"[{index}].name: must be letters, digits, `-`, `_` and `.`, at most 63, and begin and end with a "
                   "letter or digit")
    if name in names:
        raise _Bad(f"[{index}].name: {name} is the name of another condition")
    names.add(name)
    if not isinstance(expression, str) or not expression.strip() or not is_unicode(expression):
        raise _Bad(f"condition {name}: expression must be a CEL expression")
    return {"name": name, "expression": expression.strip()}


def _check_size(entries: Sequence[Condition]) -> None:
    """And whether each compiles, once it is known to be short enough to be looked at."""
    from edged.kube.values.cel_cost import estimate
    from edged.kube.values.cel_types import judge

    characters = cost = 0
    for entry in entries:
        name, expression = entry["name"], entry["expression"]
        characters += len(expression)
        if characters > MOST_CHARACTERS:
            raise _Bad(f"condition {name}: the conditions have more than {MOST_CHARACTERS} characters together")
        judgement = judge(expression)
        if judgement.kind == "wrong":
            raise _Bad(f"condition {name} does not compile: {judgement.text}")
        if judgement.kind == "unsure":
            raise _Bad(f"condition {name} may not compile in every API server: {judgement.text}")
        cost += estimate(expression)
        if cost > MOST_COST:
            raise _Bad(f"condition {name}: evaluating it costs too much: about {cost} units with the ones before it, "
                       f"for lists of 100 entries, and at most {MOST_COST} are allowed")
