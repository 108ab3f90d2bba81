# SPDX-License-Identifier: Apache-2.0
"""A group is judged by its own dear days: by how often they come and how much they differ."""

from __future__ import annotations

import pytest

from twinguard.decide.tails import Past, usual_limit

CALM = [1.0, 1.1, 0.9, 1.05, 0.95]


def past(*dear: float, days: int = 100) -> Past:
    """Days without order, dear ones evenly among them."""
    times = [CALM[n % len(CALM)] for n in range(days)]
    for at, value in enumerate(dear):
        times[at * days // len(dear)] = value
    return Past(times, [value > 2 for value in times])


def test_two_dear_days_are_no_precedent():
    assert usual_limit(past(5, 5), run=1) < 2


def test_what_was_as_dear_before_is_usual_and_twice_of_it_is_not():
    assert 5.5 < usual_limit(past(5, 5, 5, 5, 5), run=1) < 10


def test_dear_days_that_differ_more_allow_more():
    alike, unlike = past(5, 5, 5, 5, 5, 5), past(3, 4, 5, 5, 6, 7)

    assert usual_limit(unlike, run=1) > usual_limit(alike, run=1)


def test_dear_days_that_come_more_often_allow_more():
    assert usual_limit(past(*[5] * 12), run=1) > usual_limit(past(*[5] * 4), run=1)


@pytest.mark.parametrize(("run", "is_usual"), [(1, True), (3, True), (4, False), (30, False)])
def test_a_row_of_dear_days_that_was_never_seen_is_news(run, is_usual):
    assert (usual_limit(past(5, 5, 5, 5), run) > 5) is is_usual


def test_a_row_that_was_seen_before_is_not():
    times = [*CALM * 4, 5.0, 5.0, 5.0, 5.0, *CALM * 4]

    assert usual_limit(Past(times, [value > 2 for value in times]), run=5) > 5


def test_days_without_any_order_allow_what_days_without_order_do():
    times = [0.3, 3.0, 0.5, 2.0, 1.0, 0.7, 1.5] * 8

    assert usual_limit(Past(times, [False] * len(times)), run=1) > 10
