# SPDX-License-Identifier: Apache-2.0
"""Say how dear a day of a group may be before it is news, by how dear its days are now and then.

Pure, in floats. A group whose batches make one day in ten five times as dear is judged by those:
by how often they come and how much they differ, not by its calm days."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from statistics import NormalDist, fmean, stdev

from msgspec import Struct

from twinguard.decide import robust

PRECEDENTS = 3
"""What happened on so many days is no surprise on the next one."""

RARE = 1 / 700
"""A dear day is news where so many days or fewer would be as dear: one in two years."""

ALIKE = 0.12
"""Dear days differ by no less than this share of them, however alike the known ones are."""

WILD = 3.5
"""Robust standard deviations, in logarithms, that days of a wild group stay within."""

LASTING = 4
"""So many dear days in a row are more than a batch, where there were never as many before."""

_LEAST = 0.1
_NORMAL = NormalDist()


class Past(Struct, frozen=True):
    """The past days of a group as multiples of their level, and which of them were dear."""

    times: Sequence[float]
    is_dear: Sequence[bool]

    def longest(self, days: int) -> int:
        """The most dear days in a row among the first ones."""
        runs = (len(list(run)) for dear, run in groupby(self.is_dear[:days]) if dear)
        return max(runs, default=0)


def usual_limit(past: Past, run: int) -> float:
    """Up to how many times its level a day is usual; 0 where the past says nothing.

    `run` is how many days in a row have been dear with the one that is judged."""
    logs = [math.log(max(_LEAST, times)) for times in past.times]
    limit = math.exp(WILD * robust.spread(logs))
    dear = [one for one, is_dear in zip(past.times, past.is_dear, strict=True) if is_dear]
    earlier = past.longest(len(logs) - run + 1)
    if len(dear) < PRECEDENTS or run >= max(LASTING, earlier + 2):
        return limit
    often = len(dear) / len(logs)
    scores = _NORMAL.inv_cdf(1 - min(0.5, RARE / often))
    middle = fmean(dear)
    width = max(ALIKE * middle, stdev(dear)) * (1 + 1 / len(dear))
    return max(limit, middle + scores * width)
