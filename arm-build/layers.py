"""Files of an image in memory, and their way into an OCI image layout; same files, same digests.

An image's root is a dict from path ("usr/bin/edged") to `Entry`. Owners, modes and times are what is written
here, so nothing has to be unpacked as root. Used by build.py.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

EPOCH = 1735689600
"""The time of every file: 2025-01-01. Builds must not differ by when they ran."""

NAME = "localhost/edged"
"""The image's name where it is imported: of no registry, so that nobody tries to pull it."""

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file (`data`), a symbolic link (`target`) or, with neither, a directory."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    data: bytes | None = None
    target: str | None = None


Root = dict[str, Entry]


def add_parents(root: Root) -> None:
    """Directories on the way to every entry."""
    for path in list(root):
        for parent in list(Path(path).parents)[:-1]:
            root.setdefault(str(parent), Entry())


def owned(root: Root, path: str, mode: int, uid: int) -> None:
    """An empty directory of `uid`'s."""
    root[path] = replace(Entry(), mode=mode, uid=uid, gid=uid)


def layer_tar(root: Mapping[str, Entry]) -> bytes:
    """The uncompressed layer."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(root):
            entry = root[path]
            info = tarfile.TarInfo(path)
            info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.uid, entry.gid, EPOCH
            if entry.target is not None:
                info.type, info.linkname = tarfile.SYMTYPE, entry.target
            elif entry.data is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(entry.data)
            tar.addfile(info, io.BytesIO(entry.data) if entry.data is not None else None)
    return out.getvalue()


def write_layout(
    out: Path,
    layers: list[tuple[str, Mapping[str, Entry]]],
    config: dict[str, Any],
    annotations: dict[str, str],
) -> str:
    """An OCI image layout in the folder `out`; gives back the manifest's digest. `layers`: (created by,
    files)."""
    blobs = out / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    descriptors, diff_ids, history = [], [], []
    for created_by, root in layers:
        tar = layer_tar(root)
        diff_ids.append(f"sha256:{hashlib.sha256(tar).hexdigest()}")
        history.append({"created": "2025-01-01T00:00:00Z", "created_by": created_by})
        descriptors.append(_blob(blobs, _LAYER, gzip.compress(tar, compresslevel=9, mtime=0)))
    platform = {"architecture": "arm64", "os": "linux", "variant": "v8"}
    image = platform | {
        "created": "2025-01-01T00:00:00Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": history,
    }
    config_blob = _blob(blobs, _CONFIG, _json(image))
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": config_blob,
        "layers": descriptors,
        "annotations": annotations,
    }
    manifest_blob = _blob(blobs, _MANIFEST, _json(manifest)) | {"platform": platform}
    version = annotations["org.opencontainers.image.version"]
    # containerd takes its own annotation for the whole name. Without it an imported image has a name made of the day.
    names = {"org.opencontainers.image.ref.name": version, "io.containerd.image.name": f"{NAME}:{version}"}
    index = {"schemaVersion": 2, "manifests": [manifest_blob | {"annotations": names}]}
    (out / "index.json").write_bytes(_json(index))
    (out / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    return str(manifest_blob["digest"])


def _blob(folder: Path, media_type: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    (folder / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
