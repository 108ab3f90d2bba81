# SPDX-License-Identifier: Apache-2.0
"""Read who touched which secret, and which keys exist. Never the value of a key or a secret.

Raises `Unavailable` that names role and remedy. What is found is judged in `decide/exposure.py`."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from twinguard.decide.accesses import Access, secret_of, verb
from twinguard.decide.exposure import AccountKey, ApiKey
from twinguard.decide.inventory import short
from twinguard.inventory.listing import pages
from twinguard.inventory.reader import Reader, parsed
from twinguard.readers import ready

_SECRETS = 'protoPayload.serviceName="secretmanager.googleapis.com"'
_READS = f'{_SECRETS} AND protoPayload.methodName:"AccessSecretVersion"'
_PAGE = 1000


class _Wire(Struct, frozen=True, kw_only=True, rename="camel"):
    """Fields in the API's spelling; others are skipped."""


class _Who(_Wire, frozen=True, kw_only=True, rename="camel"):
    principal_email: str = ""
    principal_subject: str = ""


class _From(_Wire, frozen=True, kw_only=True, rename="camel"):
    caller_ip: str = ""


class _Status(_Wire, frozen=True, kw_only=True, rename="camel"):
    code: int = 0
    message: str = ""


class _Payload(_Wire, frozen=True, kw_only=True, rename="camel"):
    method_name: str = ""
    resource_name: str = ""
    authentication_info: _Who = _Who()
    request_metadata: _From = _From()
    status: _Status = _Status()


class EntryOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A line of Cloud Audit Logs about a secret."""

    timestamp: dt.datetime
    insert_id: str = ""
    proto_payload: _Payload = _Payload()

    def read(self) -> Access:
        """The same in our words."""
        payload = self.proto_payload
        secret, version = secret_of(payload.resource_name)
        who = payload.authentication_info
        detail = (
            f"version {version}" if version else "",
            f"from {payload.request_metadata.caller_ip}"
            if payload.request_metadata.caller_ip
            else "",
            f"refused: {payload.status.message or payload.status.code}"
            if payload.status.code
            else "",
        )
        return Access(
            at=self.timestamp,
            actor=who.principal_email or who.principal_subject or "nobody that Google names",
            action=verb(payload.method_name),
            subject=secret,
            detail=", ".join(part for part in detail if part),
        )


class _Target(_Wire, frozen=True, kw_only=True, rename="camel"):
    service: str = ""


class _Allowed(_Wire, frozen=True, kw_only=True, rename="camel"):
    allowed_referrers: tuple[str, ...] = ()
    allowed_ips: tuple[str, ...] = ()
    allowed_bundle_ids: tuple[str, ...] = ()
    allowed_applications: tuple[dict[str, str], ...] = ()


class _Restrictions(_Wire, frozen=True, kw_only=True, rename="camel"):
    api_targets: tuple[_Target, ...] = ()
    browser_key_restrictions: _Allowed = _Allowed()
    server_key_restrictions: _Allowed = _Allowed()
    android_key_restrictions: _Allowed = _Allowed()
    ios_key_restrictions: _Allowed = _Allowed()


class ApiKeyOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A Google API key, without its text: listing does not tell it."""

    name: str
    display_name: str = ""
    restrictions: _Restrictions = _Restrictions()
    service_account_email: str = ""

    def read(self) -> ApiKey:
        """The same in our words."""
        limits = self.restrictions
        callers = (
            *limits.browser_key_restrictions.allowed_referrers,
            *limits.server_key_restrictions.allowed_ips,
            *limits.ios_key_restrictions.allowed_bundle_ids,
            *(
                one.get("packageName", "")
                for one in limits.android_key_restrictions.allowed_applications
            ),
        )
        return ApiKey(
            name=self.name,
            title=self.display_name,
            apis=tuple(target.service for target in limits.api_targets),
            callers=callers,
            account=self.service_account_email,
        )


class _Account(_Wire, frozen=True, kw_only=True, rename="camel"):
    name: str


class AccountKeyOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A key that a person or a program made for a service account."""

    name: str
    valid_after_time: dt.datetime
    disabled: bool = False


ready(tuple[EntryOnWire, ...], tuple[ApiKeyOnWire, ...], tuple[AccountKeyOnWire, ...])


class Security(Reader):
    """What a project's logs and keys say."""

    def accesses(self, since: dt.datetime, secret: str = "") -> Iterator[tuple[Access, ...]]:
        """Who touched a secret since then, page by page, the oldest first; each line once."""
        about = f' AND protoPayload.resourceName:"/secrets/{_quoted(secret)}"' if secret else ""
        seen: set[tuple[str, dt.datetime]] = set()
        for page in self._entries(f"{_SECRETS}{about}{_since(since)}", "asc", _PAGE):
            fresh = []
            for one in page:  # a line may lie in several buckets
                key = one.insert_id, one.timestamp
                if key not in seen or not one.insert_id:
                    seen.add(key)
                    fresh.append(one.read())
            yield tuple(fresh)

    def reads_since(self, earliest: dt.datetime) -> dt.datetime | None:
        """The first read of any secret that the log still knows; None where it knows none."""
        return self._one(f"{_READS}{_since(earliest)}", "asc")

    def last_read(self, secret: str, since: dt.datetime) -> dt.datetime | None:
        """When a secret was last read."""
        name = _quoted(short(secret))
        about = f'protoPayload.resourceName:"/secrets/{name}/versions/"'
        return self._one(f"{_READS} AND {about}{_since(since)}", "desc")

    def api_keys(self) -> tuple[ApiKey, ...]:
        """The project's Google API keys."""
        source = self._source(
            "API_KEYS_ENDPOINT",
            f"v2/projects/{self.project}/locations/global/keys",
            "Google API keys",
            "roles/serviceusage.apiKeysViewer",
        )
        found: list[ApiKey] = []
        for page in self._pages("API_KEYS_ENDPOINT", source, {"pageSize": "300"}):
            found += [one.read() for one in parsed(page, "keys", tuple[ApiKeyOnWire, ...], source)]
        return tuple(found)

    def account_keys(self) -> tuple[AccountKey, ...]:
        """Keys of the project's service accounts that are not Google's own."""
        role = "roles/iam.serviceAccountViewer"
        path = f"v1/projects/{self.project}/serviceAccounts"
        source = self._source("IAM_ENDPOINT", path, "service accounts", role)
        accounts: list[_Account] = []
        for page in self._pages("IAM_ENDPOINT", source, {"pageSize": "100"}):
            accounts += parsed(page, "accounts", tuple[_Account, ...], source)
        found: list[AccountKey] = []
        for account in accounts:
            name = short(account.name)
            source = self._source("IAM_ENDPOINT", f"{path}/{name}/keys", f"keys of {name}", role)
            for page in self._pages("IAM_ENDPOINT", source, {"keyTypes": "USER_MANAGED"}):
                wire = parsed(page, "keys", tuple[AccountKeyOnWire, ...], source)
                found += [
                    AccountKey(name=one.name, created=one.valid_after_time, disabled=one.disabled)
                    for one in wire
                ]
        return tuple(found)

    def _one(self, wanted: str, order: str) -> dt.datetime | None:
        for page in self._entries(wanted, order, 1):
            if page:
                return page[0].timestamp
        return None

    def _entries(self, wanted: str, order: str, size: int) -> Iterator[tuple[EntryOnWire, ...]]:
        """Pages of the log; a page may be empty though another follows."""
        source = self._source(
            "LOGGING_ENDPOINT",
            "v2/entries:list",
            "audit log lines of Secret Manager",
            "roles/logging.privateLogViewer",
        )
        body = {
            "resourceNames": [f"projects/{self.project}"],
            "filter": wanted,
            "orderBy": f"timestamp {order}",
            "pageSize": size,
        }
        http = Posting(self._http("LOGGING_ENDPOINT", source), body)
        for page in pages(http, source, {}, self.timeout):
            yield parsed(page, "entries", tuple[EntryOnWire, ...], source)


class Posting:
    """A session whose lists are asked for by POST, the page token in the body."""

    def __init__(self, http: Any, body: Mapping[str, Any]) -> None:  # noqa: ANN401
        self._http = http
        self._body = body

    def get(self, url: str, params: Mapping[str, str], timeout: float) -> Any:  # noqa: ANN401
        """What `listing.pages` calls."""
        return self._http.post(url, json={**self._body, **params}, timeout=timeout)


def _since(moment: dt.datetime) -> str:
    return f' AND timestamp>="{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"'


def _quoted(text: str) -> str:
    """A text inside the quotes of a filter: nothing in it can end them."""
    return json.dumps(text)[1:-1]
