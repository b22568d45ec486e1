"""Error families. Who is at fault decides what happens next (ARCHITECTURE.md, "Errors").

A denial is a verdict, not an error, and has no class here. Finer types live beside the code that raises them.
"""

from __future__ import annotations


class EdgedError(Exception):
    """Base of every error that edged raises on purpose; `str()` is fit for a user."""


class ConfigError(EdgedError):
    """The operator's to fix: configuration, files on disk, command-line arguments. Exit code 2."""


class GuestError(EdgedError):
    """A WebAssembly module misbehaved: trap, budget, bad reply, bad module. Costs that module's own verdict."""


class PeerError(EdgedError):
    """Another program misbehaved or is away: API server, registry, webhook client. Back off, or answer 4xx."""
