# SPDX-License-Identifier: Apache-2.0
"""Build the middleware from the settings, as one line in the application.

app.add_middleware(SecurityMiddleware, **protection(os.environ))"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twinguard.act.endpoints import override
from twinguard.act.pubsub import TopicPublisher
from twinguard.decide.threats.values import KeyFacts
from twinguard.errors import Misconfigured
from twinguard.guard import Guard
from twinguard.peppers import Peppers
from twinguard.places import open_places
from twinguard.reporter import Reporter
from twinguard.state.counters import Options, open_counters
from twinguard.tallies import Tallies
from twinguard.wiring import policy_from


def protection(env: Mapping[str, str], keys: Iterable[KeyFacts] = ()) -> dict[str, Any]:
    """The middleware's options. `keys` tells quotas; nothing is contacted yet.

    Misconfigured where a setting is missing or wrong: the application must not start unguarded."""
    policy = policy_from(env)
    url = env.get("TWINGUARD_COUNTERS")
    if not url:
        raise Misconfigured(
            "TWINGUARD_COUNTERS is missing; set it, for example to redis://127.0.0.1:6379/0, or to "
            "memory:// for one process alone"
        )
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
    return {
        "guard": Guard(open_counters(url, options), security, tallies, policy.environment.value),
        "key_id_of": Peppers.read(env).key_id,
        "reporter": reporter,
        "places": places,
    }
