# SPDX-License-Identifier: Apache-2.0
"""Build the middleware from the settings, as one line in the application.

app.add_middleware(SecurityMiddleware, **protection(os.environ))"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twinguard import state
from twinguard.act.endpoints import override
from twinguard.act.pubsub import TopicPublisher
from twinguard.customer_keys import CustomerKeys
from twinguard.decide.threats.values import KeyFacts
from twinguard.errors import Misconfigured
from twinguard.guard import Guard
from twinguard.keyring import Keyring
from twinguard.peppers import Peppers
from twinguard.places import open_places
from twinguard.policy import Policy
from twinguard.reporter import Reporter
from twinguard.state.counters import Options, open_counters
from twinguard.tallies import Tallies
from twinguard.wiring import policy_from, required


def protection(env: Mapping[str, str], keys: Iterable[KeyFacts] = ()) -> dict[str, Any]:
    """The middleware's options. `keys` tells quotas; nothing is contacted yet.

    Misconfigured where a setting is missing or wrong: the application must not start unguarded."""
    policy = policy_from(env)
    if not env.get("TWINGUARD_COUNTERS"):
        raise Misconfigured(
            "TWINGUARD_COUNTERS is missing; set it, for example to redis://127.0.0.1:6379/0, or to "
            "memory:// for one process alone"
        )
    peppers = Peppers.read(env)
    records = state.open_records(required(env, "TWINGUARD_RECORDS", "sqlite:///twinguard.db"))
    customers = CustomerKeys(records, policy.environment, policy.retention, peppers)
    return protected(policy, env, Keyring(customers, peppers), keys)


def protected(
    policy: Policy, env: Mapping[str, str], keyring: Keyring, keys: Iterable[KeyFacts] = ()
) -> dict[str, Any]:
    """The same with a policy and a keyring that are there already."""
    security, tallies, places = policy.security, Tallies(), open_places(env)
    options = Options(
        keys=keys,
        place_of=places,
        timeout=security.timeout_ms / 1000,
        authorities=env.get("TWINGUARD_COUNTERS_CA", ""),
    )
    topic, reporter = env.get("TWINGUARD_USAGE_TOPIC"), None
    if topic:
        endpoint = override(env, "PUBSUB_ENDPOINT", "PUBSUB_EMULATOR_HOST")
        reporter = Reporter(TopicPublisher(endpoint), topic, tallies)
    tallies.gauge("key_store_down", lambda: float(keyring.is_down()))
    counters = open_counters(env["TWINGUARD_COUNTERS"], options)
    guard = Guard(counters, security, tallies, policy.environment.value)
    guard.blocks.before_lift = keyring.forget
    return {
        "guard": guard,
        "key_id_of": keyring.named,
        "reporter": reporter,
        "places": places,
    }
