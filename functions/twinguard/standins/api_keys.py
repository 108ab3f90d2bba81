# SPDX-License-Identifier: Apache-2.0
"""Google's API Keys API: keys with restrictions, operations that take a while, soft deletion.

`google.py` serves it over HTTP."""

from __future__ import annotations

import copy
import re
import secrets
from typing import Any

from twinguard.standins.server import Refused, Request, Route, paged, route, timestamp

_PARENT = "projects/*/locations/global"
_KEY = f"{_PARENT}/keys/*"
_ID = re.compile("[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST = 63


class ApiKeys:
    """Keys by full name, deleted ones included. An operation is done after `polls` looks at it."""

    def __init__(self, polls: int = 1) -> None:
        self.keys: dict[str, dict[str, Any]] = {}
        self.values: dict[str, str] = {}
        self.made: list[str] = []
        self.polls = polls
        self._operations: dict[str, tuple[int, dict[str, Any]]] = {}

    @property
    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        return (
            route("GET", f"/v2/{{parent={_PARENT}}}/keys", self._list),
            route("POST", f"/v2/{{parent={_PARENT}}}/keys", self._create),
            route("GET", f"/v2/{{name={_KEY}}}", self._get),
            route("GET", f"/v2/{{name={_KEY}}}/keyString", self._value),
            route("DELETE", f"/v2/{{name={_KEY}}}", self._delete),
            route("GET", "/v2/{name=operations/*}", self._operation),
        )

    def works(self, value: str) -> bool:
        """True for the value of a key that is not deleted."""
        return any(
            self.values[name] == value and "deleteTime" not in key
            for name, key in self.keys.items()
        )

    def add(self, name: str, display_name: str = "") -> str:
        """A key that somebody made; its value."""
        value = f"AIza{secrets.token_urlsafe(26)[:35]}"
        self.keys[name] = {
            "name": name,
            "uid": secrets.token_hex(16),
            "displayName": display_name,
            "createTime": timestamp(),
            "updateTime": timestamp(),
            "etag": f'W/"{len(self.made)}"',
        }
        self.values[name] = value
        self.made.append(value)
        return value

    def _list(self, request: Request) -> dict[str, Any]:
        prefix = f"{request.match['parent']}/keys/"
        found = [
            copy.deepcopy(key)
            for name, key in self.keys.items()
            if name.startswith(prefix) and "deleteTime" not in key
        ]
        return paged(found, request, "keys")

    def _create(self, request: Request) -> dict[str, Any]:
        short, body = request.query.get("keyId", ""), request.body or {}
        if not _ID.fullmatch(short) or len(body.get("displayName", "")) > _LONGEST:
            raise Refused(400, "INVALID_ARGUMENT", "keyId or displayName is not allowed")
        name = f"{request.match['parent']}/keys/{short}"
        if name in self.keys:
            raise Refused(409, "ALREADY_EXISTS", f"{name} exists, or did a while ago")
        self.add(name)
        self.keys[name].update(body)
        return self._begun(self.keys[name], "Key")

    def _get(self, request: Request) -> dict[str, Any]:
        return copy.deepcopy(self._found(request))

    def _value(self, request: Request) -> dict[str, Any]:
        return {"keyString": self.values[self._found(request)["name"]]}

    def _delete(self, request: Request) -> dict[str, Any]:
        key = self._found(request)
        if request.query.get("etag", key["etag"]) != key["etag"]:
            raise Refused(409, "ABORTED", "etag does not match")
        key["deleteTime"] = timestamp()
        return self._begun(key, "Key")

    def _found(self, request: Request) -> dict[str, Any]:
        name = request.match["name"]
        if name not in self.keys:
            raise Refused(404, "NOT_FOUND", f"{name} does not exist")
        return self.keys[name]

    def _begun(self, key: dict[str, Any], kind: str) -> dict[str, Any]:
        name = f"operations/akmf.{len(self._operations)}"
        typed = {"@type": f"type.googleapis.com/google.api.apikeys.v2.{kind}"}
        self._operations[name] = (self.polls, typed | copy.deepcopy(key))
        return self._told(name)

    def _operation(self, request: Request) -> dict[str, Any]:
        name = request.match["name"]
        if name not in self._operations:
            raise Refused(404, "NOT_FOUND", f"{name} does not exist")
        left, answer = self._operations[name]
        self._operations[name] = (left - 1, answer)
        return self._told(name)

    def _told(self, name: str) -> dict[str, Any]:
        left, answer = self._operations[name]
        return {"name": name} | ({"done": True, "response": answer} if left <= 0 else {})
