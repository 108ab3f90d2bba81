# SPDX-License-Identifier: Apache-2.0
"""OpenAI's admin API for one project, and the question for models that tells whether a key works.

Answers are checked in the tests against tests/data/vendors/openai-admin.schema.json."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twinguard.standins.server import Body, Refused, Request, Route, Server, route

ADMIN_KEY = "sk-admin-standin"
PROJECT = "proj_standin"
_LONGEST = 31_536_000
_MOST = 100


class Declined(Refused):
    """An error in OpenAI's form."""

    @property
    def body(self) -> Body:
        """The error as OpenAI writes it."""
        error = {"message": self.message, "type": "invalid_request_error"}
        return {"error": error | {"param": None, "code": self.status or None}}


@dataclass(slots=True)
class Key:
    """A key as OpenAI keeps it."""

    id: str
    name: str
    value: str
    owner: str
    created_at: int
    expires_at: int | None = None
    last_used_at: int | None = None
    scopes: list[str] = field(default_factory=list)


class OpenAIAdmin(Server):
    """One project. `refuses` are keys (by a part of their name) that never work; `clock` tells the
    seconds by which keys expire; `models` have their requests a minute."""

    def __init__(self, project: str = PROJECT, clock: Callable[[], float] = time.time) -> None:
        self.project, self.clock = project, clock
        self.keys: dict[str, Key] = {}
        self.accounts: dict[str, dict[str, Any]] = {}
        self.spend_limit: int | None = None
        self.models = {"gpt-3.5-turbo": 3500, "gpt-4o-mini": 10_000, "dall-e-3": 7}
        self.refuses: set[str] = set()
        self.made: list[str] = []
        self._guard = threading.Lock()
        super().__init__(*self._own_routes())

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send our adapter here."""
        return {"OPENAI_ENDPOINT": self.url, "OPENAI_ADMIN_KEY": ADMIN_KEY}

    def add_key(self, name: str, owner: str = "") -> Key:
        """A key that somebody made."""
        with self._guard:
            number, at = len(self.made) + 1, int(self.clock())
            value = f"sk-svcacct-{secrets.token_urlsafe(36)}{number:04d}"
            key = Key(f"key_{number}", name, value, owner, at)
            self.keys[key.id] = key
            self.made.append(value)
            return key

    def works(self, value: str) -> bool:
        """True for the value of a key that is neither deleted, expired nor of no use."""
        return any(
            key.value == value
            for key in self._alive()
            if not any(part in key.name for part in self.refuses)
        )

    def _own_routes(self) -> tuple[Route, ...]:
        project = "/v1/organization/projects/{project=*}"
        account = f"{project}/service_accounts/{{account=*}}"
        return (
            route("GET", "/v1/models", self._models),
            route("GET", f"{project}/api_keys", self._for_admin(self._list_keys)),
            route("POST", f"{project}/api_keys/{{key=*}}", self._for_admin(self._update_key)),
            route("DELETE", f"{project}/api_keys/{{key=*}}", self._for_admin(self._delete_key)),
            route("GET", f"{project}/service_accounts", self._for_admin(self._list_accounts)),
            route("POST", f"{project}/service_accounts", self._for_admin(self._add_account)),
            route("POST", account, self._for_admin(self._update_account)),
            route("POST", f"{account}/api_keys", self._for_admin(self._make_key)),
            route("GET", f"{project}/spend_limit", self._for_admin(self._spend)),
            route("POST", f"{project}/spend_limit", self._for_admin(self._limit_spend)),
            route("GET", f"{project}/rate_limits", self._for_admin(self._list_rates)),
            route("POST", f"{project}/rate_limits/{{rate=*}}", self._for_admin(self._limit_rate)),
        )

    def _for_admin(self, answer: Callable[[Request], Body]) -> Callable[[Request], Body]:
        def checked(request: Request) -> Body:
            if request.headers.get("authorization") != f"Bearer {ADMIN_KEY}":
                raise Declined(401, "invalid_api_key", "Incorrect API key provided")
            if request.match["project"] != self.project:
                raise Declined(404, "", "No such project")
            return answer(request)

        return checked

    # --- keys ------------------------------------------------------------------------------------

    def _alive(self) -> list[Key]:
        now = self.clock()
        known = list(self.keys.values())
        return [key for key in known if key.expires_at is None or key.expires_at > now]

    def _models(self, request: Request) -> Body:
        value = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not self.works(value):
            raise Declined(401, "invalid_api_key", "Incorrect API key provided")
        created = {"created": 1_686_935_002, "owned_by": "openai"}
        models = [{"id": name, "object": "model"} | created for name in self.models]
        return {"object": "list", "data": models}

    def _list_keys(self, request: Request) -> Body:
        return _listed([self._told(key) for key in self._alive()], request)

    def _make_key(self, request: Request) -> Body:
        account = self.accounts.get(request.match["account"])
        if account is None:
            raise Declined(404, "", "No such service account")
        body = request.body or {}
        key = self.add_key(body.get("name", "Secret Key"), account["id"])
        key.scopes = list(body.get("scopes", []))
        if account["role"] == "none":
            self.refuses.add(key.name)  # without a role it may do nothing
        if seconds := body.get("expires_in_seconds"):
            key.expires_at = int(self.clock()) + _seconds(seconds)
        return {
            "object": "organization.project.service_account.api_key",
            "id": key.id,
            "name": key.name,
            "value": key.value,
            "created_at": key.created_at,
            "expires_at": key.expires_at,
        }

    def _update_key(self, request: Request) -> Body:
        key, body = self._key(request), request.body or {}
        if not body.keys() & {"expires_in_seconds", "scopes"}:
            raise Declined(400, "", "scopes or expires_in_seconds is needed")
        if "expires_in_seconds" in body:
            key.expires_at = int(self.clock()) + _seconds(body["expires_in_seconds"])
        key.scopes = list(body.get("scopes", key.scopes))
        return self._told(key)

    def _delete_key(self, request: Request) -> Body:
        key = self._key(request)
        del self.keys[key.id]
        return {"object": "organization.project.api_key.deleted", "id": key.id, "deleted": True}

    def _key(self, request: Request) -> Key:
        found = [key for key in self._alive() if key.id == request.match["key"]]
        if not found:
            raise Declined(404, "", "No such API key")
        return found[0]

    def _told(self, key: Key) -> dict[str, Any]:
        account = self.accounts.get(key.owner)
        user = {"id": "user_1", "created_at": 1, "email": "a@example.com", "name": "A"}
        owner: dict[str, Any] = {"type": "user", "user": user | {"role": "owner"}}
        if account is not None:
            told = {name: account[name] for name in ("id", "created_at", "name", "role")}
            owner = {"type": "service_account", "service_account": told}
        return {
            "object": "organization.project.api_key",
            "id": key.id,
            "name": key.name,
            "redacted_value": f"{key.value[:11]}...{key.value[-4:]}",
            "created_at": key.created_at,
            "last_used_at": key.last_used_at,
            "expires_at": key.expires_at,
            "owner": owner,
            "owner_project_access": "active",
        }

    # --- accounts --------------------------------------------------------------------------------

    def _list_accounts(self, request: Request) -> Body:
        return _listed(list(self.accounts.values()), request)

    def _add_account(self, request: Request) -> Body:
        body = request.body or {}
        if not body.get("create_service_account_only"):
            raise Declined(400, "", "this stand-in makes accounts without a key only")
        account = {
            "object": "organization.project.service_account",
            "id": f"svc_acct_{len(self.accounts) + 1}",
            "name": body["name"],
            "role": "none",
            "created_at": int(self.clock()),
        }
        self.accounts[account["id"]] = account
        return account | {"api_key": None}

    def _update_account(self, request: Request) -> Body:
        account = self.accounts.get(request.match["account"])
        if account is None:
            raise Declined(404, "", "No such service account")
        account.update(request.body or {})
        return dict(account)

    # --- limits ----------------------------------------------------------------------------------

    def _spend(self, _: Request) -> Body:
        if self.spend_limit is None:
            raise Declined(404, "", "No spend limit is set")
        return {
            "object": "project.spend_limit",
            "threshold_amount": self.spend_limit,
            "currency": "USD",
            "interval": "month",
            "enforcement": {"status": "inactive"},
        }

    def _limit_spend(self, request: Request) -> Body:
        self.spend_limit = int((request.body or {})["threshold_amount"])
        return self._spend(request)

    def _list_rates(self, request: Request) -> Body:
        return _listed([self._rate(model) for model in self.models], request)

    def _limit_rate(self, request: Request) -> Body:
        model = request.match["rate"].removeprefix("rl-")
        if model not in self.models:
            raise Declined(404, "", "No such rate limit")
        wanted = (request.body or {}).get("max_requests_per_1_minute")
        self.models[model] = self.models[model] if wanted is None else wanted
        return self._rate(model)

    def _rate(self, model: str) -> dict[str, Any]:
        return {
            "object": "project.rate_limit",
            "id": f"rl-{model}",
            "model": model,
            "max_requests_per_1_minute": self.models[model],
            "max_tokens_per_1_minute": 150_000,
        }


def _listed(items: list[dict[str, Any]], request: Request) -> Body:
    """A page of a list, from behind the id that `after` names."""
    limit = int(request.query.get("limit", "20"))
    if not 1 <= limit <= _MOST:
        raise Declined(400, "", "limit must be from 1 to 100")
    ids = [item["id"] for item in items]
    after = request.query.get("after")
    start = ids.index(after) + 1 if after in ids else 0
    page = items[start : start + limit]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
    return {"object": "list", "data": page, "has_more": start + limit < len(items)} | ends


def _seconds(value: int) -> int:
    if not 1 <= value <= _LONGEST:
        raise Declined(400, "", "expires_in_seconds is out of range")
    return value
