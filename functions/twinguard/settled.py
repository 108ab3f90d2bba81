# SPDX-License-Identifier: Apache-2.0
"""Take what a server has loaded out of garbage collection: looking through it holds requests up."""

from __future__ import annotations

import atexit
import gc


def settled() -> None:
    """Called once, when everything that stays is there. At its end the process lets it go."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)
