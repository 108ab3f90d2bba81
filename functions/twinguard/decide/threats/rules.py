# SPDX-License-Identifier: Apache-2.0
"""The numbers of theft detection, with what each is for.

One value, so that a policy can hold it."""

from __future__ import annotations

from msgspec import Struct


class Rules(Struct, frozen=True, kw_only=True):
    """What it takes to be found. Bits are base-2 logarithms, times are seconds, hours or days.

    Levels: `low` to `critical` are the bits that all detectors together must reach, and
    `requests` what must have come from strange sources before a level is said at all."""

    low: float = 10.0
    medium: float = 11.5
    high: float = 14.5
    critical: float = 24.0
    requests: tuple[int, int, int, int] = (2, 2, 3, 6)

    by_hand: float = 4.0
    """Who tries a key by hand asks a few times: HIGH and CRITICAL take so many times as many
    requests where no more than a new source and program in the usual country speaks for a thief."""

    young_hours: float = 48.0
    young_bits: float = 3.0
    young_requests: float = 8.0
    """A key's first day shows most of what will be usual: at first it takes so many bits more and
    so many times as many requests more, less and less until it is no longer young."""

    old_share: float = 0.5
    """So much of that for a key that was made long before it was first seen."""

    # --- trust and learning ---------------------------------------------------------------------
    trusted_days: int = 4
    founding_hours: int = 72
    forgotten_days: int = 45
    memory_hours: float = 200.0

    # --- episodes of strange use ----------------------------------------------------------------
    quiet_seconds: float = 6 * 3600.0
    longest_seconds: float = 72 * 3600.0
    again_seconds: float = 3600.0
    active_seconds: float = 900.0

    # --- volume ---------------------------------------------------------------------------------
    default_per_minute: int = 100
    factor: float = 4.0
    least_per_minute: float = 30.0
    spike: float = 10.0

    # --- bounds ---------------------------------------------------------------------------------
    late_seconds: float = 5.0
    source_bits: float = 12.0
    keys: int = 200_000
    strangers: int = 128
    cached: int = 200_000

    # --- keys that nothing was served to yet ------------------------------------------------------
    newcomers: int = 5_000
    brief_seconds: float = 120.0
    begin_per_hour: int = 100
    """So many are remembered, for so long; so many keys may begin from one address."""


RULES = Rules()
