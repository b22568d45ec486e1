"""Writes edged/sandbox/kinds/discovery.json from the discovery documents in the Go module of Kubernetes: see README.md.

    python -m tests.sandbox.kinds.discovery FOLDER > edged/sandbox/kinds/discovery.json
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson

# Served by default: stable versions.
_VERSIONS = ("v1", "v2")


def main() -> None:
    folder = Path(sys.argv[1])
    ordered = [item["metadata"]["name"] for item in _read(folder / "aggregated_v2.json")["items"]]
    lists: dict[str, Any] = {}
    for path in sorted(folder.glob("api*__v*.json")):
        document = _read(path)
        if document["groupVersion"].rpartition("/")[2] in _VERSIONS:
            lists[document["groupVersion"]] = document["resources"]
    groups = [group for group in ordered if any(name.startswith(f"{group}/") for name in lists)]
    lines = [f'"groups":{_text(groups)}']
    for name, resources in lists.items():
        entries = ",\n".join(_text(entry) for entry in resources)
        lines.append(f'"{name}":[\n{entries}\n]')
    print("{\n" + ",\n".join(lines) + "\n}")


def _read(path: Path) -> Any:
    return orjson.loads(path.read_bytes())


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


if __name__ == "__main__":
    main()
