# SPDX-License-Identifier: Apache-2.0
"""Know what a held resource looks like, and by which legal single changes to get there and back.

Pure. The rules are those of Cloud Run's scaling modes; `act/cloud_run.py` makes the changes."""

from __future__ import annotations

import json

from msgspec.structs import replace

from twinguard.decide.model import Mode, Push, Scaling, Strength, Value

REVISION_DEFAULT = 100
"""What Cloud Run takes for a revision whose maximum is unset."""


def pausable(value: Value) -> bool:
    """True for a subscription that pushes; false while paused, for pull, and for exports."""
    return (
        isinstance(value, Push)
        and bool(value.config)
        and "pushEndpoint" in json.loads(value.config)
    )


def lowered(before: Value, strength: Strength) -> Value:
    """What a resource looks like while it is held."""
    if isinstance(before, Push):
        return Push() if pausable(before) else before
    if strength is Strength.STOP:
        return Scaling(Mode.MANUAL, revision_maximum=before.revision_maximum)
    if before.mode is Mode.AUTOMATIC:
        return replace(before, minimum=0, revision_minimum=0)
    if before.count == 0:
        return before
    return Scaling(maximum=before.count, revision_maximum=before.revision_maximum)


def steps(live: Value, wanted: Value) -> tuple[Value, ...]:
    """The values to write one after the other, each one legal change, ending in `wanted`.

    Leaving manual mode takes a minimum and a maximum in the same change: without them both would
    become the manual count, and one alone is refused. Zero cannot be told from unset, so a wanted
    zero is written in a second change."""
    if live == wanted:
        return ()
    if not isinstance(live, Scaling) or not isinstance(wanted, Scaling):
        if type(live) is not type(wanted):
            raise TypeError(f"{live!r} can never become {wanted!r}: they are different kinds")
        return (wanted,)
    if live.mode is wanted.mode or wanted.mode is Mode.MANUAL:
        return (wanted,)
    if wanted.minimum and wanted.maximum:
        return (wanted,)
    return (_both_limits(wanted), wanted)


def _both_limits(wanted: Scaling) -> Scaling:
    """The wanted scaling with stand-ins for limits that are zero, no tighter than without them."""
    minimum = wanted.minimum or 1
    maximum = wanted.maximum or max(minimum, wanted.revision_maximum or REVISION_DEFAULT)
    return replace(wanted, minimum=minimum, maximum=maximum)
