# SPDX-License-Identifier: Apache-2.0
"""A whole number in parts by weight that add up to it exactly. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def parted(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """The parts, as close to the weights as whole numbers allow: the largest remainders go first.

    Without any weight the parts are alike."""
    if not weights:
        return ()
    counted = weights if any(weights) else [1] * len(weights)
    whole = sum(counted)
    parts = [total * weight // whole for weight in counted]
    order = sorted(range(len(counted)), key=lambda at: (-(total * counted[at] % whole), at))
    for at in order[: total - sum(parts)]:
        parts[at] += 1
    return tuple(parts)
