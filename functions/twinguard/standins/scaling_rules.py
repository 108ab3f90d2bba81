# SPDX-License-Identifier: Apache-2.0
"""What Cloud Run makes of a change to a service's scaling, with the traps of its two modes.

Zero stands for unset as on Google's wire, but for the manual count. `cloud_run.py` applies it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twinguard.standins.server import Refused

FIELDS = ("scalingMode", "minInstanceCount", "maxInstanceCount", "manualInstanceCount")
_LIMITS = ("minInstanceCount", "maxInstanceCount")


def invalid(message: str) -> Refused:
    """The answer to a request that can never be carried out."""
    return Refused(400, "INVALID_ARGUMENT", message)


def scaled(
    before: Mapping[str, Any], body: Mapping[str, Any], masked: Iterable[str]
) -> dict[str, Any]:
    """Service-level scaling after a PATCH of the masked fields, or `Refused`."""
    fields = tuple(masked)
    given = {
        name: body[name]
        for name in fields
        if body.get(name) or (name == "manualInstanceCount" and name in body)
    }
    after = {name: value for name, value in before.items() if name not in fields} | given
    if after.get("scalingMode") == "MANUAL":
        return _manual(after, before, given)
    after["scalingMode"] = "AUTOMATIC"
    return _automatic(after, before, given)


def ordered(limits: Mapping[str, Any], where: str, default: int) -> None:
    """Refuse negative limits and a minimum above the maximum; `default` is an unset maximum."""
    least = limits.get("minInstanceCount", 0)
    most = limits.get("maxInstanceCount", 0) or default
    if least < 0 or most < 0:
        raise invalid(f"{where}: instance counts must not be negative")
    if most and least > most:
        raise invalid(f"{where}: minInstanceCount {least} is above maxInstanceCount {most}")


def _manual(
    after: Mapping[str, Any], before: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Limits are unset by entering manual mode; a count that is not given is the old minimum."""
    if any(name in given for name in _LIMITS):
        raise invalid("minInstanceCount and maxInstanceCount mean nothing in MANUAL mode")
    count = after.get("manualInstanceCount", before.get("minInstanceCount", 0))
    if count < 0:
        raise invalid("manualInstanceCount must not be negative")
    return {"scalingMode": "MANUAL", "manualInstanceCount": count}


def _automatic(
    after: dict[str, Any], before: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Leaving manual mode takes both limits; without any, both become the manual count."""
    if "manualInstanceCount" in given:
        raise invalid("manualInstanceCount needs scalingMode MANUAL")
    if before.get("scalingMode") == "MANUAL":
        limits = [name for name in _LIMITS if name in given]
        if len(limits) == 1:
            raise invalid("leaving MANUAL needs both minInstanceCount and maxInstanceCount")
        if not limits:
            after |= dict.fromkeys(_LIMITS, before.get("manualInstanceCount", 0))
        after.pop("manualInstanceCount", None)
    ordered(after, "scaling", 0)
    return after
