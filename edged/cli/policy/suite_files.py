"""Test files of policies (YAML, TOML, JSON): questions, policies, expected answers. Errors name file, line and key.

A file holds `policies` and `groups` (the keys of [[admission.policy]] and [[admission.group]]; a module may be a path,
relative to the file) and `tests`. The folders `cases` of sample modules, one JSON file per question, are taken as well
(suite_cases.py). Called by test.py.
"""

# ruff: noqa: RUF009  (`setting` is dataclasses.field with a check)

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edged import yaml_text
from edged.admission.config import GroupConfig, PolicyConfig
from edged.admission.rules.review import AdmissionRequest
from edged.cli import documents
from edged.cli.policy import sessions, sources
from edged.cli.policy.requests import OPERATIONS, USUAL, Circumstances, is_object, objects_of, request_of
from edged.cli.policy.sessions import Session
from edged.errors import ConfigError, EdgedError
from edged.toml.lines import Path as Place
from edged.toml.lines import find_lines
from edged.toml.reader import Bad, Problem, Reader, boolean, choice, expect, integer, list_of, setting, table_of, text
from edged.toml.tables import NotToml, read_tables
from edged.yaml_text import YamlError

NAMES = re.compile(r"(.*[-_.])?edged-test\.(ya?ml|toml|json)")
"""Files that are looked for in folders."""
INVALID_SETTINGS = "Policy settings are invalid"  # policy-server's own words
VERDICTS = {"allowed": True, "rejected": False}


@dataclass(frozen=True, slots=True)
class Text:
    """What a text must be: exactly `value`, or contain it, or have a match of it."""

    value: str
    how: str = "is"

    def holds(self, found: str) -> bool:
        if self.how == "matches":
            return re.search(self.value, found) is not None
        return self.value in found if self.how == "contains" else self.value == found

    def __str__(self) -> str:
        return f'"{self.value}"' if self.how == "is" else f'something that {self.how} "{self.value}"'


def _text(value: object, reader: Reader, path: Place) -> Text:
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, dict) and len(value) == 1:
        how, wanted = next(iter(value.items()))
        if how in ("contains", "matches") and isinstance(wanted, str):
            if how == "matches":
                _check_pattern(wanted)
            return Text(wanted, how)
    raise Bad('must be a text, or { contains = "part" }, or { matches = "regular expression" }')


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise Bad(f"is not a regular expression: {error}") from None


def _part(value: object, reader: Reader, path: Place) -> Text:
    found = _text(value, reader, path)
    return replace(found, how="contains") if found.how == "is" else found


def _anything(value: object, reader: Reader, path: Place) -> Any:
    return value


def _texts(value: object, reader: Reader, path: Place) -> tuple[Any, ...]:
    found: tuple[Any, ...] = list_of(_text, unique=False)(value, reader, path)
    return found


def _one_or_more(value: object, reader: Reader, path: Place) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _labels(value: object, reader: Reader, path: Place) -> dict[str, str]:
    value = expect(dict, value)
    if not all(isinstance(key, str) and isinstance(element, str) for key, element in value.items()):
        raise Bad("must hold texts")
    return dict(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the answer must be. Fields that are None are not compared."""

    allowed: bool | None = setting(boolean, None)
    message: Text | None = setting(_text, None)
    code: int | None = setting(integer(0, 65535), None)
    warnings: tuple[Text, ...] | None = setting(_texts, None)
    audit_annotations: dict[str, str] | None = setting(_labels, None)
    mutated: bool | None = setting(boolean, None)
    object: Any = setting(_anything, None)
    """The object with the patch applied."""
    patch: Any = setting(_anything, None)
    error: Text | None = setting(_part, None)
    """The policy fails, and its error contains this. A policy that fails unexpectedly fails its test."""
    settings: str | None = setting(choice("valid", "invalid"), None)
    logs: tuple[Text, ...] | None = setting(lambda value, reader, path: list_of(_part)(value, reader, path), None)
    """Each is in a line that the guest wrote."""


def _expectation(value: object, reader: Reader, path: Place) -> Expectation:
    if isinstance(value, str):
        if value == "mutated":
            return Expectation(allowed=True, mutated=True)
        if value not in VERDICTS:
            raise Bad(f'must be "allowed", "rejected", "mutated" or a table, not "{value}"')
        return Expectation(allowed=VERDICTS[value])
    found: Expectation = reader.table(Expectation, value, path)
    if not value:
        raise Bad("is empty: a test that expects nothing cannot fail")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TestConfig:
    """One entry of `tests`."""

    __test__ = False  # pytest collects classes by their names

    name: str = setting(text(empty=False))
    policy: tuple[str, ...] = setting(_one_or_more, ())
    """Names of policies or groups; none: all of the file."""
    object: tuple[Any, ...] = setting(_one_or_more, ())
    request: Any = setting(_anything, None)
    raw: Any = setting(_anything, None)
    old_object: Any = setting(_anything, None)
    operation: str = setting(choice(*OPERATIONS), "CREATE")
    namespace: str = setting(text(), "")
    user: str = setting(text(empty=False), USUAL.user)
    groups: tuple[str, ...] = setting(list_of(text(empty=False)), USUAL.groups)
    subresource: str = setting(text(), "")
    resource: str = setting(text(), "")
    dry_run: bool = setting(boolean, False)
    settings: Any = setting(_anything, None)
    host_calls: Any = setting(_anything, None)
    expect: Expectation = setting(_expectation)
    skip: str = setting(text(empty=False), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    policies: Any = setting(_anything, ())
    groups: Any = setting(_anything, ())
    tests: tuple[TestConfig, ...] = setting(list_of(table_of(TestConfig), unique=False))


@dataclass(frozen=True, slots=True)
class Case:
    """One question to one policy. `request` None: only the settings are looked at."""

    file: str
    line: int
    name: str
    policy: PolicyConfig | GroupConfig
    subject: str
    request: AdmissionRequest | None
    expect: Expectation
    session: Session | None = None
    skip: str = ""
    grant: frozenset[str] = field(default_factory=frozenset)
    """Keys of the policy (context_aware, host_capabilities) that the module's metadata fills in."""

    @property
    def title(self) -> str:
        return f"{self.policy.name}: {self.name}" + (f" [{self.subject}]" if self.subject else "")


class _Reader(Reader):
    """Says places as they are in a test file."""

    def where(self, path: Place) -> str:
        if len(path) > 1 and path[0] in ("tests", "policies", "groups") and isinstance(path[1], int):
            entries = self.data.get(str(path[0]))
            entry = entries[path[1]] if isinstance(entries, list) and path[1] < len(entries) else None
            name = entry.get("name") if isinstance(entry, dict) else None
            head = f'{path[0]} "{name}"' if isinstance(name, str) else f"{path[0]}[{path[1]}]"
            return f"{head} {_dotted(path[2:])}".strip()
        return _dotted(path) or "the file"


def _dotted(path: Place) -> str:
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f"{'.' if out else ''}{part}"
    return out


def read(path: Path) -> list[Case]:
    """The cases of one file. Raises ConfigError with all that is wrong, a line each."""
    content = documents.read(path)
    data, lines = _decoded(path, content)
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: holds no tables; it must have policies and tests")
    reader = _Reader(data, lines)
    try:
        file: _File = reader.table(_File, data, ())
        policies = _policies(file, reader, path.parent)
    except Bad as error:
        raise ConfigError(f"{path}: {error}") from error
    cases = [] if reader.problems else list(_cases(file, policies, reader, path))
    if reader.problems:
        raise ConfigError("\n".join(_line(path, problem) for problem in reader.problems))
    if not cases:
        raise ConfigError(f"{path}: holds no tests")
    return cases


def _line(path: Path, problem: Problem) -> str:
    where = f"{path}:{problem.line}" if problem.line else str(path)
    return f"{where}: {problem.where}: {problem.message}"


def _decoded(path: Path, content: bytes) -> tuple[Any, Mapping[Place, int]]:
    if path.suffix == ".toml":
        try:
            decoded = content.decode()
            return read_tables(decoded), find_lines(decoded.replace("\r\n", "\n"))
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not valid TOML: {error}") from error
        except NotToml as error:
            raise ConfigError(f"{path}: {error}") from error
    found = [document for document, _ in documents.parsed(content, str(path)) if document is not None]
    if len(found) != 1:
        raise ConfigError(f"{path}: holds {len(found)} documents, a test file is one")
    try:
        return found[0], yaml_text.lines(content)
    except YamlError:
        return found[0], {}  # JSON that is no YAML


# --- policies


@dataclass(frozen=True, slots=True)
class _Named:
    config: PolicyConfig | GroupConfig
    grant: frozenset[str]


def _policies(file: _File, reader: Reader, folder: Path) -> dict[str, _Named]:
    found: dict[str, _Named] = {}
    for key, cls, entries in (("policies", PolicyConfig, file.policies), ("groups", GroupConfig, file.groups)):
        for index, entry in enumerate(_list(entries, reader, (key,))):
            path = (key, index)
            try:
                config = _policy(cls, entry, reader, path, folder)
            except Bad as error:
                reader.problem(path, str(error))
                continue
            if config.name in found:
                reader.problem((*path, "name"), "is already used")
            absent = {"context_aware", "host_capabilities"} - set(entry) if cls is PolicyConfig else set()
            found[config.name] = _Named(config, frozenset(absent))
    return found


def _list(value: object, reader: Reader, path: Place) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    reader.problem(path, "must be a list")
    return []


def _policy(cls: type, entry: object, reader: Reader, path: Place, folder: Path) -> Any:
    """A policy that is never registered; without `allowed_to_mutate` it may mutate: tests look at what it would do."""
    entry = expect(dict, entry)
    usual = {"rules": [], "allowed_to_mutate": True} if cls is PolicyConfig else {"rules": []}
    table: dict[str, Any] = {**usual, **entry}
    if isinstance(table.get("module"), str):
        table["module"] = sources.module_url(table["module"], folder)
    if isinstance(table.get("members"), dict):
        table["members"] = {
            name: {**member, "module": sources.module_url(member["module"], folder)}
            if isinstance(member, dict) and isinstance(member.get("module"), str) else member
            for name, member in table["members"].items()
        }  # fmt: skip
    return reader.table(cls, table, path)


# --- tests


def _cases(file: _File, policies: Mapping[str, _Named], reader: Reader, path: Path) -> Iterator[Case]:
    for index, test in enumerate(file.tests):
        at: Place = ("tests", index)
        try:
            yield from _cases_of(test, at, policies, reader, path)
        except (Bad, EdgedError) as error:
            reader.problem(at, str(error))


def _cases_of(
    test: TestConfig, at: Place, policies: Mapping[str, _Named], reader: Reader, path: Path
) -> Iterator[Case]:
    unknown = [name for name in test.policy if name not in policies]
    if unknown:
        raise Bad(f"policy: there is no policy {unknown[0]!r} in this file ({', '.join(policies) or 'it has none'})")
    if not policies:
        raise Bad("the file has no policies")
    session = _session(test.host_calls, path)
    wanted = _expected(test.expect, path)
    for name in test.policy or policies:
        named = policies[name]
        config = _with_settings(named.config, test.settings)
        for request, subject in _requests(test, path):
            yield Case(
                str(path), reader.line(at), test.name, config, subject, request, wanted, session, test.skip,
                named.grant,
            )  # fmt: skip


def _with_settings(config: PolicyConfig | GroupConfig, settings: object) -> PolicyConfig | GroupConfig:
    if settings is None:
        return config
    if isinstance(config, GroupConfig):
        raise Bad(f"settings: {config.name} is a group, its members have settings")
    if not isinstance(settings, dict):
        raise Bad("settings: must be a table")
    return replace(config, settings=settings)


def _session(value: object, path: Path) -> Session | None:
    if value is None:
        return None
    if isinstance(value, str):
        return sessions.load(path.parent / value)
    return sessions.from_data(value, "host_calls") if isinstance(value, list) else _not_a_session()


def _not_a_session() -> Session:
    raise Bad("host_calls: must be a list, or the name of a file")


def _expected(wanted: Expectation, path: Path) -> Expectation:
    """With the object that a file holds in the file's place."""
    if not isinstance(wanted.object, str):
        return wanted
    found = list(_loaded(wanted.object, path))
    if len(found) != 1:
        raise Bad(f"expect.object: {wanted.object} holds {len(found)} objects, it must hold one")
    return replace(wanted, object=found[0][0])


def _requests(test: TestConfig, path: Path) -> Iterator[tuple[AdmissionRequest | None, str]]:
    given = [name for name in ("object", "request", "raw") if getattr(test, name) not in (None, ())]
    if len(given) > 1:
        raise Bad(f"has {' and '.join(given)}: only one of them is allowed")
    if not given:
        if test.expect.settings is None:
            raise Bad("needs object, request or raw; or expect.settings, to look at settings only")
        yield None, ""
    if test.raw is not None:
        yield request_of(test.raw, "raw", raw=True), ""
    if test.request is not None:
        for document, where in _loaded(test.request, path, "request"):
            yield request_of(document, where, _circumstances(test, path)), ""
    for entry in test.object:
        for document, where in _loaded(entry, path, "object"):
            request = request_of(document, where, _circumstances(test, path))
            yield request, f"{request.kind} {request.text('name')}".strip()


def _circumstances(test: TestConfig, path: Path) -> Circumstances:
    old = None
    if test.old_object is not None:
        found = list(_loaded(test.old_object, path, "old_object"))
        if len(found) != 1 or not is_object(found[0][0]):
            raise Bad("old_object: must be one Kubernetes object")
        old = found[0][0]
    return Circumstances(
        operation=test.operation, namespace=test.namespace, user=test.user, groups=test.groups,
        subresource=test.subresource, resource=test.resource, old=old, dry_run=test.dry_run,
    )  # fmt: skip


def _loaded(value: object, path: Path, what: str = "object") -> Iterator[tuple[Any, str]]:
    """Inline, or of a file: all that it holds, or with `file.yaml#name` what has that name (`#Kind/name`: and kind)."""
    if not isinstance(value, str):
        yield value, what
        return
    name, _, wanted = value.partition("#")
    count = 0
    for document, where in documents.documents([str(path.parent / name)]):
        for obj, place in objects_of(document, where):
            if obj is None or (wanted and not _is_named(obj, wanted)):
                continue
            count += 1
            yield obj, place
    if not count:
        raise Bad(f"{what}: {value}: there is nothing" + (" of that name" if wanted else ""))


def _is_named(obj: object, wanted: str) -> bool:
    kind, slash, name = wanted.rpartition("/")
    if not isinstance(obj, dict):
        return False
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("name") != name:
        return False
    return not slash or obj.get("kind") == kind
