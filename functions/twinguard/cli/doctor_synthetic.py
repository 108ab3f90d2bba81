# SPDX-License-Identifier: Apache-2.0
"""Which budget messages were the doctor's own: none of them shows that Google still sends any."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import cast

from twinguard.ports import Records

_KIND, _ID = "doctor", "budget"
_KEPT = dt.timedelta(days=3)


def sent(records: Records) -> tuple[dt.datetime, ...]:
    """When the doctor sent one, as far as that still matters."""
    stored = records.get(_KIND, _ID)
    times = cast("Sequence[str]", stored.value["sent"]) if stored is not None else ()
    return tuple(dt.datetime.fromisoformat(each) for each in times)


def remember(records: Records, now: dt.datetime) -> None:
    """Put on record that one is sent now."""
    stored = records.get(_KIND, _ID)
    kept = [each for each in sent(records) if now - each < _KEPT]
    value = {"sent": [each.isoformat() for each in (*kept, now)]}
    records.put(_KIND, _ID, value, None if stored is None else stored.version)
