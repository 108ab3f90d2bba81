# SPDX-License-Identifier: Apache-2.0
"""Keys and limits of one OpenAI project, over the admin API. The calls are in `openai_wire.py`.

Every change is confirmed; a value of a key is returned once and is in no message."""

from __future__ import annotations

import datetime as dt
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from twinguard.act.openai_wire import Missing, OpenAIWire
from twinguard.decide.key_actions import Listed, Verdict
from twinguard.errors import Unavailable
from twinguard.key_ports import RateLimit, RawKey

_DAY = 86_400
_OK, _UNAUTHENTICATED, _FORBIDDEN = 200, 401, 403
_SHOWN = 3
"""Characters that must stand on both sides of a redacted value's gap to tell keys apart."""


class OpenAIAdmin:
    """`KeyMaker` and `Brakes` of one project. Its keys belong to one service account.

    `account` is that account's name: keys of people end with the people. New keys may do what
    `scopes` say (empty: all) and end after `days` by themselves (0: never)."""

    def __init__(
        self,
        key: str,
        project: str,
        account: str,
        endpoint: str = "",
        timeout: float = 30.0,
        scopes: tuple[str, ...] = (),
        days: int = 0,
    ) -> None:
        self._wire = OpenAIWire(key, project, endpoint, timeout)
        self._account = account
        self._limits: dict[str, object] = {"scopes": list(scopes)} if scopes else {}
        if days:
            self._limits["expires_in_seconds"] = days * _DAY

    def __repr__(self) -> str:
        return f"OpenAIAdmin({self._wire})"

    # --- keys ------------------------------------------------------------------------------------

    def listed(self) -> tuple[Listed, ...]:
        """Every key of the project that works, whoever owns it."""
        return tuple(_listed(one) for one in self._api_keys())

    def make(self, name: str) -> tuple[str, RawKey]:
        """A new key's id and value, which OpenAI tells this one time."""
        what = f"cannot make key {name}"
        path = f"service_accounts/{self._account_id()}/api_keys"
        answer = self._wire.call("POST", path, what, {"name": name, **self._limits})
        key_id, value = answer.get("id"), answer.get("value")
        if not (isinstance(key_id, str) and key_id and isinstance(value, str) and value):
            raise Unavailable(f"{what}: the answer holds no key; it is looked for again")
        return key_id, RawKey(value)

    def drop(self, key_id: str, seconds: int = 0) -> None:
        """End a key now or after a while, and confirm it; nothing where it is gone."""
        path = f"api_keys/{urllib.parse.quote(key_id, safe='')}"
        try:
            if seconds:
                what = f"cannot let key {key_id} expire"
                self._wire.call("POST", path, what, {"expires_in_seconds": seconds})
                return
            self._wire.call("DELETE", path, f"cannot delete key {key_id}")
        except Missing:
            return
        if any(key.id == key_id for key in self.listed()):
            raise Unavailable(f"key {key_id}: its deletion was not confirmed; it is deleted again")

    def verdict(self, value: RawKey) -> Verdict:
        """What OpenAI says to a key that asks for the models: the cheapest question there is."""
        text = value.reveal().strip()
        if not text or not text.isascii() or not text.isprintable():
            return Verdict.REFUSED
        status = self._wire.models(text)
        known = {
            _OK: Verdict.ACCEPTED,
            _UNAUTHENTICATED: Verdict.REFUSED,
            _FORBIDDEN: Verdict.FORBIDDEN,
        }
        if status not in known:
            raise Unavailable(f"OpenAI's models: no answer now ({status})")
        return known[status]

    def owner(self, value: RawKey) -> str:
        """The id of the key whose redacted value fits; empty where none does. It never guesses."""
        text = value.reveal().strip()
        fitting = [one for one in self._api_keys() if _fits(one.get("redacted_value"), text)]
        if len(fitting) > 1:
            raise Unavailable(
                f"{len(fitting)} keys of the project look alike; end by hand those that nobody uses"
            )
        return str(fitting[0]["id"]) if fitting else ""

    # --- brakes ----------------------------------------------------------------------------------

    def spend_limit(self) -> int | None:
        """What a month may cost, in US cents; None without a limit."""
        try:
            found = self._wire.call("GET", "spend_limit", "cannot read the project's spend limit")
        except Missing:
            return None
        return _whole(found, "threshold_amount", "the project's spend limit")

    def limit_spend(self, cents: int) -> None:
        """Set what a month may cost, and confirm it."""
        what = "cannot set the project's spend limit"
        body = {"currency": "USD", "interval": "month", "threshold_amount": cents}
        answer = self._wire.call("POST", "spend_limit", what, body)
        if _whole(answer, "threshold_amount", what) != cents:
            raise Unavailable(f"{what}: it was not confirmed")

    def rate_limits(self) -> tuple[RateLimit, ...]:
        """The limit of every model."""
        found = self._wire.pages("rate_limits", "cannot list the project's rate limits")
        return tuple(
            RateLimit(
                str(one.get("id", "")),
                str(one.get("model", "")),
                _whole(one, "max_requests_per_1_minute", "a rate limit"),
            )
            for one in found
        )

    def limit_rate(self, limit_id: str, requests: int) -> None:
        """Set how often a model may be asked in a minute, and confirm it."""
        what = f"cannot set rate limit {limit_id}"
        path = f"rate_limits/{urllib.parse.quote(limit_id, safe='')}"
        answer = self._wire.call("POST", path, what, {"max_requests_per_1_minute": requests})
        if _whole(answer, "max_requests_per_1_minute", what) != requests:
            raise Unavailable(f"{what}: it was not confirmed")

    # --- the wire --------------------------------------------------------------------------------

    def _account_id(self) -> str:
        """The service account, made if need be. By itself it may do nothing, so it becomes a
        member; one that lost its place on the way is found again by its name."""
        what = f"cannot make service account {self._account}"
        known = {str(one.get("name")): one for one in self._wire.pages("service_accounts", what)}
        found = known.get(self._account)
        if found is None:
            body = {"name": self._account, "create_service_account_only": True}
            found = self._wire.call("POST", "service_accounts", what, body)
        account = str(found.get("id", ""))
        if not account:
            raise Unavailable(f"{what}: the answer holds none; it is looked for again")
        if found.get("role") not in {"member", "owner"}:
            path = f"service_accounts/{urllib.parse.quote(account, safe='')}"
            self._wire.call("POST", path, what, {"role": "member"})
        return urllib.parse.quote(account, safe="")

    def _api_keys(self) -> Iterator[dict[str, Any]]:
        # `any`: without it, keys whose owner has left the project are not told.
        query = {"owner_project_access": "any"}
        return self._wire.pages("api_keys", "cannot list the project's keys", query)


def _listed(one: Mapping[str, Any]) -> Listed:
    used = one.get("last_used_at")
    try:
        at = None if used is None else dt.datetime.fromtimestamp(int(used), dt.UTC)
        return Listed(str(one["id"]), str(one.get("name") or ""), at)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise Unavailable("a key of the project cannot be read; check what sits between") from None


def _fits(redacted: object, value: str) -> bool:
    """True where `sk-abc...xyz`, or the same with asterisks, can be this value."""
    text = str(redacted or "").replace("...", "*").replace("…", "*")
    begin, gap, rest = text.partition("*")
    end = rest.lstrip("*")
    is_telling = bool(gap) and len(begin) >= _SHOWN and len(end) >= _SHOWN
    return is_telling and value.startswith(begin) and value.endswith(end)


def _whole(found: Mapping[str, Any], name: str, what: str) -> int:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unavailable(f"{what}: the answer is not OpenAI's; check what sits between")
    return value
