# SPDX-License-Identifier: Apache-2.0
"""Who read or changed which secret, from Google's audit logs and our own records. Pure.

`inventory/security.py` reads the logs; our own records come from the journal and the keys."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from twinguard.decide.audit_chain import Entry
from twinguard.decide.inventory import short

OURS = "twinguard"
GOOGLE = "google"
READ = "read"

_VERBS = {
    "AccessSecretVersion": READ,
    "AddSecretVersion": "added a version",
    "CreateSecret": "created",
    "DeleteSecret": "deleted",
    "DestroySecretVersion": "destroyed a version",
    "DisableSecretVersion": "disabled a version",
    "EnableSecretVersion": "enabled a version",
    "SetIamPolicy": "changed who may read it",
    "UpdateSecret": "changed its settings",
}


class Access(Struct, frozen=True, kw_only=True):
    """One thing that somebody did; `subject` is a secret's short name or one of our resources."""

    at: dt.datetime
    actor: str
    action: str
    subject: str
    detail: str = ""
    source: str = GOOGLE
    record: str = ""


def verb(method: str) -> str:
    """A method of Secret Manager's in words; its own name where it is a new one."""
    name = short(method).rsplit(".", 1)[-1]
    return _VERBS.get(name, name)


def secret_of(resource: str) -> tuple[str, str]:
    """The short names of a secret and of its version, from `projects/…/secrets/a/versions/3`."""
    parts = resource.split("/")
    named = dict(zip(parts[::2], parts[1::2], strict=False))
    return named.get("secrets", short(resource)), named.get("versions", "")


def ours(records: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[Access, ...]:
    """Our audit records, by id: what began, and how it ended."""
    found, begun = [], dict[str, Mapping[str, Any]]()
    for name, value in records:
        at = dt.datetime.fromisoformat(str(value["at"]))
        if value.get("phase") == "begun":
            begun[name] = value
            about, outcome, detail = value, "begun", value.get("detail", "")
        else:
            about = begun.get(str(value.get("begun")), {})
            outcome, detail = str(value.get("outcome", "")), value.get("detail", "")
        found.append(
            Access(
                at=at,
                actor=str(about.get("actor", "")),
                action=f"{about.get('action', 'a change')}: {outcome}",
                subject=str(about.get("subject", "")),
                detail=str(detail),
                source=OURS,
                record=name,
            )
        )
    return tuple(found)


def merged(
    found: Iterable[Access],
    *,
    secret: str = "",
    actor: str = "",
    since: dt.datetime | None = None,
) -> tuple[Access, ...]:
    """These accesses by time, as far as they are about a secret and by somebody.

    A secret is named exactly or as the last word of a subject; a part of an actor is enough."""
    kept = {
        (one.at, one.record, one.actor, one.action, one.subject, one.detail): one
        for one in found
        if (not secret or secret in {one.subject, one.subject.rsplit(" ", 1)[-1]})
        and actor.casefold() in one.actor.casefold()
        and (since is None or one.at >= since)
    }
    return tuple(kept[key] for key in sorted(kept))


def entry(access: Access) -> Entry:
    """How one of our records stands in the security audit log."""
    return Entry(
        at=access.at,
        actor=access.actor,
        action=access.action,
        subject=access.subject,
        detail=access.detail,
        record=access.record,
    )
