# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLR2004 - shares, hours and rates are what traffic is about
"""The second author's owners: what else happens to keys that nobody stole.

Each yields one key's requests, not always in order; `second_traffic.py` sorts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twinguard.standins.second_world import BROWSERS, CLIENTS, DAY, HOUR, LANDS, Life
from twinguard.standins.traffic_world import Event, drawn

Owner = Callable[[Life], Iterator[Event]]


def backend(life: Life) -> Iterator[Event]:
    """A few machines of one cloud; now and then one is replaced."""
    machines = [life.server() for _ in range(life.chance.randint(1, 5))]
    for at in life.moments(life.tide):
        if life.chance.random() < 0.2 / max(40, life.daily):
            machines[life.chance.randrange(len(machines))] = life.server()
        status = 500 if life.chance.random() < 0.003 else 200
        yield life.say(at, life.chance.choice(machines), status=status)


def busy(life: Life) -> Iterator[Event]:
    """Some tens a minute from one gateway address, day and night."""
    life.daily, gateway = life.chance.uniform(9000, 20000), life.server()
    for at in life.moments(lambda _: 1 / 24):
        yield life.say(at, gateway)


def few(life: Life) -> Iterator[Event]:
    """A script once to five times a day."""
    life.daily, host = life.chance.uniform(1, 5), life.server()
    for at in life.moments(life.work):
        yield life.say(at, host)


def private(life: Life) -> Iterator[Event]:
    """Behind the firewall: private addresses or names of hosts, of which no file knows a thing."""
    pick = life.chance.random()
    hosts = [
        f"10.{life.chance.randrange(9)}.4.{n}" for n in range(2, 2 + life.chance.randint(1, 9))
    ]
    if pick < 0.4:
        hosts = [f"api-{n}.eu-west.prod.example.net" for n in range(3)]
    elif pick < 0.5:
        hosts = [""]
    for at in life.moments(life.tide):
        yield life.say(at, life.chance.choice(hosts))


def builds(life: Life) -> Iterator[Event]:
    """Hosted runners: every job another address, many regions, two or three tools."""
    tools = [*life.chance.sample(CLIENTS, 2), "curl/8.5.0"]
    lands = ("US", "NL", "IE", "SG")[: life.chance.randint(1, 4)]
    for at in life.moments(life.work, life.chance.uniform(5, 40)):
        ip, tool = life.server(life.chance.choice(lands)), life.chance.choice(tools)
        for number in range(life.chance.randint(2, 40)):
            yield life.say(at + 3 * number, ip, tool)


def handset(life: Life) -> Iterator[Event]:
    """A phone between wifi at home, at work, in cafés, and the mobile network."""
    name = f"ShopApp/9.{life.chance.randrange(9)} (Linux; Android 15)"
    fixed = [life.line("eyeball"), life.line("business")]
    carrier = life.chance.randrange(5)
    for at in life.moments(lambda at: life.tide(at) * 1.2, life.chance.uniform(20, 200)):
        turn = drawn(f"{life.name}{int(at // 1800)}")
        pick = turn.random()
        if pick < 0.55:
            ip = turn.choice(fixed)
        else:
            kind = "mobile" if pick < 0.95 else "eyeball"
            net = life.world.net(
                kind, life.home, carrier if kind == "mobile" else turn.randrange(5)
            )
            ip = life.world.ip(net, turn)
        yield life.say(at, ip, name)


def nat(life: Life) -> Iterator[Event]:
    """An office of thirty people behind one address; people come, go and work from home."""
    office, people = life.line("business"), []
    for _ in range(life.chance.randint(6, 30)):
        joins = life.chance.choice((0.0, 0.0, 0.0, life.chance.uniform(2, life.days)))
        people.append((life.line("eyeball"), life.chance.choice(BROWSERS), joins))
    for at in life.moments(life.work, min(life.daily, 3000)):
        line, name, joins = life.chance.choice(people)
        if at / DAY < joins:
            continue
        away = drawn(f"{life.name}{line}{int(at // DAY)}").random() < 0.2
        yield life.say(at, line if away else office, name)


def launch(life: Life) -> Iterator[Event]:
    """Ten times the demand within two hours, from the same machines or from many more."""
    life.daily = min(life.daily, 1500)
    machines = [life.server() for _ in range(2)]
    grows = life.chance.random() < 0.6
    for at in life.moments(life.tide, end=life.change):
        yield life.say(at, life.chance.choice(machines))
    if grows:
        machines += [life.server() for _ in range(life.chance.randint(3, 20))]
    ramp = life.change * DAY
    for at in life.moments(
        lambda at: life.tide(at) * min(1, 0.1 + (at - ramp) / (2 * HOUR)),
        10 * life.daily,
        start=life.change,
    ):
        yield life.say(at, life.chance.choice(machines))


def batch(life: Life) -> Iterator[Event]:
    """A job every few days, at any hour, on a machine made for it."""
    at = life.starts + 0.2
    while at < life.days:
        host = life.server()
        for number in range(life.chance.randint(100, 1500)):
            yield life.say(at * DAY + number * life.chance.uniform(0.5, 2), host)
        at += life.chance.uniform(1.2, 4)


def closing(life: Life) -> Iterator[Event]:
    """A quiet service, and at the end of the month fifteen times as much for a day and a half."""
    life.daily, hosts = min(life.daily, 800), [life.server(), life.server()]
    last = life.change + 1.5
    for at in life.moments(life.tide):
        yield life.say(at, life.chance.choice(hosts))
    for at in life.moments(life.tide, 14 * life.daily, life.change, last):
        yield life.say(at, life.chance.choice(hosts))


def journey(life: Life) -> Iterator[Event]:
    """A person with a laptop: a week abroad at hotels and on phone tethering, flight between."""
    name, home, office = life.chance.choice(BROWSERS), life.line("eyeball"), life.line("business")
    land = life.chance.choice([one for one in LANDS if one != life.home])
    there = [life.line("eyeball", land), life.line("mobile", land), life.line("business", land)]
    away = life.change + life.chance.uniform(2, 6)
    for at in life.moments(life.work, life.chance.uniform(20, 250)):
        day = at / DAY
        if any(0 < edge - day < 0.55 for edge in (life.change, away)):
            continue
        places = there if life.change < day < away else [home, office, office]
        yield life.say(at, drawn(f"{life.name}{int(at // 7200)}").choice(places), name)


def winter(life: Life) -> Iterator[Event]:
    """An office whose clocks change in the middle; some work early or late."""
    hosts = [life.line("business") for _ in range(2)]
    for at in life.moments(lambda at: life.work(at, -1.0 * (at / DAY > life.change))):
        yield life.say(at, life.chance.choice(hosts))


def rewrite(life: Life) -> Iterator[Event]:
    """The SDK is replaced by another one, at once or machine by machine; a new call comes too."""
    machines = [life.server() for _ in range(life.chance.randint(1, 4))]
    other = life.chance.choice([one for one in CLIENTS if one != life.agent])
    slow = life.chance.choice((0.0, 0.2, 1.5))
    for at in life.moments(life.tide):
        number = life.chance.randrange(len(machines))
        is_new = at / DAY > life.change + slow * number / len(machines)
        path = "/v1/responses" if is_new and life.chance.random() < 0.3 else ""
        yield life.say(at, machines[number], other if is_new else life.agent, path)


def second_region(life: Life) -> Iterator[Event]:
    """The same service also starts in another country of the same cloud."""
    here = [life.server() for _ in range(3)]
    land = life.chance.choice([one for one in ("US", "DE", "SG", "IE") if one != life.home])
    there = [life.server(land) for _ in range(3)]
    for at in life.moments(life.tide):
        part = min(0.5, max(0.0, (at / DAY - life.change) * life.chance.choice((0.2, 1))))
        yield life.say(at, life.chance.choice(there if life.chance.random() < part else here))


def branch(life: Life) -> Iterator[Event]:
    """A second office opens, in the same country, with its own people."""
    first, second = life.line("business", number=1), life.line("business", number=2)
    people = life.chance.sample(BROWSERS, 4)
    for at in life.moments(life.work, min(life.daily, 1500)):
        moved = at / DAY > life.change and life.chance.random() < 0.3
        yield life.say(at, second if moved else first, life.chance.choice(people))


def checked(life: Life) -> Iterator[Event]:
    """A service that an uptime checker asks from five regions, from the first day or later."""
    hosts = [life.server() for _ in range(2)]
    lands = ("US", "IE", "SG", "BR", "AU")
    probes = [life.world.ip(life.world.net("hosting", land, 1), life.chance) for land in lands]
    begin = life.chance.choice((life.starts, life.starts, life.change))
    for at in life.moments(life.tide):
        yield life.say(at, life.chance.choice(hosts))
    for number in range(int((life.days - begin) * 288)):
        at = begin * DAY + 300 * number
        yield life.say(
            at, probes[number % 5], "GoogleStackdriverMonitoring-UptimeChecks", "/health"
        )


def failover(life: Life) -> Iterator[Event]:
    """For some hours everything comes from the other datacentre; then it moves back."""
    first, second = [life.server() for _ in range(3)], [life.server(cloud=2) for _ in range(3)]
    back = life.change + life.chance.uniform(0.05, 0.4)
    for at in life.moments(life.tide):
        yield life.say(at, life.chance.choice(second if life.change < at / DAY < back else first))


def load_test(life: Life) -> Iterator[Event]:
    """Twenty times the usual for half an hour, by a tool, from the office or the own cloud."""
    hosts, office = [life.server() for _ in range(2)], life.line("business")
    for at in life.moments(life.tide, min(life.daily, 4000)):
        yield life.say(at, life.chance.choice(hosts))
    for at in life.moments(life.work, 15):
        yield life.say(at, office, "PostmanRuntime/7.42.0")
    source = office if life.chance.random() < 0.5 else hosts[0]
    for number in range(2000):
        yield life.say(life.change * DAY + number * 0.9, source, "k6/0.54.0 (https://k6.io/)")


def migration(life: Life) -> Iterator[Event]:
    """To another cloud over two days, both running."""
    old, new = [life.server() for _ in range(3)], [life.server(cloud=1) for _ in range(3)]
    for at in life.moments(life.tide):
        part = (at / DAY - life.change) / 2
        yield life.say(at, life.chance.choice(new if life.chance.random() < part else old))


def broken(life: Life) -> Iterator[Event]:
    """A bug of the own client: thirty times as many requests for an hour, refused with 429."""
    hosts = [life.server() for _ in range(2)]
    for at in life.moments(life.tide, min(life.daily, 3000)):
        yield life.say(at, life.chance.choice(hosts))
    for number in range(1800):
        yield life.say(life.change * DAY + 2 * number, hosts[0], status=429 if number % 3 else 400)


def new_lease(life: Life) -> Iterator[Event]:
    """A small shop: its line's address changes every few nights; the owner also uses a phone."""
    phone, lease = life.chance.randrange(5), life.chance.uniform(1, 6)
    for at in life.moments(life.work, life.chance.uniform(10, 120)):
        turn = drawn(f"{life.name}{int(at / DAY / lease)}")
        net = life.world.net("eyeball", life.home, phone)
        if life.chance.random() < 0.15:
            turn = drawn(f"{life.name}{int(at // HOUR)}")
            net = life.world.net("mobile", life.home, phone)
        yield life.say(at, life.world.ip(net, turn))


def lambdas(life: Life) -> Iterator[Event]:
    """Functions in one cloud: each request may come from another address."""
    for at in life.moments(life.tide, min(life.daily, 3000)):
        yield life.say(at, life.server())


def sisters(life: Life) -> Iterator[Event]:
    """Several keys of one owner: the same machines, and the same new ones on the same day."""
    place = drawn(f"{life.world.name} sisters")
    land, cloud = place.choice(LANDS), place.randrange(4)
    old, new = (life.world.net("hosting", land, cloud + step) for step in (0, 1))
    machines = [life.world.ip(old, place) for _ in range(3)]
    others = [life.world.ip(new, place) for _ in range(3)]
    moves = life.days * place.uniform(0.4, 0.8)
    for at in life.moments(life.tide, min(life.daily, 2000), 0.0):
        hour = (at / DAY - moves) * 24 / 12
        yield life.say(at, life.chance.choice(others if life.chance.random() < hour else machines))


def weekly(life: Life) -> Iterator[Event]:
    """A report every seventh day."""
    host, begin = life.server(), life.starts + life.chance.uniform(0.1, 3)
    for week in range(8):
        for number in range(life.chance.randint(20, 300)):
            at = (begin + 7 * week) * DAY + number * 4
            if at < life.days * DAY:
                yield life.say(at, host)


OWNERS: tuple[Owner, ...] = (
    *(backend, busy, few, private, builds, handset, nat, launch, batch, closing, journey, winter),
    *(rewrite, second_region, branch, checked, failover, load_test, migration, broken, new_lease),
    *(lambdas, weekly, sisters),
)
