# SPDX-License-Identifier: Apache-2.0
"""Build the gateway from the settings. A setting that is missing or wrong stops it here, by name.

The only file of the gateway that reads the clock for people; nothing is contacted yet."""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from twinguard import logs, state
from twinguard.act.endpoints import override
from twinguard.act.pubsub import TopicPublisher
from twinguard.customer_keys import CustomerKeys
from twinguard.decide.ledger import Scope as LedgerScope
from twinguard.decide.llm_routes import route_of, served
from twinguard.decide.rates import Unpriced
from twinguard.decide.stops import stop
from twinguard.decide.threats.values import Use
from twinguard.errors import Misconfigured, Unavailable
from twinguard.journal import Journal
from twinguard.keyring import Keyring, Named
from twinguard.llm.attempts import Attempts
from twinguard.llm.batch_api import BatchApi
from twinguard.llm.budgets import budgets_of
from twinguard.llm.cache import open_cache
from twinguard.llm.doorkeeper import SECONDS, Doorkeeper
from twinguard.llm.gateway import Gateway
from twinguard.llm.gather import Gathering
from twinguard.llm.ledger import Ledger, open_ledger
from twinguard.llm.ledger_book import Book
from twinguard.llm.ledger_kept import KeptLedger
from twinguard.llm.limits import open_limits
from twinguard.llm.meter import Meter
from twinguard.llm.mock import Mock, Recorder
from twinguard.llm.offline import Offline
from twinguard.llm.prices import Prices
from twinguard.llm.providers import OPENAI_ADDRESS, Providers, Sender
from twinguard.llm.serving import Serving
from twinguard.llm.upkeep import Upkeep
from twinguard.llm.usage_log import FileLog, Nowhere, Teller, TopicLog, UsageLog
from twinguard.peppers import Peppers
from twinguard.policy import OPENAI, Policy
from twinguard.policy import Gateway as Block
from twinguard.ports import Records
from twinguard.secret_text import SecretText
from twinguard.settled import settled
from twinguard.web.middleware import Refused, Scope, SecurityMiddleware, Send
from twinguard.web.opened import protected
from twinguard.wiring import WRONG_SETTINGS, policy_from, required

__all__ = ["SECRETS", "Parts", "application", "offline_from", "parts_from"]

SECRETS: Final = ("OPENAI_API_KEY", "TWINGUARD_KEY_PEPPER")
"""Settings whose values are cut out of every log line."""

MEMORY: Final = "memory://"
_log = logging.getLogger("twinguard.gateway")
_KEYS = "TWINGUARD_PROVIDER_KEYS"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Parts(Struct, frozen=True):
    """A gateway, and what of it others want to look at."""

    app: SecurityMiddleware
    ledger: Ledger
    meter: Meter


def application() -> SecurityMiddleware:
    """What a server starts in a container: `uvicorn --factory …gateway_wiring:application`."""
    env = os.environ
    logs.configure([env[name] for name in SECRETS if env.get(name)])
    try:
        found = parts_from(policy_from(env), env).app
    except Misconfigured as err:
        _log.critical("the gateway cannot start: %s", err)
        raise SystemExit(WRONG_SETTINGS) from None
    settled()
    return found


def parts_from(
    policy: Policy,
    env: Mapping[str, str],
    *,
    records: Records | None = None,
    usage_log: UsageLog | None = None,
) -> Parts:
    """The gateway of one environment."""
    block, name = policy.gateway or Block(), policy.environment.value
    if records is None:
        records = state.open_records(required(env, "TWINGUARD_RECORDS", "sqlite:///twinguard.db"))
    peppers = Peppers.read(env)
    keys = CustomerKeys(records, policy.environment, policy.retention, peppers)
    counters = env.get("TWINGUARD_COUNTERS", MEMORY)
    known: dict[LedgerScope, int] = {}
    book = Book(records, policy.retention)
    authorities = env.get("TWINGUARD_COUNTERS_CA", "")
    budgets = budgets_of(policy, known)
    ledger = KeptLedger(open_ledger(counters, name, budgets, book.known, authorities), book)
    teller = Teller(usage_log or _usage_log(env))
    prices = _warmed(policy)
    blocks = not counters.startswith(MEMORY)
    meter = Meter(ledger, prices, name, teller, _now, block.lease_seconds, blocks=blocks)
    policy, providers = _providers(policy, env, block.gather_milliseconds / 1000)
    attempts = Attempts(providers, meter, block.seconds, block.retries)
    kept = env.get("TWINGUARD_CACHE", MEMORY)
    cache = open_cache(kept, name, block.cache.seconds, block.cache.megabytes, authorities)
    limits = open_limits(counters, name, authorities)
    serving = Serving(policy, meter, attempts, limits, cache)

    journal = Journal(records, policy.retention)
    upkeep = Upkeep(ledger, lambda: stop(journal.breaker().value, None), _now)

    async def close() -> None:
        await serving.finish()
        await meter.finish()
        await upkeep.end()
        providers.close()
        teller.close()

    keyring = Keyring(keys, peppers, _now, SECONDS)
    doorkeeper = Doorkeeper(keyring, policy.security, _now, known)
    gateway = Gateway(policy, doorkeeper, serving, upkeep, close)
    options = protected(policy, {**env, "TWINGUARD_COUNTERS": counters}, keyring)
    return Parts(_guarded(gateway, block, options), ledger, meter)


def _guarded(gateway: Gateway, block: Block, options: Mapping[str, Any]) -> SecurityMiddleware:
    """The gateway behind the guard that applications have, which refuses in OpenAI's shape.

    What is no customer's key is good for nothing here, so its use says nothing."""
    networks = [ip_network(text) for text in block.guarded_networks]

    def ignores(use: Use, named: Named) -> bool:
        return not named.is_customers or _is_in(use.ip, networks)

    async def refuse(scope: Scope, send: Send, refused: Refused) -> None:
        await gateway.turn_away(
            scope, send, refused.status, refused.words, refused.key_id, refused.wait
        )

    return SecurityMiddleware(gateway, **options, ignores=ignores, refuse=refuse)


def _is_in(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        return any(ip_address(address) in network for network in networks)
    except ValueError:
        return False


def _providers(policy: Policy, env: Mapping[str, str], seconds: float) -> tuple[Policy, Providers]:
    """Who is asked, and the policy by which: while answers are recorded, nothing is mocked."""
    folder = Path(env["TWINGUARD_LLM_FIXTURES"]) if env.get("TWINGUARD_LLM_FIXTURES") else None
    records_to = folder if env.get("TWINGUARD_LLM_RECORD") == "1" else None
    if records_to is not None:
        policy = replace(policy, mocks=None)

    def through(sender: Sender) -> Sender:
        if records_to is not None:
            sender = Recorder(sender, records_to)
        return Gathering(sender, seconds) if seconds else sender

    mock, keys = Mock(folder if records_to is None else None), KeyFiles(env)
    providers = Providers(policy, keys.key_of, openai=_openai(env), mock=mock, through=through)
    return policy, providers


@contextmanager
def offline_from(policy: Policy, env: Mapping[str, str], records: Records) -> Iterator[Offline]:
    """What sends batches; at the end the ledger's sums and the usage lines are written down."""
    book = Book(records, policy.retention)
    counters = env.get("TWINGUARD_COUNTERS", MEMORY)
    authorities = env.get("TWINGUARD_COUNTERS_CA", "")
    name, budgets = policy.environment.value, budgets_of(policy)
    ledger = KeptLedger(open_ledger(counters, name, budgets, book.known, authorities), book)
    teller = Teller(_usage_log(env))
    api = BatchApi(_openai(env) or OPENAI_ADDRESS, KeyFiles(env).key_of(OPENAI))
    try:
        yield Offline(policy, ledger, Prices(), records, api, teller, _now)
    finally:
        ledger.flush()
        teller.close()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class KeyFiles:
    """Providers' keys: a file each in `TWINGUARD_PROVIDER_KEYS`, or OpenAI's in `OPENAI_API_KEY`.

    Or a folder each with a file `key`, as Cloud Run mounts secrets, no two into one. A file is read
    for each request, so that a rotation needs no restart."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._folder = Path(env[_KEYS]) if env.get(_KEYS) else None
        self._openai = SecretText(env.get("OPENAI_API_KEY", ""))

    def key_of(self, provider: str) -> SecretText:
        """A provider's key; Unavailable where there is none."""
        if self._folder is not None:
            path = self._folder / provider
            try:
                text = (path / "key" if path.is_dir() else path).read_text(encoding="ascii").strip()
            except (OSError, UnicodeDecodeError) as err:
                raise Unavailable(
                    f"{_KEYS}: the key of {provider} cannot be read; mount its secret there"
                ) from err
            if not text or not text.isprintable() or " " in text:
                raise Unavailable(f"{_KEYS}: the key of {provider} is not one line of text")
            return SecretText(text)
        if provider != OPENAI or not self._openai:
            raise Unavailable(
                f"there is no key of {provider}; set {_KEYS} to a folder with a file of that name"
                + (", or OPENAI_API_KEY" if provider == OPENAI else "")
            )
        return self._openai


def _warmed(policy: Policy) -> Prices:
    """Prices that are loaded already; what nobody priced is an alarm from the start."""
    prices = Prices()
    for model, block in served(policy).items():
        found = prices.rate(model, route_of(policy, model, block).prices, _now())
        if isinstance(found, Unpriced):
            _log.error("unpriced: %s of %s: %s", found.model, found.provider, found.why)
    return prices


def _usage_log(env: Mapping[str, str]) -> UsageLog:
    place = env.get("TWINGUARD_LLM_USAGE", "")
    if not place:
        return Nowhere()
    if place.startswith("projects/"):
        publisher = TopicPublisher(override(env, "PUBSUB_ENDPOINT", "PUBSUB_EMULATOR_HOST"))
        return TopicLog(publisher, place)
    return FileLog(Path(place))


def _openai(env: Mapping[str, str]) -> str:
    """OpenAI's address, unless a stand-in on this machine takes its place."""
    address = env.get("OPENAI_ENDPOINT", "")
    if not address:
        return ""
    parts = urlsplit(address)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        raise Misconfigured(
            f"OPENAI_ENDPOINT is for {parts.hostname!r}; write http://127.0.0.1:PORT, or leave it "
            "out for OpenAI's own address"
        )
    return address if parts.path.strip("/") else f"{address.rstrip('/')}/v1"
