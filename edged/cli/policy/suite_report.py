"""Compares answers with the expected ones and reports the result: as text, JSON or JUnit XML. Called by test.py."""

from __future__ import annotations

import difflib
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.admission.rules.jsonpatch import same
from edged.admission.rules.review import AdmissionResponse
from edged.cli import new_files
from edged.cli.output import print_data
from edged.cli.policy.suite_files import INVALID_SETTINGS, Case, Expectation, Text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element



@dataclass(slots=True)
class Answer:
    """The outcome of a question. `error`: why the policy was not loaded; `failure`: why it could not answer; `missing`:
    host calls that the test has no answer to."""

    error: str = ""
    response: AdmissionResponse | None = None
    failure: str = ""
    lines: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Result:
    """`outcome`: passed, failed or skipped. `details`: what differs, or why it was skipped."""

    case: Case
    outcome: str
    details: list[str] = field(default_factory=list)
    answer: Answer = field(default_factory=Answer)
    seconds: float = 0.0


# --- judging


def judge(case: Case, answer: Answer) -> list[str]:
    """What is not as expected; a text may have several lines."""
    wanted = case.expect
    found = list(_settings(wanted, answer)) if wanted.settings is not None else []
    if case.request is None or found:
        return found
    found += _verdict(case, wanted, answer)
    if found and answer.missing:
        found += [f"host call without an answer: {text}" for text in answer.missing]
    return found


def _settings(wanted: Expectation, answer: Answer) -> Iterator[str]:
    invalid = answer.error.startswith(INVALID_SETTINGS)
    if answer.error and not invalid:
        yield f"the policy was not loaded: {answer.error}"
    elif invalid and wanted.settings == "valid":
        yield f"settings: expected valid, got: {answer.error}"
    elif not invalid and wanted.settings == "invalid":
        yield "settings: expected invalid, got valid"
    elif invalid and wanted.error is not None and not wanted.error.holds(answer.error):
        yield f"error: expected {wanted.error}, got {_shown(answer.error)}"


def _verdict(case: Case, wanted: Expectation, answer: Answer) -> Iterator[str]:
    response = answer.response
    assert response is not None and case.request is not None
    status = response.status or {}
    message = str(status.get("message") or "")
    if wanted.error is None and answer.failure:
        yield f"the policy failed: {answer.failure}"
        return
    if wanted.error is not None and wanted.settings is None:
        if not answer.failure:
            yield f"error: expected the policy to fail with {wanted.error}, but it {_said(response)}"
        elif not wanted.error.holds(message) and not wanted.error.holds(answer.failure):
            yield f"error: expected {wanted.error}, got {_shown(message or answer.failure)}"
    if wanted.allowed is not None and wanted.allowed is not response.allowed:
        yield f"expected {'allowed' if wanted.allowed else 'rejected'}, but it {_said(response)}"
    if wanted.message is not None and not wanted.message.holds(message):
        yield f"message: expected {wanted.message}, got {_shown(message)}"
    if wanted.code is not None and wanted.code != status.get("code"):
        yield f"code: expected {wanted.code}, got {status.get('code', 'none')}"
    yield from _texts("warnings", wanted.warnings, response.warnings or [])
    yield from _annotations(wanted, response)
    yield from _mutation(case.request.object, wanted, response)
    for line in wanted.logs or ():
        if not any(line.holds(said) for said in answer.lines):
            yield f"logs: expected {line}, the guest wrote {answer.lines or 'nothing'}"


def _said(response: AdmissionResponse) -> str:
    message = str((response.status or {}).get("message") or "")
    return ("allowed" if response.allowed else "rejected") + (f": {_shown(message)}" if message else "")


def _shown(text: str) -> str:
    return f'"{text}"'


def _texts(what: str, wanted: Sequence[Text] | None, found: Sequence[str]) -> Iterator[str]:
    if wanted is None:
        return
    if len(wanted) != len(found) or not all(map(Text.holds, wanted, found)):
        expected = ", ".join(map(str, wanted)) or "none"
        yield f"{what}: expected {expected}; got {', '.join(map(_shown, found)) or 'none'}"


def _annotations(wanted: Expectation, response: AdmissionResponse) -> Iterator[str]:
    if wanted.audit_annotations is not None and wanted.audit_annotations != (response.audit_annotations or {}):
        yield f"audit_annotations: expected {wanted.audit_annotations}, got {response.audit_annotations or 'none'}"


def _mutation(old: object, wanted: Expectation, response: AdmissionResponse) -> Iterator[str]:
    patch = response.patch or []
    if wanted.mutated is not None and wanted.mutated is not bool(patch):
        yield "expected a patch, there is none" if wanted.mutated else f"expected no patch, got {json.dumps(patch)}"
    if wanted.patch is not None and not same(wanted.patch, patch):
        yield "patch:\n" + difference(wanted.patch, patch)
    if wanted.object is not None:
        after = patched(old, patch)
        if not same(wanted.object, after):
            yield "object after the patch:\n" + difference(wanted.object, after)


def patched(old: object, patch: list[dict[str, object]]) -> Any:
    """The object with the patch applied, as the API server applies it."""
    if not patch:
        return old
    import jsonpatch

    return jsonpatch.apply_patch(old, patch)


def difference(wanted: object, found: object) -> str:
    """Lines with - (expected) and + (got), three lines of what is equal around them."""
    old, new = (json.dumps(side, indent=2, sort_keys=True, ensure_ascii=False).splitlines() for side in (wanted, found))
    lines = difflib.unified_diff(old, new, "expected", "got", lineterm="", n=3)
    return "\n".join(f"  {line}" for line in lines)


# --- telling


def show(results: Sequence[Result], output: str, *, verbose: bool = False) -> None:
    """On stdout."""
    if output == "text":
        for line in told(results, verbose=verbose):
            print(line)
        return
    counts = Counter(result.outcome for result in results)
    summary = {name: counts[name] for name in ("passed", "failed", "skipped")}
    print_data({"summary": summary, "tests": [_data(result) for result in results]}, output)


def told(results: Sequence[Result], *, verbose: bool) -> Iterator[str]:
    """Failures in full, the rest as counts (`verbose`: a line each), grouped by file."""
    for file in dict.fromkeys(result.case.file for result in results):
        mine = [result for result in results if result.case.file == file]
        shown = [result for result in mine if verbose or result.outcome == "failed"]
        failed = sum(result.outcome == "failed" for result in mine)
        if shown:
            yield f"{file}: {len(mine)} tests, {failed} failed"
        for result in shown:
            yield from _lines(result, verbose)
    counts = Counter(result.outcome for result in results)
    seconds = sum(result.seconds for result in results)
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    yield f"{counts['passed']} passed, {counts['failed']} failed{skipped} ({seconds:.1f} s)"


def _lines(result: Result, verbose: bool) -> Iterator[str]:
    word = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}[result.outcome]
    yield f"  {word} {_safe(result.case.title)} (line {result.case.line})"
    for detail in result.details:
        yield from (f"    {_safe(line)}" for line in detail.splitlines())
    if verbose or result.outcome == "failed":
        yield from (f"    guest: {_safe(line)}" for line in result.answer.lines)


def _safe(text: str) -> str:
    """Escapes control characters: guests must not control the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _data(result: Result) -> dict[str, Any]:
    case, answer = result.case, result.answer
    return {
        "file": case.file,
        "line": case.line,
        "policy": case.policy.name,
        "name": case.name,
        "subject": case.subject,
        "outcome": result.outcome,
        "details": result.details,
        "error": answer.error or None,
        "response": answer.response.to_dict() if answer.response is not None else None,
        "logs": answer.lines,
        "seconds": round(result.seconds, 4),
    }


def write_junit(path: Path, results: Sequence[Result]) -> None:
    """JUnit XML: a suite per file, a case per question. Raises ConfigError."""
    from xml.etree import ElementTree

    root = ElementTree.Element("testsuites", name="edged policy test")
    for file in dict.fromkeys(result.case.file for result in results):
        mine = [result for result in results if result.case.file == file]
        counts = Counter(result.outcome for result in mine)
        suite = ElementTree.SubElement(
            root, "testsuite", name=_xml(file), tests=str(len(mine)), failures=str(counts["failed"]), errors="0",
            skipped=str(counts["skipped"]), time=f"{sum(result.seconds for result in mine):.3f}",
        )  # fmt: skip
        for result in mine:
            _add_case(suite, result)
    content = io.BytesIO()
    ElementTree.ElementTree(root).write(content, encoding="utf-8", xml_declaration=True)
    new_files.write(path, content.getvalue(), force=None, ours=_is_junit, what="a JUnit report")


def check_junit(path: Path) -> None:
    """A report may be written over, as it is made anew with each run; no other file. Raises ConfigError."""
    new_files.check(path, force=None, ours=_is_junit, what="a JUnit report")


def _is_junit(content: bytes) -> bool:
    return b"<testsuite" in content[:1000]


def _add_case(suite: Element, result: Result) -> None:
    from xml.etree.ElementTree import SubElement

    case = result.case
    name = f"{case.name} [{case.subject}]" if case.subject else case.name
    element = SubElement(
        suite, "testcase", classname=_xml(case.policy.name), name=_xml(name), time=f"{result.seconds:.3f}",
        file=_xml(case.file), line=str(case.line),
    )  # fmt: skip
    if result.outcome == "failed":
        failure = SubElement(element, "failure", message=_xml(result.details[0].partition("\n")[0]))
        failure.text = _xml("\n".join(result.details))
    elif result.outcome == "skipped":
        SubElement(element, "skipped", message=_xml("; ".join(result.details)))
    if result.answer.lines:
        SubElement(element, "system-out").text = _xml("\n".join(result.answer.lines))


def _xml(text: str) -> str:
    """Without the control characters that XML cannot hold at all."""
    return "".join(c if c in "\n\t" or c.isprintable() else c.encode("unicode_escape").decode() for c in text)
