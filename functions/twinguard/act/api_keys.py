# SPDX-License-Identifier: Apache-2.0
"""Google's own API keys: make, restrict, end, and tell which one has a value.

A key is made with its restrictions or not at all. Values are read from Google at any time, so none
is ever lost; they are in no message."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from twinguard.act.rest import Missing, rest
from twinguard.decide.key_actions import Listed, Verdict
from twinguard.errors import Conflict, Misconfigured, Unavailable
from twinguard.key_ports import NameTaken, RawKey
from twinguard.provisions import ApiKey

GOOGLE = "https://apikeys.googleapis.com"
_PAGES, _LONGEST_NAME = 100, 63
_FIRST_WAIT, _LONGEST_WAIT, _PATIENCE = 0.2, 5.0, 60.0


class ApiKeys:
    """`KeyMaker` of one secret whose keys are Google's, with the restrictions of the policy.

    `pause` waits between two looks at an operation."""

    def __init__(
        self,
        project: str,
        restrictions: ApiKey,
        endpoint: str = "",
        timeout: float = 30.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._parent = f"projects/{project}/locations/global"
        self._restrictions, self._pause = restrictions, pause
        role = "the role api_key_rotator of terraform/modules/functions on the project"
        self._rest = rest(endpoint, "API_KEYS_ENDPOINT", GOOGLE, role, timeout)

    def listed(self) -> tuple[Listed, ...]:
        """Every key of the project that works. Their ids are their short names."""
        return tuple(Listed(_short(one), str(one.get("displayName", ""))) for one in self._all())

    def make(self, name: str) -> tuple[str, RawKey]:
        """A new key of this name and its value; NameTaken where there was one before, even if it is
        deleted: that one may be what readers have, or what somebody stole."""
        what = f"cannot make API key {name}"
        if len(name) > _LONGEST_NAME:
            raise Misconfigured(
                f"{what}: Google takes {_LONGEST_NAME} characters; shorten the secret"
            )
        body = {"displayName": name, "restrictions": restricted(self._restrictions)}
        path, query = f"v2/{self._parent}/keys", {"keyId": name}
        try:
            self._done(self._rest.call("POST", path, what, body, query), what)
        except Conflict:
            if self._is_known(name, what):
                raise NameTaken(f"{what}: there is or was one of that name") from None
            raise
        return name, self._value(name)

    def drop(self, key_id: str, seconds: int = 0) -> None:
        """End a key, and confirm it; nothing where it is gone. Google has no later end.

        A deleted key can be had back for 30 days."""
        if seconds:
            return
        what = f"cannot delete API key {key_id}"
        try:
            found = self._key(key_id, what)
            if "deleteTime" in found:
                return
            query = {"etag": found["etag"]} if found.get("etag") else {}
            path = f"v2/{self._parent}/keys/{key_id}"
            self._done(self._rest.call("DELETE", path, what, query=query), what)
        except Missing:
            return
        if any(key.id == key_id for key in self.listed()):
            raise Unavailable(f"{what}: it was not confirmed; it is deleted again")

    def verdict(self, value: RawKey) -> Verdict:
        """Whether a key of the project has this value and all its restrictions.

        Asked of the API that manages keys: a call with the key itself would come from an address
        that its restrictions refuse."""
        key_id = self.owner(value)
        if not key_id:
            return Verdict.REFUSED
        wanted = restricted(self._restrictions)
        found = self._key(key_id, f"cannot read API key {key_id}").get("restrictions")
        return Verdict.ACCEPTED if found == wanted else Verdict.FORBIDDEN

    def owner(self, value: RawKey) -> str:
        """The id of the key with this value; empty where there is none."""
        text = value.reveal().strip()
        for one in self._all():
            if self._value(_short(one)).reveal() == text:
                return _short(one)
        return ""

    def _is_known(self, name: str, what: str) -> bool:
        """True for a key that exists, or was deleted in the last 30 days."""
        try:
            self._key(name, what)
        except Missing:
            return False
        return True

    def _key(self, key_id: str, what: str) -> dict[str, Any]:
        return self._rest.call("GET", f"v2/{self._parent}/keys/{key_id}", what)

    def _value(self, key_id: str) -> RawKey:
        what = f"cannot read the value of API key {key_id}"
        found = self._rest.call("GET", f"v2/{self._parent}/keys/{key_id}/keyString", what)
        value = found.get("keyString")
        if not isinstance(value, str) or not value:
            raise Unavailable(f"{what}: the answer holds none")
        return RawKey(value)

    def _all(self) -> tuple[dict[str, Any], ...]:
        what, found, token = "cannot list API keys", list[dict[str, Any]](), ""
        for _ in range(_PAGES):
            query = {"pageSize": "300", **({"pageToken": token} if token else {})}
            page = self._rest.call("GET", f"v2/{self._parent}/keys", what, query=query)
            found += page.get("keys", [])
            token = str(page.get("nextPageToken") or "")
            if not token:
                return tuple(found)
        raise Unavailable(f"{what}: the answers never end")

    def _done(self, operation: dict[str, Any], what: str) -> None:
        """Wait until an operation has ended well."""
        waited, pause = 0.0, _FIRST_WAIT
        while not operation.get("done"):
            if waited > _PATIENCE:
                raise Unavailable(f"{what}: not confirmed in time; it is looked at again")
            self._pause(pause)
            waited, pause = waited + pause, min(2 * pause, _LONGEST_WAIT)
            operation = self._rest.call("GET", f"v2/{operation.get('name', '')}", what)
        if "error" in operation:
            code = operation["error"].get("code", "")
            raise Unavailable(f"{what}: Google gave up on it (code {code})")


def restricted(key: ApiKey) -> dict[str, Any]:
    """The restrictions of the policy as the API writes them."""
    found: dict[str, Any] = {"apiTargets": [{"service": api} for api in sorted(key.apis)]}
    if key.addresses:
        found["serverKeyRestrictions"] = {"allowedIps": sorted(key.addresses)}
    if key.referrers:
        found["browserKeyRestrictions"] = {"allowedReferrers": sorted(key.referrers)}
    return found


def _short(found: Mapping[str, Any]) -> str:
    return str(found.get("name", "")).rsplit("/", 1)[-1]
