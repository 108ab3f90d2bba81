# SPDX-License-Identifier: Apache-2.0
"""Read addresses, agents and paths once each: the same few come again and again. Bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twinguard.decide.threats.sources import (
    Source,
    agent_family,
    blocks,
    normal_address,
    path_class,
    source_of,
)
from twinguard.decide.threats.values import Place, Use

_CUT = 512
T = TypeVar("T")


class Reader:
    """What uses say, in the form that is compared."""

    def __init__(self, place_of: Callable[[str], Place | None], most: int) -> None:
        self._place_of = place_of
        self._most = most
        self._sources: dict[str, Source] = {}
        self._agents: dict[str, str] = {}
        self._paths: dict[str, str] = {}
        self._near: dict[str, Place | None] = {}

    def _place(self, address: str) -> Place | None:
        """Where an address is; where that is unknown, where all its known neighbours are."""
        place = self._place_of(address)
        for block in blocks(address):
            if place is None:
                near = self._near.get(block)
                if near is not None:
                    return near
            elif self._near.setdefault(block, place) != place:
                self._near[block] = None
        if len(self._near) > self._most:
            self._near.clear()
        return place

    def read(self, use: Use) -> tuple[Source, str, str]:
        """The source, the agent's family and the path's class of a use."""
        ip, name, way = use.ip[:_CUT], use.user_agent[:_CUT], use.path[:_CUT]
        source = self._sources.get(ip)
        if source is None:
            source = self._kept(self._sources, ip, source_of(ip, self._place(normal_address(ip))))
        agent = self._agents.get(name)
        if agent is None:
            agent = self._kept(self._agents, name, agent_family(name))
        path = self._paths.get(way)
        if path is None:
            path = self._kept(self._paths, way, path_class(way))
        return source, agent, path

    def _kept(self, cache: dict[str, T], key: str, value: T) -> T:
        if len(cache) >= self._most:
            cache.clear()
        cache[key] = value
        return value
