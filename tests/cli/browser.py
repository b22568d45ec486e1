"""A headless Chromium for tests, spoken to by WebDriver: load a file, run a script, click, look.

Only what the tests of pages need; no library, since the protocol is JSON over HTTP.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1500,900",
    "--force-device-scale-factor=1",
)  # fmt: skip


def require() -> None:
    """Skips where there is no Chromium with its driver; fails in CI, which installs them."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        said = f"{' and '.join(missing)} not installed (Debian: apt-get install chromium chromium-driver)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(said)


class Browser:
    """One window. `base` is the session's URL at the driver."""

    def __init__(self, base: str) -> None:
        self._base = base

    def _ask(self, method: str, path: str, **body: Any) -> Any:
        return _ask(method, f"{self._base}{path}", body if method == "POST" else None)

    def open(self, path: Path) -> None:
        self._ask("POST", "/url", url=path.resolve().as_uri())

    def resize(self, width: int, height: int) -> None:
        """Of the window, also below the width that a window of a desktop has at least."""
        self._ask("POST", "/window/rect", width=width, height=height)

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a script's `return`."""
        return self._ask("POST", "/execute/sync", script=script, args=list(arguments))

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def click(self, x: float, y: float) -> None:
        """A real click at a place of the window."""
        moves = [{"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0}]
        moves += [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        self._ask("POST", "/actions", actions=[{"type": "pointer", "id": "mouse", "actions": moves}])

    def keys(self, text: str) -> None:
        """Typed into whatever has the focus."""
        strokes = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", actions=[{"type": "key", "id": "keys", "actions": strokes}])

    def problems(self) -> list[str]:
        """What the console has of errors and warnings since the last time."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", type="browser")]

    def screenshot(self, path: Path) -> bytes:
        data = base64.b64decode(self._ask("GET", "/screenshot"))
        path.write_bytes(data)
        return data


def _ask(method: str, url: str, body: Any) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {url}: {error.read().decode()[:500]}") from error


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """A browser of its own, with an empty profile. Skips or fails where there is none."""
    require()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            base = f"http://127.0.0.1:{_port(driver)}/session"
            options = {
                "args": [*ARGUMENTS, *arguments, f"--user-data-dir={profile}"],
                "binary": shutil.which("chromium"),
            }
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            session = _ask("POST", base, {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
            try:
                yield Browser(f"{base}/{session}")
            finally:
                _ask("DELETE", f"{base}/{session}", None)
        finally:
            driver.terminate()
            driver.wait()
            assert driver.stdout is not None
            driver.stdout.close()


def _port(driver: subprocess.Popen[str]) -> int:
    assert driver.stdout is not None
    for line in driver.stdout:
        if "started successfully on port" in line:
            return int(line.rstrip().rstrip(".").rpartition(" ")[2])
    raise AssertionError("chromedriver ended before it listened")
