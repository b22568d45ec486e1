"""What `edged policy scaffold` says of match conditions that a module carries: they stand in nothing that it prints.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from edged.admission.rules.module_conditions import conditions_of, own_names

if TYPE_CHECKING:
    from edged.abi.metadata import Metadata


def tell(metadata: Metadata, otherwise: str) -> None:
    """On stderr. `otherwise`: what leaves the conditions out."""
    found = conditions_of(metadata.annotations)
    for each in own_names(found.conditions):
        print(f"edged: note: the module is asked only where its condition {each['name']} holds: {each['expression']}; "
              f"{otherwise} leaves it out", file=sys.stderr)
    if found.problem:
        print(f"edged: note: the policy is asked about everything: {found.problem}", file=sys.stderr)
