# SPDX-License-Identifier: Apache-2.0
"""Make msgspec ready for the types a module reads, while only one thread runs.

msgspec 0.22 works a type out at its first use, and the process crashes where two threads do that at
once: a function's first two requests. Every module that reads values calls this when loaded."""

from __future__ import annotations

import msgspec


def ready(*types: object) -> None:
    """Work these types out now."""
    for kind in types:
        msgspec.json.Decoder(kind)
