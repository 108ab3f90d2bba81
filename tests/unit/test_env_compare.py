# SPDX-License-Identifier: Apache-2.0
"""Names are compared so that every difference is told once, whatever the file looks like."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twinguard.env_files.compare import of_names

NAMES = st.lists(st.sampled_from([f"NAME_{letter}" for letter in "ABCDEFGH"]), unique=True)


def told(expected, found, what):
    return {each.name for each in of_names(expected, found) if each.what.startswith(what)}


@given(NAMES, NAMES)
def test_what_is_missing_and_what_is_too_much_is_told(expected, found):
    assert told(expected, found, "missing") == set(expected) - set(found)
    assert told(expected, found, "not in the policy") == set(found) - set(expected)


@given(NAMES, NAMES)
def test_the_order_is_told_just_where_it_differs(expected, found):
    ours = [name for name in expected if name in found]
    theirs = [name for name in found if name in expected]

    moved = told(expected, found, "out of order")

    assert bool(moved) == (ours != theirs)
    assert [n for n in ours if n not in moved] == [n for n in theirs if n not in moved]


@given(NAMES)
def test_the_same_names_in_the_same_order_are_no_difference(names):
    assert list(of_names(names, names)) == []


def test_the_place_that_a_variable_belongs_to_is_told():
    found = [(each.name, each.what) for each in of_names(["A", "B", "C"], ["B", "C", "A"])]

    assert found == [("A", "out of order; it belongs at the top")]
