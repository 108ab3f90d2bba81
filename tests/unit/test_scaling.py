# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from twinguard.act.cloud_run import mask
from twinguard.decide.model import Mode, Push, Scaling, Strength
from twinguard.decide.scaling import lowered, pausable, steps
from twinguard.standins.scaling_rules import ordered, scaled
from twinguard.standins.server import Refused

COUNTS = st.integers(0, 4)
ENDPOINT = Push('{"pushEndpoint":"https://a.example/push"}')
EXPORT = Push('{"bigqueryConfig":{"table":"p.d.t"}}')
WIRE = {
    "scaling.scaling_mode": "scalingMode",
    "scaling.min_instance_count": "minInstanceCount",
    "scaling.max_instance_count": "maxInstanceCount",
    "scaling.manual_instance_count": "manualInstanceCount",
}


@st.composite
def scalings(draw):
    revision_maximum = draw(st.sampled_from([0, 0, 4, 120]))
    revision_minimum = draw(st.integers(0, min(4, revision_maximum or 4)))
    if draw(st.booleans()):
        return Scaling(Mode.MANUAL, 0, 0, draw(COUNTS), revision_minimum, revision_maximum)
    maximum = draw(st.sampled_from([0, 0, 1, 4, 300]))
    minimum = draw(st.integers(0, min(4, maximum or 4)))
    return Scaling(Mode.AUTOMATIC, minimum, maximum, 0, revision_minimum, revision_maximum)


def wire(value):
    body = {"scalingMode": value.mode.name}
    if value.mode is Mode.MANUAL:
        return body | {"manualInstanceCount": value.count}
    limits = {"minInstanceCount": value.minimum, "maxInstanceCount": value.maximum}
    return body | {name: count for name, count in limits.items() if count}


def patched(before, after):
    """What Cloud Run makes of the PATCH that the adapter sends for this step."""
    revision = {
        "minInstanceCount": after.revision_minimum,
        "maxInstanceCount": after.revision_maximum,
    }
    ordered(revision, "template.scaling", 100)
    fields = [WIRE[path] for path in mask(before, after) if path in WIRE]
    return scaled(wire(before), wire(after), fields) if fields else wire(before)


@given(scalings(), scalings())
def test_every_step_between_two_scalings_is_one_legal_change_and_does_what_it_says(live, wanted):
    way = steps(live, wanted)

    at = live
    for step in way:
        assert patched(at, step) == wire(step)
        at = step
    assert at == wanted
    assert len(way) <= 3


@given(scalings(), scalings())
def test_no_step_is_tighter_than_where_it_comes_from_and_where_it_leads_to(live, wanted):
    ceiling = min(_ceiling(live), _ceiling(wanted))

    assert all(_ceiling(step) >= ceiling for step in steps(live, wanted))


def _ceiling(value):
    if value.mode is Mode.MANUAL:
        return value.count
    revision = value.revision_maximum or 100
    return min(value.maximum, revision) if value.maximum else revision


@given(scalings())
def test_a_scaling_that_is_already_as_wanted_takes_no_steps(value):
    assert steps(value, value) == ()


@given(scalings(), st.sampled_from(Strength))
def test_lowering_what_is_lowered_already_changes_nothing(before, strength):
    once = lowered(before, strength)

    assert lowered(once, strength) == once


@given(scalings(), st.sampled_from(Strength))
def test_every_hold_can_be_taken_and_undone(before, strength):
    held = lowered(before, strength)

    assert (before, *steps(before, held))[-1] == held
    assert (held, *steps(held, before))[-1] == before


@given(scalings())
def test_an_idle_service_keeps_no_instances_and_still_answers_if_it_did_before(before):
    idle = lowered(before, Strength.IDLE)

    if before.mode is Mode.MANUAL and before.count == 0:
        assert idle == before
    else:
        maximum = before.count if before.mode is Mode.MANUAL else before.maximum
        assert idle == Scaling(
            Mode.AUTOMATIC, 0, maximum, 0, 0, revision_maximum=before.revision_maximum
        )


@given(scalings())
def test_a_stopped_service_is_manual_at_zero_on_both_levels(before):
    assert lowered(before, Strength.STOP) == Scaling(
        Mode.MANUAL, 0, 0, 0, 0, before.revision_maximum
    )


def test_restoring_a_minimum_without_a_maximum_goes_through_a_maximum_that_does_not_throttle():
    stopped, before = Scaling(Mode.MANUAL), Scaling(minimum=2)

    assert steps(stopped, before) == (Scaling(minimum=2, maximum=100), before)


def test_restoring_unset_limits_goes_through_one_instance_and_the_revision_maximum():
    before = Scaling(revision_maximum=7)
    stopped = lowered(before, Strength.STOP)

    assert steps(stopped, before) == (replace(before, minimum=1, maximum=7), before)


def test_a_minimum_above_the_revision_maximum_is_never_capped_below_itself():
    before = Scaling(minimum=5, revision_maximum=3)
    stopped = lowered(before, Strength.STOP)

    assert steps(stopped, before) == (replace(before, maximum=5), before)


def test_both_limits_given_restore_in_one_change():
    before = Scaling(minimum=1, maximum=3)

    assert steps(Scaling(Mode.MANUAL), before) == (before,)


def test_flipping_the_mode_alone_pins_the_service_to_the_manual_count():
    stopped = {"scalingMode": "MANUAL", "manualInstanceCount": 3}

    assert scaled(stopped, {"scalingMode": "AUTOMATIC"}, ["scalingMode"]) == {
        "scalingMode": "AUTOMATIC",
        "minInstanceCount": 3,
        "maxInstanceCount": 3,
    }


@pytest.mark.parametrize("limit", ["minInstanceCount", "maxInstanceCount"])
def test_leaving_manual_mode_with_one_limit_is_refused(limit):
    stopped = {"scalingMode": "MANUAL", "manualInstanceCount": 3}
    body = {"scalingMode": "AUTOMATIC", limit: 2}

    with pytest.raises(Refused, match="needs both"):
        scaled(stopped, body, list(body))


def test_entering_manual_mode_unsets_the_limits_and_inherits_the_minimum():
    before = {"scalingMode": "AUTOMATIC", "minInstanceCount": 2, "maxInstanceCount": 9}

    assert scaled(before, {"scalingMode": "MANUAL"}, ["scalingMode"]) == {
        "scalingMode": "MANUAL",
        "manualInstanceCount": 2,
    }


def test_a_push_subscription_is_lowered_by_emptying_its_configuration():
    assert lowered(ENDPOINT, Strength.IDLE) == lowered(ENDPOINT, Strength.STOP) == Push()


@pytest.mark.parametrize("value", [Push(), EXPORT, Scaling()])
def test_only_a_subscription_that_pushes_can_be_paused(value):
    assert (pausable(ENDPOINT), pausable(value)) == (True, False)


def test_an_export_subscription_is_never_lowered():
    assert lowered(EXPORT, Strength.STOP) == EXPORT


def test_a_push_configuration_is_put_back_in_one_change():
    assert steps(Push(), ENDPOINT) == (ENDPOINT,)


def test_a_service_never_becomes_a_subscription():
    with pytest.raises(TypeError, match="different kinds"):
        steps(Scaling(), Push())
