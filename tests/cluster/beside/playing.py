"""Takes the steps of a story on one server and gives what came out, as values that can be compared."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from tests.cluster.beside.normal import normal
from tests.cluster.beside.steps import Client, Http, Kubectl, Step, Story, Watch
from tests.cluster.raw import Access, Running

COMPARED_HEADERS = (
    "content-type", "warning", "retry-after", "allow", "vary", "etag", "location", "x-content-type-options",
)  # fmt: skip
WAIT_S = 20.0


class Player:
    """One server. `namespace` of a story is its name and `suffix`, the same on both servers."""

    def __init__(self, server: Running, suffix: str) -> None:
        self.server = server
        self._suffix = suffix
        self.access = Access(server)

    def play(self, story: Story) -> list[Any]:
        """What came out of each step, normalised."""
        namespace = f"{story.name}-{self._suffix}"
        if story.namespace:
            self.server.kubectl("create", "namespace", namespace)
        saved = {"ns": namespace}
        try:
            return [normal(self._take(step, saved), namespace) for step in story.steps]
        finally:
            if story.namespace:
                self.server.kubectl("delete", "namespace", namespace, "--wait=false", check=False)

    def _take(self, step: Step, saved: dict[str, str]) -> Any:
        deadline = time.monotonic() + WAIT_S
        while True:
            outcome, content = self._once(step, saved)
            if step.until is None or _holds(step, content) or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        for name, path in step.save.items():
            saved[name] = _found(content, path)
        return outcome

    def _once(self, step: Step, saved: Mapping[str, str]) -> tuple[Any, Any]:
        """What is compared, and the content that `save` and `until` look into."""
        if isinstance(step, Http):
            return self._request(step, saved)
        if isinstance(step, Kubectl):
            return self._kubectl(step, saved)
        if isinstance(step, Watch):
            events = self._watch(step, saved)
            return events, events
        assert isinstance(step, Client)
        try:
            answer = step.call(self.server.kubeconfig, saved["ns"])
        except Exception as error:  # what it raises is what is compared
            answer = {"raised": type(error).__name__, "text": str(error)}
        return answer, answer

    def _request(self, step: Http, saved: Mapping[str, str]) -> tuple[Any, Any]:
        connection = self.access.connection(60.0)
        body = _body(step.body, saved)
        headers = {**self.access.headers, **({"Content-Type": step.kind} if body is not None else {})}
        headers |= {name: str(_filled(value, saved)) for name, value in step.headers.items()}
        try:
            connection.request(step.method, _filled(step.path, saved), body=body, headers=headers)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            return {"broken": type(error).__name__}, None
        finally:
            connection.close()
        content = _decoded(data, answer.getheader("Content-Type") or "")
        told = {name: answer.headers.get_all(name) for name in COMPARED_HEADERS if name in answer.headers}
        return {"status": answer.status, "reason": answer.reason, "headers": told, "body": content}, content

    def _kubectl(self, step: Kubectl, saved: Mapping[str, str]) -> tuple[Any, Any]:
        arguments = [_filled(argument, saved) for argument in step.arguments]
        if not {"-n", "--namespace", "-A", "--all-namespaces"}.intersection(arguments):
            arguments = ["-n", saved["ns"], *arguments]
        stdin = step.stdin
        if isinstance(stdin, dict):
            stdin = orjson.dumps(stdin).decode()
        elif isinstance(stdin, list):
            stdin = "\n---\n".join(orjson.dumps(each).decode() for each in stdin)
        done = self.server.kubectl(
            *arguments, stdin=_filled(stdin, saved), check=False, environment=step.environment, timeout_s=60.0
        )
        outcome = {"exit": done.returncode, "stdout": _lines(done.stdout), "stderr": _lines(done.stderr)}
        content: Any = done.stdout
        if done.stdout.startswith("{"):
            with suppress(orjson.JSONDecodeError):
                content = outcome["stdout"] = orjson.loads(done.stdout)
        return outcome, content

    def _watch(self, step: Watch, saved: Mapping[str, str]) -> list[Any]:
        connection = self.access.connection(step.quiet_s)
        events: list[Any] = []
        try:
            connection.request("GET", _filled(step.path, saved), headers={**self.access.headers, **step.headers})
            answer = connection.getresponse()
            if answer.status != 200:
                return [{"status": answer.status, "body": _decoded(answer.read(), "application/json")}]
            while len(events) < step.count:
                line = answer.readline()
                if not line:
                    events.append("<end>")
                    break
                events.append(orjson.loads(line))
        except TimeoutError:
            pass
        finally:
            connection.close()
        return events


def _body(body: object, saved: Mapping[str, str]) -> bytes | None:
    if isinstance(body, dict | list):
        return orjson.dumps(_filled(body, saved))
    if isinstance(body, str):
        return str(_filled(body, saved)).encode()
    assert body is None or isinstance(body, bytes)
    return body


def _holds(step: Step, content: Any) -> bool:
    assert step.until is not None
    try:
        return bool(step.until(content))
    except (KeyError, IndexError, TypeError, AttributeError):
        return False


def _found(content: Any, path: str) -> str:
    for part in path.split("."):
        if isinstance(content, list):
            content = content[int(part)] if part.isdigit() and int(part) < len(content) else ""
        else:
            content = content.get(part, "") if isinstance(content, dict) else ""
    return str(content)


def _filled(value: Any, saved: Mapping[str, str]) -> Any:
    """With {ns} and what was saved in place of their marks."""
    if isinstance(value, dict):
        return {_filled(key, saved): _filled(inner, saved) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(inner, saved) for inner in value]
    if isinstance(value, str):
        for name, text in saved.items():
            value = value.replace("{" + name + "}", text)
    return value


def _decoded(data: bytes, kind: str) -> Any:
    if "json" in kind:
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(data)
    return data.decode(errors="backslashreplace")


def _lines(text: str) -> list[str]:
    """Columns are as wide as their ages and addresses, which differ by chance."""
    return [re.sub(r"(?<=\S) {3,}(?=\S)", "   ", line) for line in text.splitlines()]
