# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLR2004 - shares, hours and rates are what traffic is about
"""The third author's owners, and what happens to owners: none of it is a theft."""

from __future__ import annotations

from collections.abc import Callable

from twinguard.standins.third_world import (
    ABROAD,
    CLOUDS,
    DAY,
    DESKS,
    HOUR,
    MINUTE,
    SDKS,
    Net,
    Owner,
    named,
)


def backend(o: Owner) -> None:
    """Some machines; a deployment every few days brings versions, sometimes addresses."""
    pool = o.addresses(o.chance.randint(1, 5))
    release = 0
    for at in o.times(lambda at: o.per_hour * o.round(at)):
        if o.chance.random() < 1 / (3 * 24 * o.per_hour):
            release += 1
            if o.chance.random() < 0.5:
                pool[o.chance.randrange(len(pool))] = o.addresses(1)[0]
        o.use(at, o.chance.choice(pool), o.agent.replace(".0", f".{release}"))


def autoscaled(o: Owner) -> None:
    """As many machines as the hour needs, each for some hours."""
    pool: dict[str, float] = {}
    for at in o.times(lambda at: 2 * o.per_hour * o.round(at)):
        pool = {ip: until for ip, until in pool.items() if until > at}
        while len(pool) < 1 + 5 * o.round(at):
            pool[o.addresses(1)[0]] = at + o.chance.expovariate(1 / (5 * HOUR))
        o.use(at, o.chance.choice(list(pool)))


def serverless(o: Owner) -> None:
    """Any address of a cloud's region, for each request another."""
    nets = [o.net, *([_elsewhere(o)] if o.chance.random() < 0.4 else [])]
    pool = o.addresses(300)
    for at in o.times(lambda at: o.per_hour * o.round(at)):
        ip = o.chance.choice(pool) if o.chance.random() < 0.5 else o.addresses(1, nets[-1])[0]
        o.use(at, ip)


def nat_gateway(o: Owner) -> None:
    """Several services behind one address."""
    (ip,) = o.addresses(1)
    agents = [o.agent, *(named(o.chance, SDKS) for _ in range(3))]
    for at in o.times(lambda at: o.per_hour * o.round(at)):
        o.use(at, ip, o.chance.choice(agents))


def desktop_team(o: Owner) -> None:
    """People between home, office and telephones; one joins later, another goes abroad."""
    earth, chance = o.earth, o.chance
    office = o.addresses(1, earth.net(chance, "business", o.land))[0]
    people = chance.randint(2, 6)
    away = chance.uniform(1, o.days)
    for number in range(people):
        home = earth.net(chance, "eyeball", o.land)
        mobile = earth.net(chance, "mobile", o.land)
        abroad = earth.net(chance, chance.choice(("eyeball", "business")), chance.choice(ABROAD))
        agent = named(chance, DESKS)
        joined = chance.uniform(0, o.days) * DAY if number == people - 1 else o.starts * DAY
        kept = o.addresses(1, home)[0]
        at = joined
        while at < o.days * DAY:
            at += chance.expovariate(1 / (3 * HOUR))
            if chance.random() > 3 * o.office(at):
                continue
            if chance.random() < 0.02:
                kept = o.addresses(1, home)[0]
            where = chance.choices((office, kept, o.addresses(1, mobile)[0]), (5, 4, 1))[0]
            if number == 0 and away < at / DAY < away + 2:
                where = o.addresses(1, abroad)[0]
            _session(o, at, where, agent)


def solo(o: Owner) -> None:
    """One developer, evenings and weekends, with whatever comes to hand; a small quota."""
    o.environment, o.quota = "development", 60
    home, cafe = o.earth.net(o.chance, "eyeball", o.land), o.earth.net(o.chance, "mobile", o.land)
    ip, at = o.addresses(1, home)[0], o.starts * DAY
    agents = [named(o.chance, DESKS) for _ in range(3)]
    while at < o.days * DAY:
        at += o.chance.expovariate(1 / (5 * HOUR))
        if o.local(at) < 9 and o.chance.random() < 0.9:
            continue
        where = o.addresses(1, cafe)[0] if o.chance.random() < 0.1 else ip
        _session(o, at, where, o.chance.choice(agents), failing=0.15)


def ci_runner(o: Owner) -> None:
    """A hosted runner's machine for every job, and refusals when jobs meet; a small quota."""
    o.environment, o.quota = "ci", 30
    agents = [named(o.chance, SDKS) for _ in range(2)]
    nets = [o.net, o.net, _elsewhere(o)]
    for at in o.times(lambda at: 1.2 * o.office(at) + 0.05):
        ip, agent = o.addresses(1, o.chance.choice(nets))[0], o.chance.choice(agents)
        now, many = at, o.chance.randint(8, 60)
        for number in range(many):
            now += o.chance.expovariate(1)
            o.use(now, ip, agent, status=429 if number > 30 and o.chance.random() < 0.4 else 0)


def phone_app(o: Owner) -> None:
    """A key inside an app: telephones and homes of one or three countries."""
    lands = [o.land, *o.chance.choice(((), ("US", "GB")))]
    nets = [o.earth.net(o.chance, kind, land) for land in lands for kind in ("mobile", "eyeball")]
    pool = [ip for net in nets for ip in o.addresses(60, net)]
    systems = ("Shopper/7.{} (iOS 18.1)", "Shopper/7.{} (Android 15; SM-S911)")
    for at in o.times(lambda at: o.per_hour * o.round(at)):
        if o.chance.random() < 0.3:
            pool[o.chance.randrange(len(pool))] = o.addresses(1, o.chance.choice(nets))[0]
        o.use(at, o.chance.choice(pool), o.chance.choice(systems).format(int(at // (4 * DAY))))


def nightly(o: Owner) -> None:
    """A job at night, on the same machine or on a new one each time."""
    hour, many = o.chance.uniform(0, 5), o.chance.randint(100, 900)
    kept = o.addresses(1)[0] if o.chance.random() < 0.5 else ""
    for day in range(int(o.starts), o.days):
        ip, at = kept or o.addresses(1)[0], day * DAY + hour * HOUR + o.chance.uniform(0, 600)
        for _ in range(round(many * o.chance.uniform(0.7, 1.4))):
            at += o.chance.expovariate(0.5)
            o.use(at, ip)


def every_few_days(o: Owner) -> None:
    """A report that runs twice a week."""
    ip = o.addresses(1)[0]
    for day in range(o.days):
        if day % 7 in {0, 3}:
            at = day * DAY + 6 * HOUR
            for _ in range(o.chance.randint(40, 200)):
                at += o.chance.expovariate(0.3)
                o.use(at, ip)


def named_hosts(o: Owner) -> None:
    """A log that writes host names instead of addresses."""
    hosts = [f"worker-{n}.eu1.partner.example" for n in range(o.chance.randint(2, 9))]
    for at in o.times(lambda at: o.per_hour * o.round(at)):
        o.use(at, o.chance.choice(hosts))


def private(o: Owner) -> None:
    """Inside a network of its own: private addresses, restarted pods."""
    for at in o.times(lambda at: o.per_hour * o.round(at)):
        pod = int(at // (9 * HOUR))
        o.use(at, f"10.{o.days}.{pod % 30}.{o.chance.randrange(3, 9)}")


def nameless(o: Owner) -> None:
    """A log that has no addresses for most requests."""
    ip = o.addresses(1)[0]
    for at in o.times(lambda at: o.per_hour * o.office(at)):
        o.use(at, "" if o.chance.random() < 0.8 else ip)


def agent_loops(o: Owner) -> None:
    """Quiet, then some hundred calls in minutes."""
    ips = o.addresses(2)
    for at in o.times(lambda at: 0.8 * o.office(at) + 0.1):
        now, ip = at, o.chance.choice(ips)
        for _ in range(o.chance.randint(30, 200)):
            now += o.chance.expovariate(1.2)
            o.use(now, ip)


def three_regions(o: Owner) -> None:
    """One cloud, three regions, of which one takes over another's load at times."""
    nets = [o.net, _elsewhere(o), _elsewhere(o)]
    pools = [o.addresses(3, net) for net in nets]
    for at in o.times(lambda at: 1.5 * o.per_hour * o.round(at)):
        down = int(at // DAY) % 5
        up = [pool for number, pool in enumerate(pools) if number != down]
        o.use(at, o.chance.choice(o.chance.choice(up)))


def _elsewhere(o: Owner) -> Net:
    return o.earth.net(o.chance, "hosting", among=(o.net.operator,))


def _session(o: Owner, at: float, ip: str, agent: str, failing: float = 0.02) -> None:
    for _ in range(o.chance.randint(3, 30)):
        at += o.chance.expovariate(1 / 40)
        status = o.chance.choice((400, 401, 404, 429)) if o.chance.random() < failing else 0
        o.use(at, ip, agent, status=status)


# --- what happens to owners -----------------------------------------------------------------------


def spike(o: Owner, at: float) -> None:
    """A sale: the known machines do eight times as much for some hours."""
    ips = _recent(o, at)
    for now in o.times(lambda _: 8 * o.per_hour, at, at + 4 * HOUR):
        o.use(now, o.chance.choice(ips))


def retries(o: Owner, at: float) -> None:
    """An outage: everything fails, and everything is tried again."""
    ips = _recent(o, at)
    for now in o.times(lambda _: 5 * o.per_hour + 60, at, at + HOUR):
        o.use(now, o.chance.choice(ips), status=o.chance.choice((429, 500, 503)))


def new_client(o: Owner, at: float) -> None:
    """Another library on the same machines from now on."""
    agent = named(o.chance, SDKS)
    o.own = [e._replace(agent=agent) if e.at > at and e.agent == o.agent else e for e in o.own]


def moved_region(o: Owner, at: float) -> None:
    """The same cloud, elsewhere: all sources are other ones from now on, one by one."""
    net, moved = _elsewhere(o), dict[str, str]()
    for number, event in enumerate(o.own):
        if event.at > at and (event.ip in moved or o.chance.random() < 0.2):
            new = moved.setdefault(event.ip, o.earth.address(net, o.chance))
            o.own[number] = event._replace(ip=new)


def other_cloud(o: Owner, at: float) -> None:
    """A second cloud in the same country takes a growing share over three days."""
    net = o.earth.net(o.chance, "hosting", o.land, but=o.net.operator, among=CLOUDS)
    ips = o.addresses(2, net)
    for number, event in enumerate(o.own):
        if event.at > at and o.chance.random() < (event.at - at) / (3 * DAY):
            o.own[number] = event._replace(ip=o.chance.choice(ips))


def debugging(o: Owner, at: float) -> None:
    """An engineer tries the key by hand, from the office or from home, by day."""
    kind, tool = o.chance.choice(("business", "eyeball")), named(o.chance, DESKS)
    ip = o.addresses(1, o.earth.net(o.chance, kind, o.land))[0]
    begin = at + ((11 - o.local(at)) % 24) * HOUR
    for number in range(o.chance.randint(2, 9)):
        o.use(begin + number * MINUTE * o.chance.uniform(0.5, 1.5), ip, tool)


def holiday(o: Owner, at: float) -> None:
    """Nothing for two days."""
    o.own = [event for event in o.own if not at < event.at < at + 2 * DAY]


def _recent(o: Owner, at: float) -> list[str]:
    near = [event.ip for event in o.own if at - DAY < event.at < at]
    return near[-40:] or [event.ip for event in o.own[:9]] or o.addresses(1)


Habit = Callable[[Owner], None]
Happening = Callable[[Owner, float], None]

OWNERS: tuple[Habit, ...] = (
    *(backend, desktop_team, autoscaled, phone_app, ci_runner, serverless, solo, nightly),
    *(three_regions, nat_gateway, agent_loops, private, named_hosts, nameless, every_few_days),
)
SERVICES = (backend, autoscaled, nat_gateway, three_regions, agent_loops, nightly)
HAPPENINGS: tuple[Happening, ...] = (
    *(spike, retries, new_client, moved_region, other_cloud, debugging, holiday),
)
