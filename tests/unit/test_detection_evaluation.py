# SPDX-License-Identifier: Apache-2.0
"""One small seed of the evaluation: detection must find thefts and leave owners alone.

The bounds are far from what is measured (docs/detection.md), so that only breakage trips them."""

from __future__ import annotations

import pytest

from twinguard.cli.detection_score import Sums, scored
from twinguard.cli.evaluate_detection import run
from twinguard.standins.traffic import Theft, traffic


@pytest.fixture(scope="module")
def results():
    ours, theirs = Sums(), Sums()
    for sums, score in zip((ours, theirs), run(31, 8, 36, 1), strict=True):
        sums.add(score)
    return ours.figures(), theirs.figures()


def test_most_thefts_are_found(results):
    ours, _ = results

    assert ours["core"].medium >= 0.7
    assert ours["all"].high >= 0.6
    assert ours["all"].seconds_to_high < 900


def test_owners_are_left_alone_far_more_than_by_the_literal_rules(results):
    ours, theirs = results

    assert ours["false_high_key_days"] <= 0.03
    assert ours["false_key_days"] <= 0.1
    assert theirs["false_high_key_days"] > 5 * ours["false_high_key_days"]


def test_the_same_seed_makes_the_same_traffic_in_time_order():
    one, other = (list(traffic(7, days=5, keys=18, rounds=1).events) for _ in range(2))

    assert one == other
    assert [event.at for event in one] == sorted(event.at for event in one)
    assert any(event.attack for event in one)


def test_a_theft_that_is_not_found_counts_as_all_served():
    theft = Theft("t", "drain", is_core=True, shape="service", key="k", times={"k": [10.0, 20.0]})
    nothing = scored([theft], [], 100, 10, 1, []).cases[0]
    late = scored([theft], [(15.0, "k", 2), (20.0, "k", 3)], 100, 10, 1, []).cases[0]

    assert (nothing.rank, nothing.served) == (0, 2)
    assert (late.rank, late.served, late.seconds) == (3, 1, 10.0)
