"""Imports the files with functions, which puts all of them into the registry."""

from edged.kube.cel.library import (
    authorizers,
    conversions,
    formats,
    formatting,
    lists,
    networks,
    operators,
    optionals,
    quantities,
    regexes,
    semvers,
    strings,
    times,
    urls,
)  # fmt: skip

__all__ = [
    "authorizers", "conversions", "formats", "formatting", "lists", "networks", "operators", "optionals", "quantities",
    "regexes", "semvers", "strings", "times", "urls",
]  # fmt: skip
