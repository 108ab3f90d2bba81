# SPDX-License-Identifier: Apache-2.0
"""Read all that the exposure audit judges, and say by name what could not be read."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from twinguard.decide.exposure import UNREAD, Exposed
from twinguard.decide.inventory import Gap, Secret, short
from twinguard.errors import Unavailable
from twinguard.inventory.listing import SwitchedOff
from twinguard.inventory.security import Security

T = TypeVar("T")
Watch: TypeAlias = Callable[[str, int, int], None]
_KEPT = dt.timedelta(days=400)
"""How far back the log of reads is looked at: as long as audits are kept, if nobody says else."""

NO_READS = (
    "the log holds no read of a secret: nobody read one, data access is not logged, or "
    "roles/logging.privateLogViewer is missing, without which Google leaves these lines out"
)


def tried(what: str, gaps: list[Gap], read: Callable[[], T]) -> T | None:
    """What could be read, or None and a gap that says why not."""
    try:
        return read()
    except SwitchedOff as err:
        gaps.append(Gap(what, str(err), off=True))
    except Unavailable as err:
        gaps.append(Gap(what, str(err)))
    return None


def exposed(reader: Security, now: dt.datetime, gaps: list[Gap], watch: Watch) -> Exposed:
    """Keys, secrets with versions, and when each secret was last read."""
    watch("keys", 0, 1)
    api_keys = tried("Google API keys", gaps, reader.api_keys)
    account_keys = tried("service accounts' keys", gaps, reader.account_keys)
    secrets = _secrets(reader, gaps, watch)
    since = _reads_since(reader, now, gaps)
    return Exposed(
        api_keys=api_keys,
        account_keys=account_keys,
        secrets=secrets,
        last_read=_last_reads(reader, secrets or (), now, gaps, watch) if since else None,
        reads_since=since,
    )


def _secrets(reader: Security, gaps: list[Gap], watch: Watch) -> tuple[Secret, ...] | None:
    wire = tried("secrets", gaps, reader.secrets)
    if wire is None:
        return None
    found = []
    for number, one in enumerate(wire):
        what = f"versions of secret {short(one.name)}"
        watch(what, number, len(wire))
        found.append(one.read(tried(what, gaps, functools.partial(reader.versions, one.name))))
    return tuple(found)


def _reads_since(reader: Security, now: dt.datetime, gaps: list[Gap]) -> dt.datetime | None:
    """The first read that is known, if that is long enough ago to judge by."""
    what, before = "reads of secrets", len(gaps)
    first = tried(what, gaps, lambda: reader.reads_since(now - _KEPT))
    if len(gaps) > before:
        return None
    if first is None:
        gaps.append(Gap(what, f"reads of secrets: {NO_READS}"))
    elif now - first < UNREAD:
        begins = f"the log of them begins on {first:%Y-%m-%d}"
        gaps.append(Gap(what, f"reads of secrets: {begins}; {UNREAD.days} days are needed"))
        return None
    return first


def _last_reads(
    reader: Security,
    secrets: tuple[Secret, ...],
    now: dt.datetime,
    gaps: list[Gap],
    watch: Watch,
) -> dict[str, dt.datetime | None]:
    """By short name; a secret whose reads cannot be listed is left out, with a gap."""
    found: dict[str, dt.datetime | None] = {}
    for number, secret in enumerate(secrets):
        name, before = short(secret.name), len(gaps)
        watch(f"reads of {name}", number, len(secrets))
        ask = functools.partial(reader.last_read, name, now - UNREAD)
        last = tried(f"reads of {name}", gaps, ask)
        if len(gaps) == before:
            found[name] = last
    return found
