# SPDX-License-Identifier: Apache-2.0
"""Between Pub/Sub and the functions: hands every push request on, brings every second one twice.

A message with the attribute `simulated_at` gets that time as its publish time, so that nights and
rotations need no waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from twinguard.standins.server import Body, Refused, Request, Server, route

AT = "simulated_at"
OK = 200
_LIMIT = 60


@dataclass(frozen=True)
class Delivery:
    """One push request to a function and what it answered; 0 where nobody did."""

    entry_point: str
    message_id: str
    status: int
    outcome: str
    decision: str
    is_repeat: bool


class Carrier(Server):
    """One address for each entry point; `address_of` says where its process listens."""

    def __init__(self, entry_points: tuple[str, ...], address_of: Callable[[str], str]) -> None:
        self.deliveries: list[Delivery] = []
        self._address_of = address_of
        self._count, self._counting = 0, threading.Lock()
        self._http_of = threading.local()
        super().__init__(*(route("POST", f"/{{name={one}}}", self._carry) for one in entry_points))

    def of(self, entry_point: str) -> list[Delivery]:
        """What a function was handed, in order of its answers."""
        return [one for one in tuple(self.deliveries) if one.entry_point == entry_point]

    def done(self, message_id: str) -> bool:
        """True once a message is acknowledged, its repeat included."""
        found = [one for one in tuple(self.deliveries) if one.message_id == message_id]
        return any(one.status == OK for one in found)

    def _carry(self, request: Request) -> Body:
        name, body = request.match["name"], request.body
        attributes = body["message"].get("attributes", {})
        if at := attributes.pop(AT, None):
            body["message"]["publishTime"] = body["message"]["publish_time"] = at
        with self._counting:
            self._count += 1
            twice = self._count % 2 == 0
        if twice:
            self._pushed(name, body, is_repeat=True)
        status = self._pushed(name, body, is_repeat=False)
        if status != OK:
            raise Refused(status or 503, "UNAVAILABLE", f"{name} answered {status}")
        return {}

    def _pushed(self, name: str, body: Body, *, is_repeat: bool) -> int:
        answer: dict[str, Any] = {}
        try:
            response = requests.post(self._address_of(name), json=body, timeout=_LIMIT)
            status = response.status_code
            if status in {OK, 503}:
                answer = response.json()
        except (requests.RequestException, ValueError):
            status = 0
        self.deliveries.append(
            Delivery(
                name,
                body["message"]["messageId"],
                status,
                answer.get("outcome", ""),
                answer.get("decision") or answer.get("reason") or "",
                is_repeat,
            )
        )
        return status
