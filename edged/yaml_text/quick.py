"""JSON that stands where YAML is read. It is YAML, too, and is read much faster as JSON; some JSON means something else
or is refused as YAML, and is left to the reader of YAML. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from edged import json_text
from edged.json_text import JsonError

NOT_QUICK: Final = object()
_BEGIN: Final = re.compile(rb"[ \r\n]*\{")
_READ_OTHERWISE: Final = re.compile(
    rb"\\/|\\u[dD]"  # escapes that are refused
    rb"|\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]|\xef\xbb\xbf|\xef\xbf[\xbe\xbf]"  # refused, or a line break
    rb"|[\s:,\[](?:-0|-?[0-9]+[.eE]|-?[0-9]{19})"  # numbers: 1.0 is a whole number, 1e999 is text
    rb"|[\r\n][ \t]*:"  # a key ends in its line
    rb"|(?<!\\)\"(?:[^\"\\]|\\.){1000,}+\"\s*:"  # and after 1,024 bytes at most
)
"""No alternative looks at a byte more than a few times: texts of strangers are searched. So none begins at a quote in
a string, and no two repetitions that share bytes meet."""


def as_json(content: bytes) -> Any:
    """The value of an object in JSON; NOT_QUICK for everything else, and where YAML may be read in another way."""
    if _BEGIN.match(content) is None or _READ_OTHERWISE.search(content) is not None:
        return NOT_QUICK
    try:
        return json_text.loads(content, most=len(content))
    except JsonError:
        return NOT_QUICK
