# SPDX-License-Identifier: Apache-2.0
"""Lift what holds a key back from where a person sits: here, or by asking `on_usage` to.

That function reaches the private network where the counters are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from twinguard.theft_flow import TheftFlow
from twinguard.usage import LIFT, Lift


class Lifting(Struct, frozen=True):
    """The way to lift. `topic` is where `on_usage` listens, empty where the counters are near."""

    flow: TheftFlow
    topic: str

    def lift(self, key_id: str, by: str, why: str, now: dt.datetime, *, is_owner: bool) -> str:
        """Lift it, or have it lifted; in words, what came of it."""
        if not self.topic:
            return self.flow.lift(key_id, by, why, now, is_owner=is_owner)
        asked = Lift(key_id=key_id, by=by, why=why, is_owner=is_owner)
        publisher = self.flow.ports.publisher
        publisher.publish(self.topic, msgspec.json.encode(asked), {"task": LIFT})
        return f"on_usage is asked to lift {key_id}, which takes seconds"


class Nobody:
    """Stands in for the topic of alerts where there is none."""

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> str:  # noqa: ARG002
        """Nothing comes of it."""
        return ""
