# SPDX-License-Identifier: Apache-2.0
"""What every block of a policy is made of. The blocks are in `policy.py` and `provisions.py`."""

from __future__ import annotations

from msgspec import Struct


class Block(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A block of the policy: immutable, named fields only, unknown keys refused."""


def refuse(condition: bool, message: str) -> None:
    """Refuse a block with this message where the condition holds."""
    if condition:
        raise ValueError(message)
