# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLR2004 - shares, hours and rates are what traffic is about
"""The shapes of ordinary keys that detection must leave alone: fleets, phones, launches, travel.

Each changes a key's rate and sources; numbers are what such customers look like."""

from __future__ import annotations

from collections.abc import Callable

from twinguard.standins.traffic_keys import DAY, HOUR, Key, Who
from twinguard.standins.traffic_world import (
    PERSON_AGENTS,
    PHONE_AGENTS,
    SERVICE_AGENTS,
    agent,
    drawn,
)


def service(key: Key) -> None:
    """A backend on a few machines, day and night."""
    clouds = [key.found("hosting", "US" if key.chance.random() < 0.5 else "")]
    key.operators = clouds
    key.sources = [key.fresh(clouds) for _ in range(key.chance.randint(1, 6))]


def office(key: Key) -> None:
    """People behind one office address; some at home, a few over the company's VPN."""
    key.rate = key.office
    nat = [key.fresh([key.found("business")]) for _ in range(key.chance.randint(1, 2))]
    vpn = key.fresh([key.found("hosting")])
    people = [
        (key.fresh([key.found("eyeball")]), agent(key.chance, PERSON_AGENTS))
        for _ in range(key.chance.randint(2, 15))
    ]
    at_home, over_vpn = key.chance.uniform(0, 0.4), key.chance.choice((0.0, 0.05))

    def who(at: float) -> Who:
        number = key.chance.randrange(len(people))
        home, name = people[number]
        if drawn(f"{key.name} {number} {int(at // DAY)}").random() < at_home:
            return home, name
        return (vpn if key.chance.random() < over_vpn else key.chance.choice(nat)), name

    key.who = who


def nightly(key: Key) -> None:
    """A batch at night."""
    service(key)
    key.rate = key.nightly


def weekly(key: Key) -> None:
    """A weekly job on whatever runner is free."""
    service(key)
    key.rate = key.weekly


def month_end(key: Key) -> None:
    """A service with one day of ten times the load."""
    service(key)
    day = int(key.turn)
    key.rate = lambda at: key.steady(at) * (10 if int(at // DAY) == day else 1)


def fleet(key: Key) -> None:
    """Build machines: new addresses every job, of one cloud."""
    key.rate = key.office
    clouds = [key.world.operator(key.chance, "hosting", "US") for _ in range(2)]
    job, until = [""], [0.0]

    def who(at: float) -> Who:
        if at > until[0]:
            job[0], until[0] = key.fresh(clouds), at + key.chance.expovariate(1 / 900)
        return job[0], key.agents[0]

    key.who = who


def serverless(key: Key) -> None:
    """Functions whose addresses change all the time, in several regions."""
    name = key.world.operator(key.chance, "hosting").name
    clouds = [one for one in key.world.operators if one.name == name]
    clouds = key.chance.sample(clouds, min(len(clouds), key.chance.randint(1, 3)))
    key.who = lambda _: (key.fresh(clouds), key.agents[0])


def phone(key: Key) -> None:
    """One person's phone: home, mobile networks, other people's wireless."""
    key.rate = key.office
    key.volume = min(key.volume, 200)
    name, home = agent(key.chance, PHONE_AGENTS), key.fresh([key.found("eyeball")])
    mobile = [key.found("mobile")]

    def who(at: float) -> Who:
        of_hour = drawn(f"{key.name} {int(at // (HOUR / 2))}").random()
        if of_hour < 0.5:
            return home, name
        if of_hour < 0.97:
            return key.fresh(mobile), name
        return key.fresh([key.found("eyeball")]), name

    key.who = who


def app(key: Key) -> None:
    """One key in an app that many people use."""
    key.rate = key.steady
    operators = [key.found(kind) for kind in ("eyeball", "mobile") for _ in range(4)]
    people = [(key.fresh(operators), agent(key.chance, PHONE_AGENTS)) for _ in range(200)]

    def who(_: float) -> Who:
        number = key.chance.randrange(len(people))
        if key.chance.random() < 0.1:
            people[number] = (key.fresh(operators), people[number][1])
        return people[number]

    key.who = who


def proxy_pool(key: Key) -> None:
    """A company whose proxies have many addresses."""
    key.rate = key.office
    business = [key.found("business")]
    key.sources = [key.fresh(business) for _ in range(key.chance.randint(8, 40))]


def traveller(key: Key) -> None:
    """One person, twice abroad for some days: hotel and roaming phone."""
    key.rate = key.office
    key.volume = min(key.volume, 300)
    name, home = agent(key.chance, PERSON_AGENTS), key.fresh([key.found("eyeball")])
    trips = []
    for start in (key.turn, key.turn + key.chance.uniform(6, 10)):
        country = key.world.elsewhere(key.chance, key.country)
        away = [key.fresh([key.found(kind, country)]) for kind in ("eyeball", "mobile")]
        trips.append((start, start + key.chance.uniform(2, 5), away))

    def who(at: float) -> Who:
        for start, end, away in trips:
            if start <= at / DAY < end:
                return key.chance.choice(away), name
        return home, name

    def at_work(at: float) -> float:
        flying = any(0 <= edge - at / DAY < 0.6 for trip in trips for edge in trip[:2])
        return 0.0 if flying else key.office(at)

    key.rate = at_work

    key.who = who


def launch(key: Key) -> None:
    """Demand grows many times within hours and stays; the machines multiply."""
    service(key)
    times, over = key.chance.uniform(4, 30), key.chance.choice((0.1, 2.0, 6.0))
    more = [key.fresh(key.operators) for _ in range(12)]

    def growth(at: float) -> float:
        return 1 + (times - 1) * min(1.0, max(0.0, (at / DAY - key.turn) / over))

    key.volume = min(key.volume, 1500)
    key.rate = lambda at: key.steady(at) * growth(at)
    key.who = lambda at: (
        key.chance.choice(key.sources + more[: int(growth(at) / 2)]),
        key.agents[0],
    )


def upgrade(key: Key) -> None:
    """The client is rewritten: another agent from the same machines, rolled out in a day."""
    service(key)
    key.agents.append(agent(key.chance, SERVICE_AGENTS))
    key.who = lambda at: (
        key.chance.choice(key.sources),
        key.agents[key.chance.random() < at / DAY - key.turn],
    )


def region(key: Key) -> None:
    """A second region of the same cloud takes its share."""
    service(key)
    cloud = key.chance.choice([o for o in key.world.operators if o.name == "AMAZON-02"])
    others = [o for o in key.world.operators if o.name == cloud.name and o != cloud]
    new = key.chance.choice(others)
    key.sources = [key.fresh([cloud]) for _ in range(3)]
    away = [key.fresh([new]) for _ in range(3)]
    share = key.chance.uniform(0.1, 0.5)
    key.who = lambda at: (
        key.chance.choice(
            away if at / DAY > key.turn and key.chance.random() < share else key.sources
        ),
        key.agents[0],
    )


def migration(key: Key) -> None:
    """Everything moves to another cloud within a day."""
    service(key)
    other = [key.found("hosting", "US")]
    new = [key.fresh(other) for _ in range(3)]
    key.who = lambda at: (
        key.chance.choice(new if key.chance.random() < at / DAY - key.turn else key.sources),
        key.agents[0],
    )


def idle(key: Key) -> None:
    """Used for some days, forgotten for a week or two, used again, perhaps from elsewhere."""
    service(key)
    again = key.turn + key.chance.uniform(6, 10)
    new = [key.fresh(key.operators)]
    key.rate = lambda at: 0.0 if key.turn < at / DAY < again else key.steady(at)
    moves = key.chance.random() < 0.3
    key.who = lambda at: (
        key.chance.choice(new if moves and at / DAY > again else key.sources),
        key.agents[0],
    )


def developer(key: Key) -> None:
    """One or two people trying things from office and home, with whatever tool is at hand."""
    key.rate = key.office
    key.volume = min(key.volume, 150)
    places = [key.fresh([key.found("eyeball")]), key.fresh([key.found("business")])]
    tools = [agent(key.chance, PERSON_AGENTS) for _ in range(2)]
    tools += ["curl/8.4.0"]

    def who(at: float) -> Who:
        of_hour = drawn(f"{key.name} {int(at // HOUR)}")
        return of_hour.choice(places), of_hour.choice(tools)

    key.calls.append("/v1/models")
    key.who = who


def nameless(key: Key) -> None:
    """A service that is logged without an address, or with its host's name."""
    if key.chance.random() < 0.5:
        key.sources = [""]
    else:
        key.sources = [f"worker-{n}.prod.internal" for n in range(key.chance.randint(1, 4))]


SHAPES: dict[str, Callable[[Key], None]] = {
    shape.__name__: shape
    for shape in (
        *(service, office, nightly, weekly, month_end, fleet, serverless, phone, app),
        *(proxy_pool, traveller, launch, upgrade, region, migration, idle, developer, nameless),
    )
}
