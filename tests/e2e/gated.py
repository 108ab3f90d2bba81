# SPDX-License-Identifier: Apache-2.0
"""Services whose answers can be held back: what was asked for is done, but nobody is told.

Whoever waits there can be killed in the middle of his work."""

from __future__ import annotations

import requests

from twinguard.cli.stage import Gate
from twinguard.standins.cloud_run import CloudRun
from twinguard.standins.google import Google
from twinguard.standins.server import Body, Request, Server

_LIMIT = 60


class GatedGoogle(Google):
    """Google's APIs."""

    def __init__(self) -> None:
        super().__init__(CloudRun(polls=0))
        self.gate = Gate()

    def answered(self, request: Request) -> tuple[int, Body]:
        answer = super().answered(request)
        self.gate.passed(request)
        return answer


class GatedTopics(Server):
    """The way to the Pub/Sub emulator."""

    def __init__(self, emulator: str) -> None:
        super().__init__()
        self.gate = Gate()
        self._emulator = emulator

    def answered(self, request: Request) -> tuple[int, Body]:
        answer = requests.request(
            request.method, self._emulator + request.path, json=request.body, timeout=_LIMIT
        )
        self.gate.passed(request)
        return answer.status_code, answer.json()
