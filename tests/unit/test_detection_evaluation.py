# SPDX-License-Identifier: Apache-2.0
"""One small seed of all authors: detection must find thefts and leave owners alone.

The bounds are a floor below what is measured on many seeds (docs/detection.md)."""

from __future__ import annotations

import pytest

from twinguard.cli.detection_score import Sums, interval, scored
from twinguard.cli.evaluate_detection import AUTHORS, run
from twinguard.standins.traffic import Theft


@pytest.fixture(scope="module")
def results():
    ours, theirs = Sums(), Sums()
    for author, days in zip(AUTHORS, (8, 8, 5), strict=True):
        for sums, score in zip((ours, theirs), run(author, 31, days, 20, 1), strict=True):
            sums.add(score)
    return ours.figures(), theirs.figures()


def test_thefts_are_found_soon(results):
    ours, _ = results

    assert ours["core"].medium >= 0.9
    assert ours["core"].high >= 0.85
    assert ours["all"].high >= 0.8
    assert ours["all"].seconds_to_high <= 90
    assert ours["all"].served <= 0.15


def test_owners_are_left_alone_far_more_than_by_the_literal_rules(results):
    ours, theirs = results

    assert ours["false_high_key_days"] <= 0.01
    assert ours["false_key_days"] <= 0.04
    assert ours["false_critical_per_million"] <= 2
    assert theirs["false_high_key_days"] > 10 * ours["false_high_key_days"]


@pytest.mark.parametrize("make", AUTHORS.values(), ids=AUTHORS)
def test_the_same_seed_makes_the_same_traffic_in_time_order(make):
    one, other = (list(make(7, days=4, keys=12, rounds=1).events) for _ in range(2))

    assert one == other
    assert [event.at for event in one] == sorted(event.at for event in one)
    assert any(event.attack for event in one)


def test_a_theft_that_is_not_found_counts_as_all_served():
    theft = Theft("t", "drain", is_core=True, shape="service", key="k", times={"k": [10.0, 20.0]})
    nothing = scored([theft], [], 100, 10, 1, []).cases[0]
    late = scored([theft], [(15.0, "k", 2), (20.0, "k", 3)], 100, 10, 1, []).cases[0]

    assert (nothing.rank, nothing.served) == (0, 2)
    assert (late.rank, late.served, late.seconds) == (3, 1, 10.0)


def test_a_share_is_told_with_how_sure_it_is():
    low, high = interval(15, 16)

    assert (low, high) == pytest.approx((0.717, 0.989), abs=0.001)
    assert interval(0, 0) == (0.0, 1.0)
    assert interval(0, 4000)[1] < 0.001
