"""Words of kwctl that edged does not have, and what to do instead: for error messages.

People have kwctl's command lines in scripts. What works under the same name is declared by the commands themselves;
docs/policy-tools.md, "Coming from kwctl", has the whole table. Called by cli/policy and cli/modules.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Hints = Mapping[str, str]

_UNVERIFIED = "this release does not verify signatures (docs/registries.md); verify with cosign and name the digest"
SIGNATURES: Final[Hints] = dict.fromkeys(
    (
        "--verification-config-path", "--verification-key", "-k", "--verification-annotation", "-a", "--cert-email",
        "--cert-oidc-issuer", "--github-owner", "--github-repo", "--sigstore-trust-config",
    ),
    _UNVERIFIED,
)  # fmt: skip
RUN: Final[Hints] = {
    **SIGNATURES,
    "--disable-wasmtime-cache": "--cache-dir names another folder for compiled modules",
}
BENCH: Final[Hints] = {
    **RUN,
    "--num-resamples": "the times are printed as they were measured; --num-samples says how many there are at least",
    "--dump-results-to-disk": "-o json prints the results; redirect them to a file",
    "--record-host-capabilities-interactions": "`edged policy run` records, bench replays",
}
INSPECT: Final[Hints] = {"--show-signatures": _UNVERIFIED}
REQUEST: Final[Hints] = {"-o": "-o is the format; the operation is --operation"}
ARTIFACTHUB: Final[Hints] = {"-o": "-o is the format; redirect the output to a file"}
COMMANDS: Final[Hints] = {
    "policies": "`edged policy list` lists the local store",
    "verify": _UNVERIFIED,
    "completions": "`edged completion SHELL` prints them",
    "docs": "`edged man` writes manual pages",
    "-v": "what policies write is always shown; leave it out",
    "--verbose": "what policies write is always shown; leave it out",
    "--no-color": "there are no colours in a pipe, and none with NO_COLOR=1",
}
