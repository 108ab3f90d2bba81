# SPDX-License-Identifier: Apache-2.0
"""Cloud Logging's list of entries, Google API keys and service accounts' keys, with the secrets.

Serves lists only, in Google's words; a filter it does not know is refused, as Logging does."""

from __future__ import annotations

import copy
import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

from twinguard.standins.api_keys import ApiKeys
from twinguard.standins.secret_manager import SecretManager
from twinguard.standins.server import Refused, Request, Route, Server, paged, route

_TERM = re.compile(r'([A-Za-z.]+)(>=|=|:)"((?:[^"\\]|\\.)*)"')
_HOLDS: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda field, wanted: field == wanted,
    ":": lambda field, wanted: wanted in field,
    ">=": lambda field, wanted: field >= wanted,
}


def stamp(moment: dt.datetime) -> str:
    """A moment as Google writes it."""
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


class Logging:
    """Lines of Cloud Audit Logs about secrets, of one project."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    @property
    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        return (route("POST", "/v2/entries:list", self._list),)

    def add(
        self,
        method: str,
        secret: str,
        actor: str,
        at: dt.datetime,
        *,
        log: str = "data_access",
        refused: str = "",
    ) -> None:
        """Somebody did something to a secret, given as `a` or `a/versions/3`."""
        number = len(self.entries) + 1
        payload: dict[str, Any] = {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "serviceName": "secretmanager.googleapis.com",
            "methodName": f"google.cloud.secretmanager.v1.SecretManagerService.{method}",
            "resourceName": f"projects/123456/secrets/{secret}",
            "authenticationInfo": {"principalEmail": actor},
            "requestMetadata": {"callerIp": "192.0.2.7"},
        }
        if refused:
            payload["status"] = {"code": 7, "message": refused}
        entry = {
            "insertId": f"id-{number}",
            "logName": f"projects/demo/logs/cloudaudit.googleapis.com%2F{log}",
            "timestamp": stamp(at),
            "receiveTimestamp": stamp(at),
            "severity": "INFO",
            "resource": {"type": "audited_resource", "labels": {"project_id": "demo"}},
            "protoPayload": payload,
        }
        self.entries.append(entry)

    def _list(self, request: Request) -> dict[str, Any]:
        asked = request.body or {}
        if not asked.get("resourceNames"):
            raise Refused(400, "INVALID_ARGUMENT", "resourceNames: at least one is required")
        terms = _terms(asked.get("filter", ""))
        found = [one for one in self.entries if all(_fits(one, *term) for term in terms)]
        newest = asked.get("orderBy") == "timestamp desc"
        found.sort(key=lambda one: one["timestamp"], reverse=newest)
        query = {"pageToken": asked.get("pageToken", ""), "pageSize": asked.get("pageSize", 50)}
        return paged(copy.deepcopy(found), Request("POST", request.path, query), "entries")


def _terms(text: str) -> list[tuple[str, str, str]]:
    """The terms of a filter that joins them by AND; quotes may hold anything."""
    found = []
    while text:
        term = _TERM.match(text)
        if term is None:
            raise Refused(400, "INVALID_ARGUMENT", f"Unparseable filter: {text}")
        found.append((term[1], term[2], re.sub(r"\\(.)", r"\1", term[3])))
        text = text[term.end() :].removeprefix(" AND ")
    return found


def _fits(entry: Mapping[str, Any], path: str, sign: str, wanted: str) -> bool:
    field: Any = entry
    for name in path.split("."):
        field = field.get(name, {})
    return _HOLDS[sign](str(field), wanted)


class AccountKeys:
    """Service accounts and their keys; Google's own key of each is always there, too."""

    def __init__(self) -> None:
        self.disabled: set[str] = set()
        self._keys: dict[str, list[dict[str, Any]]] = {}

    @property
    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        return (
            route("GET", "/v1/{parent=projects/*}/serviceAccounts", self._accounts),
            route("GET", "/v1/{name=projects/*/serviceAccounts/*}/keys", self._list),
        )

    def add(self, name: str) -> None:
        """An account by its full name."""
        self._keys[name] = []
        self.add_key(name, dt.datetime(2026, 11, 1, tzinfo=dt.UTC), kind="SYSTEM_MANAGED")

    def add_key(
        self, name: str, made: dt.datetime, *, kind: str = "USER_MANAGED", disabled: bool = False
    ) -> None:
        """One more key of an account."""
        key: dict[str, Any] = {
            "name": f"{name}/keys/{len(self._keys[name])}",
            "keyType": kind,
            "validAfterTime": stamp(made),
        }
        self._keys[name].append(key | ({"disabled": True} if disabled else {}))

    def _accounts(self, request: Request) -> dict[str, Any]:
        found = [
            {"name": name, "email": name.rsplit("/", 1)[-1]}
            | ({"disabled": True} if name in self.disabled else {})
            for name in self._keys
        ]
        return paged(found, request, "accounts")

    def _list(self, request: Request) -> dict[str, Any]:
        name = request.match["name"]
        if name not in self._keys:
            raise Refused(404, "NOT_FOUND", f"Service account {name} does not exist.")
        wanted = request.query.get("keyTypes", "")
        found = [one for one in self._keys[name] if wanted in {"", one["keyType"]}]
        return {"keys": copy.deepcopy(found)} if found else {}


class Security(Server):
    """All of these and Secret Manager on one port, as a context manager."""

    def __init__(self) -> None:
        self.logging = Logging()
        self.api_keys = ApiKeys()
        self.accounts = AccountKeys()
        self.secrets = SecretManager()
        parts = (self.logging, self.api_keys, self.accounts, self.secrets)
        super().__init__(*(route for part in parts for route in part.routes))

    def add_api_key(
        self, name: str, title: str = "", **restrictions: Mapping[str, Any] | list[Any]
    ) -> None:
        """A Google API key by its full name, with restrictions as the API writes them."""
        key: dict[str, Any] = {"name": name, "uid": name.rsplit("/", 1)[-1], "etag": 'W/"1"'}
        key |= {"displayName": title} if title else {}
        self.api_keys.keys[name] = key | (
            {"restrictions": dict(restrictions)} if restrictions else {}
        )

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send our adapters here."""
        names = ("LOGGING", "API_KEYS", "IAM", "SECRET_MANAGER")
        return {f"{name}_ENDPOINT": self.url for name in names}
