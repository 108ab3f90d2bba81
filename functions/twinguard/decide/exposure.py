# SPDX-License-Identifier: Apache-2.0
"""Find keys that anybody could use or nobody needs: the exposure audit. Pure.

Versions past their turn are judged by `kept_resources.py`, as in `make check-resources`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from msgspec import Struct

from twinguard.decide import kept_resources
from twinguard.decide.inventory import Finding, Inventory, Secret, short
from twinguard.policy import Level, Policy

UNREAD = dt.timedelta(days=90)
"""A secret that nobody read for so long is one to steal and none to use."""

_TURNS = {"overdue", "no-rotation", "old-versions", "no-version"}
_PAID = (
    *("generativelanguage", "aiplatform", "vertexai", "discoveryengine", "dialogflow", "vision"),
    *("speech", "texttospeech", "translate", "language", "documentai", "videointelligence"),
    *("maps", "places", "routes", "geocoding", "directions", "distance-matrix", "geolocation"),
    *("roads", "elevation", "street", "static-maps", "timezone", "addressvalidation", "solar"),
    *("airquality", "pollen", "weather", "tile", "customsearch"),
)
"""How the names begin of APIs that a Google API key opens and that cost by the call."""

_EVERYBODY = {"*", "*/*", "http://*", "https://*", "0.0.0.0/0", "::/0"}


class ApiKey(Struct, frozen=True, kw_only=True):
    """A Google API key by its full name, never its text.

    `callers` are the addresses, sites and apps that may use it; `account` is bound to it."""

    name: str
    title: str
    apis: tuple[str, ...]
    callers: tuple[str, ...]
    account: str = ""


class AccountKey(Struct, frozen=True, kw_only=True):
    """A key of a service account that somebody keeps in a file."""

    name: str
    created: dt.datetime
    disabled: bool


class Exposed(Struct, frozen=True, kw_only=True):
    """What could be read; None: it could not be.

    `last_read` is by short name of the secret, None for one that nobody read; `reads_since` is the
    first read that the log knows of, None where it does not go back far enough."""

    api_keys: tuple[ApiKey, ...] | None = None
    account_keys: tuple[AccountKey, ...] | None = None
    secrets: tuple[Secret, ...] | None = None
    last_read: dict[str, dt.datetime | None] | None = None
    reads_since: dt.datetime | None = None


def findings(policy: Policy, exposed: Exposed, now: dt.datetime) -> tuple[Finding, ...]:
    """All that is exposed, the worst first."""
    found = [
        *(one for key in exposed.api_keys or () for one in _api_key(key)),
        *(_account_key(key, now) for key in exposed.account_keys or ()),
        *_unread(exposed, now),
    ]
    inventory = Inventory(at=now, secrets=exposed.secrets)
    found += [one for one in kept_resources.secrets(policy, inventory) if one.rule in _TURNS]
    return tuple(sorted(found, key=lambda one: (-one.level.rank, one.resource, one.rule)))


def _api_key(key: ApiKey) -> Iterator[Finding]:
    open_to_all = all(caller in _EVERYBODY for caller in key.callers)
    paid = sorted(api for api in key.apis if api.startswith(_PAID))
    about = f'"{key.title}" ' if key.title else ""
    update = f"gcloud services api-keys update {short(key.name)}"
    if not key.apis:
        level = Level.CRITICAL if open_to_all else Level.HIGH
        whom = "anybody" if open_to_all else "whoever pretends to be one of its callers"
        yield Finding(
            level=level,
            rule="any-api",
            resource=key.name,
            why=f"{about}opens every API of the project, Gemini too once it is switched on, to "
            f"{whom}",
            remedy=f"name its APIs: {update} --api-target=service=…; better, make it anew from the "
            "policy (api_keys)",
        )
    if open_to_all and (paid or (key.apis and not key.callers)):
        dear = f"opens {', '.join(paid)}, which cost by the call," if paid else "works"
        yield Finding(
            level=Level.HIGH if paid else Level.LOW,
            rule="any-caller",
            resource=key.name,
            why=f"{about}{dear} from everywhere",
            remedy=f"name who may use it: {update} --allowed-ips=… (a server) or "
            "--allowed-referrers=… (a site)",
        )


def _account_key(key: AccountKey, now: dt.datetime) -> Finding:
    account = key.name.split("/")[3]
    age, state = (now - key.created).days, ", disabled" if key.disabled else ""
    return Finding(
        level=Level.LOW if key.disabled else Level.HIGH,
        rule="account-key",
        resource=key.name,
        why=f"a key file of {account} exists, {age} days old{state}: whoever has the file is "
        "the account, for as long as the key lives",
        remedy="use workload identity or impersonation, then: gcloud iam service-accounts keys "
        f"delete {short(key.name)} --iam-account={account}",
    )


def _unread(exposed: Exposed, now: dt.datetime) -> Iterator[Finding]:
    """Secrets that nobody read, as far as the log of reads goes back far enough to say so."""
    if exposed.last_read is None or exposed.reads_since is None:
        return
    if now - exposed.reads_since < UNREAD:
        return
    for secret in exposed.secrets or ():
        name = short(secret.name)
        oldest = min((one.created for one in secret.versions or ()), default=now)
        known = name in exposed.last_read
        if known and exposed.last_read[name] is None and now - oldest >= UNREAD:
            yield Finding(
                level=Level.LOW,
                rule="unread-secret",
                resource=secret.name,
                why=f"nobody read it for {UNREAD.days} days or more",
                remedy="delete it where nothing needs it: block the key at its provider first",
            )
