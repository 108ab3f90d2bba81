# SPDX-License-Identifier: Apache-2.0
"""Single embeddings of one tenant that come at the same time become one call to the provider.

Each caller gets its own vector and its own share of the tokens; the shares add up exactly. What a
provider refuses is asked one by one, so nobody pays for another's mistake."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from msgspec import Struct

from twinguard.decide.parts import parted
from twinguard.errors import Unavailable
from twinguard.llm.mock import Told
from twinguard.llm.providers import Sender
from twinguard.llm.upstream import Answer, Lost

__all__ = ["GATHERED", "Gathering"]

GATHERED: Final = "x-twinguard-gathered"
"""Header of an answer that came with others: how many they were."""

MOST: Final = 256
"""Inputs in one call; OpenAI takes 2048."""
_PATH, _OK = "/embeddings", 200
_MISTAKES = frozenset({400, 413, 422})
_COUNTED = ("prompt_tokens", "total_tokens")


class _Waiting(Struct):
    """One caller's text, and where its answer goes."""

    text: str
    body: bytes
    answer: asyncio.Future[Answer]


class _Group(Struct):
    """Callers whose requests differ in their text only."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    waiting: list[_Waiting]


class Gathering:
    """`Sender` that lets single embeddings wait a moment for each other.

    Only while one of the same group is under way: a quiet gateway waits for nothing."""

    def __init__(self, inner: Sender, seconds: float) -> None:
        self._inner, self._seconds = inner, seconds
        self._groups: dict[str, _Group] = {}
        self._under_way: Counter[str] = Counter()
        self._busy: set[asyncio.Task[None]] = set()

    async def send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], group: str = ""
    ) -> Answer:
        """The answer; for a single text perhaps out of a larger one."""
        asked = json.loads(body) if path == _PATH and group else {}
        text = asked.pop("input", None)
        if not isinstance(text, str):
            return await self._inner.send(method, path, body, headers)
        name = _name(group, asked)
        if not self._under_way[name]:
            with self._counted(name):
                return await self._inner.send(method, path, body, headers)
        waiting = _Waiting(text, body, asyncio.get_running_loop().create_future())
        self._join(name, asked, headers, waiting)
        return await waiting.answer

    def close(self) -> None:
        """Drop what the other one keeps open."""
        self._inner.close()

    @contextmanager
    def _counted(self, name: str) -> Iterator[None]:
        self._under_way[name] += 1
        try:
            yield
        finally:
            self._under_way[name] -= 1
            if not self._under_way[name]:
                del self._under_way[name]

    def _join(
        self, name: str, asked: dict[str, Any], headers: Mapping[str, str], waiting: _Waiting
    ) -> None:
        group = self._groups.get(name)
        if group is not None and len(group.waiting) < MOST:
            group.waiting.append(waiting)
            return
        group = self._groups[name] = _Group(asked, headers, [waiting])
        task = asyncio.get_running_loop().create_task(self._later(name, group))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _later(self, name: str, group: _Group) -> None:
        with self._counted(name):
            await asyncio.sleep(self._seconds)
            if self._groups.get(name) is group:
                del self._groups[name]
            waiting = [one for one in group.waiting if not one.answer.cancelled()]
            if len(waiting) == 1:
                await self._alone(group, waiting[0])
            elif waiting:
                await self._together(group, waiting)

    async def _alone(self, group: _Group, one: _Waiting) -> None:
        try:
            answer = await self._inner.send("POST", _PATH, one.body, group.headers)
        except Unavailable as err:
            _fail(one, err)
        else:
            _give(one, answer)

    async def _together(self, group: _Group, waiting: list[_Waiting]) -> None:
        body = msgspec.json.encode(group.body | {"input": [one.text for one in waiting]})
        try:
            answer = await self._inner.send("POST", _PATH, body, group.headers)
            try:
                whole = await answer.read()
            finally:
                answer.close()
            if answer.status != _OK:
                await self._refused(group, waiting, answer, whole)
                return
            parts = _split(whole, [len(one.text.encode()) for one in waiting])
        except Unavailable as err:
            for one in waiting:
                _fail(one, err)
            return
        for one, part in zip(waiting, parts, strict=True):
            told = Told("application/json", msgspec.json.encode(part))
            told.headers[GATHERED] = str(len(waiting))
            _give(one, told)

    async def _refused(
        self, group: _Group, waiting: list[_Waiting], answer: Answer, whole: bytes
    ) -> None:
        """Perhaps one text is wrong: each hears of its own. A busy provider is not asked more."""
        if answer.status in _MISTAKES:
            await asyncio.gather(*(self._alone(group, one) for one in waiting))
            return
        for one in waiting:
            told = Told("application/json", whole, answer.status)
            told.headers |= answer.headers
            _give(one, told)


def _name(tenant: str, asked: Mapping[str, Any]) -> str:
    """The group of a request: one tenant's, alike in everything but its text."""
    text = json.dumps([tenant, asked], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _split(whole: bytes, sizes: list[int]) -> list[dict[str, Any]]:
    """Each caller's answer out of the common one; Lost where it is not one."""
    try:
        found = msgspec.json.decode(whole)
        data = sorted(found["data"], key=lambda one: one["index"])
        if len(data) != len(sizes):
            raise Lost(f"{len(data)} embeddings for {len(sizes)} texts")
        usage = found.get("usage") or {}
        rest = {name: value for name, value in found.items() if name not in {"data", "usage"}}
        answers = [rest | {"data": [one | {"index": 0}]} for one in data]
        if isinstance(tokens := usage.get("prompt_tokens"), int):
            for answer, share in zip(answers, parted(tokens, sizes), strict=True):
                answer["usage"] = dict.fromkeys(_COUNTED, share)
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as err:
        raise Lost("an answer that holds no embeddings") from err
    return answers


def _give(one: _Waiting, answer: Answer) -> None:
    if one.answer.done():  # its caller has gone
        answer.close()
    else:
        one.answer.set_result(answer)


def _fail(one: _Waiting, err: Unavailable) -> None:
    if not one.answer.done():
        one.answer.set_exception(err)
