"""Writes Kubewarden's metadata into a compiled policy: the custom section `io.kubewarden.metadata`.

Holds the section format only; build.py calls it after compiling. As a command:
    python modules/annotate.py POLICY.wasm METADATA.json OUTPUT.wasm
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"\0asm\x01\0\0\0"
SECTION_NAME = b"io.kubewarden.metadata"
CUSTOM = 0


class NotAModule(ValueError):
    """The bytes are no core Wasm module."""


def annotate(module: bytes, metadata: bytes) -> bytes:
    """`module` with `metadata` (JSON text) as its only metadata section, placed at the end.

    Custom sections may stand anywhere and change nothing about how a module runs.
    """
    json.loads(metadata)
    kept = [whole for whole, section, content in sections(module) if not _is_metadata(section, content)]
    content = unsigned_leb128(len(SECTION_NAME)) + SECTION_NAME + metadata
    return MAGIC + b"".join(kept) + bytes([CUSTOM]) + unsigned_leb128(len(content)) + content


def sections(module: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """(the section with its header, its id, its content) in order."""
    if not module.startswith(MAGIC):
        raise NotAModule("this is not a core Wasm module: it does not begin with \\0asm and version 1")
    at = len(MAGIC)
    while at < len(module):
        size, body = _read_leb128(module, at + 1)
        if body + size > len(module):
            raise NotAModule(f"the section at byte {at} reaches beyond the end of the module")
        yield module[at : body + size], module[at], module[body : body + size]
        at = body + size


def unsigned_leb128(value: int) -> bytes:
    """`value` as Wasm writes its sizes: seven bits a byte, the lowest first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_leb128(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise NotAModule("a section size is cut off")


def _is_metadata(section: int, content: bytes) -> bool:
    if section != CUSTOM:
        return False
    length, start = _read_leb128(content, 0)
    return content[start : start + length] == SECTION_NAME


def main(policy: str, metadata: str, output: str) -> None:
    Path(output).write_bytes(annotate(Path(policy).read_bytes(), Path(metadata).read_bytes()))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
