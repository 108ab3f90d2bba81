# SPDX-License-Identifier: Apache-2.0
"""What was promised and what was seen, act by act. Looks only at what the acts brought back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from e2e.nights import NightSeen
from e2e.place import Place
from e2e.rotation import RotationSeen
from e2e.spend import SpendSeen
from e2e.theft import AWAY, BLOCKED, WITHIN, TheftSeen
from e2e.traffic import OK
from twinguard.cli.heard import Heard
from twinguard.cli.promised_effects import Promise
from twinguard.cli.stage import shown
from twinguard.decide.model import Kind, Resource
from twinguard.policy import Channel, Level, Policy


def of_theft(seen: TheftSeen, policy: Policy) -> Iterator[Promise]:
    """Found, blocked everywhere, told, counted, given back."""
    late = [f"{where} {s:.1f} s" for where, s in seen.blocked_after.items() if s > WITHIN]
    everywhere = ", ".join(seen.blocked_after)
    yield Promise(
        "a stolen key is blocked on every instance within a second",
        everywhere,
        ", ".join(late) or everywhere,
    )
    yield Promise(
        "who else asks meanwhile is served",
        "all of them",
        "all of them" if not seen.bystanders else f"not: {_statuses(seen.bystanders)}",
    )
    finding = max(seen.incident["findings"], key=lambda one: Level(one["threat_level"].lower()))
    evidence = finding["evidence"]
    facts = {
        "address": AWAY.address in evidence["address"],
        "country": AWAY.country in evidence["new_countries"],
        "agent": any(one and one in AWAY.agent for one in evidence["new_agents"]),
        "volume": evidence["strange_requests"] > 1,
    }
    names = ", ".join(facts)
    yield Promise("the incident has the evidence", names, ", ".join(n for n in facts if facts[n]))
    last = max(seen.incident["findings"], key=lambda one: one["timestamp"])
    yield Promise(
        "what the thief was served is counted",
        f"{seen.served} requests, and one refused",
        f"{last['evidence']['strange_requests'] - 1} requests, and one refused",
    )
    source = seen.incident["sources"].get(AWAY.address, {"requests": 0})
    twice = max(0, source["requests"] - seen.served - 1)
    yield Promise("killed in the middle, on_usage counts nothing twice", "killed, 0",
                  f"{_killed(seen.was_killed)}, {twice}")  # fmt: skip
    yield _once(policy, "the theft is told once by each channel", "CRITICAL: API", seen.heard)
    yield Promise(
        "blocks hold while Redis is down, and after", _all(seen.outage, BLOCKED), _said(seen.outage)
    )
    yield Promise("nothing is spent while Redis is down", "0 calls", f"{seen.unheld_calls} calls")
    yield Promise("after the lift the owner works again", _all(seen.owner, OK), _said(seen.owner))
    yield Promise("the thief who comes back is blocked again", "blocked", seen.thief_again)


def of_spend(seen: SpendSeen, policy: Policy) -> Iterator[Promise]:
    """Told once, capped, put back."""
    assert policy.budget is not None
    for rung in policy.budget.thresholds:
        is_cap = rung.level is Level.CRITICAL
        phrase = "is used up" if is_cap else f"passed {rung.percent:f} %"
        yield _once(
            policy, f"{rung.percent:f} % spent is told once", phrase, seen.heard, rung.level
        )
    outage = [one.headline for one in seen.heard if "delivered by slack" in one.headline]
    yield Promise("people hear that Slack is dead, and back", "2", str(len(outage)))
    yield Promise("nothing is held below the cap", "0", str(_changed(seen.before, seen.below)))
    held = {r for r in seen.before if not _is_critical(r, policy)}
    after = {r for r in seen.before if seen.capped[r] != seen.before[r]}
    yield Promise("the cap holds what is not critical", _names(held), _names(after))
    stopped = {r for r in held if r.kind is Kind.SERVICE}
    idle = {r for r in stopped if shown(seen.capped[r]) == "stopped"}
    yield Promise("services that it holds are stopped", _names(stopped), _names(idle))
    paused = held - stopped
    quiet = {r for r in paused if shown(seen.capped[r]) == "paused"}
    yield Promise("subscriptions that it holds are paused", _names(paused), _names(quiet))
    yield Promise(
        "kill -9 in the middle of the cap is survived", "killed", _killed(seen.was_killed)
    )
    yield Promise(
        "the breaker opens at the cap, closes with the period",
        "closed, open, closed, closed",
        ", ".join("open" if one else "closed" for one in seen.breaker),
    )
    yield Promise("the application serves, refuses, serves", "200, 503, 200", _listed(seen.shop))
    reason = "cloud_budget" if '"cloud_budget"' in seen.reason else seen.reason[:60]
    yield Promise("503 says why, and health is still answered", "cloud_budget, 200",
                  f"{reason}, {seen.open_route}")  # fmt: skip
    changed = _changed(seen.capped, seen.late)
    yield Promise("late and repeated readings change nothing", "0", str(changed))
    yield _put_back("the new period puts all back, byte for byte", seen.before, seen.after)


def of_rotation(seen: RotationSeen) -> Iterator[Promise]:
    """No request fails, the new key is used, the old one ends."""
    yield Promise(
        "no request fails while the provider's key is replaced",
        "0 failed",
        f"{len(seen.failed)} failed",
    )
    used = "the old one, then the new one"
    is_so = seen.used == [seen.old, seen.new] and seen.old != seen.new
    yield Promise("both keys were used, in this order", used, used if is_so else str(seen.used))
    old = "alive" if seen.old_at_provider else "gone"
    yield Promise("the old key ends at the provider", "gone", old)
    states = ", ".join(seen.versions.values())
    yield Promise("its version is destroyed after its time", "ENDING, ENABLED", states)


def of_night(seen: NightSeen, policy: Policy) -> Iterator[Promise]:
    """Asleep, not awake too early, all put back."""
    assert policy.schedule is not None
    wanted = {*policy.schedule.services, *policy.schedule.subscriptions}
    asleep = {r for r in seen.before if seen.asleep[r] != seen.before[r]}
    expected = _names(r for r in seen.before if r.short in wanted)
    yield Promise("a night puts its schedule to sleep", expected, _names(asleep))
    yield Promise("kill -9 in the middle of it is survived", "killed", _killed(seen.was_killed))
    changed = _changed(seen.asleep, seen.early)
    yield Promise("a morning that comes too early wakes nothing", "0", str(changed))
    yield _put_back("the morning puts all back, byte for byte", seen.before, seen.after)


def of_whole(place: Place) -> Iterator[Promise]:
    """What holds over all acts."""
    deliveries = tuple(place.carrier.deliveries)
    handed = {(one.entry_point, one.message_id) for one in deliveries}
    done = {(one.entry_point, one.message_id) for one in deliveries if one.status == OK}
    yield _share("every message is acknowledged in the end", len(handed), len(handed & done))
    letters = len(place.records.find("dead_letters"))
    yield Promise("no message is given up", "0", str(letters))
    audit = place.records.find("audit")
    begun = {one.id: one.value for one in audit if one.value["phase"] == "begun"}
    ended = {str(one.value["begun"]) for one in audit if one.value["phase"] == "ended"}
    cut = begun.keys() - ended
    whole = {_what(begun[one]) for one in begun.keys() & ended}
    taken_up = sum(_what(begun[one]) in whole for one in cut)
    yield _share("effects that a death cut short are taken up", len(cut), taken_up)
    spent, told = place.sums()
    yield Promise("after the loss the ledger knows all that was spent", f"{told}", f"{spent}")


def _what(entry: Mapping[str, object]) -> tuple[object, object]:
    """What an audited effect does, and to which resource."""
    return entry["action"], entry["resource"]


def _once(
    policy: Policy,
    name: str,
    phrase: str,
    heard: Sequence[Heard],
    level: Level = Level.CRITICAL,
) -> Promise:
    """Told by each channel of its level, and by no other one."""
    routes = policy.alerts.routes.get(level, ())
    found = [one.channel for one in heard if phrase in one.headline and "ENDED" not in one.headline]
    return Promise(name, _counts(routes), _counts(found))


def _counts(channels: Iterable[Channel]) -> str:
    found = Counter(channels)
    return ", ".join(f"{one} {found[one]}" for one in Channel if found[one]) or "-"


def _is_critical(resource: Resource, policy: Policy) -> bool:
    return {**policy.services, **policy.subscriptions}[resource.short].critical


def _put_back(name: str, before: Mapping[Resource, str], after: Mapping[Resource, str]) -> Promise:
    return _share(name, len(before), len(before) - _changed(before, after))


def _changed(before: Mapping[Resource, str], after: Mapping[Resource, str]) -> int:
    return sum(before[one] != after[one] for one in before)


def _names(resources: Iterable[Resource]) -> str:
    return ", ".join(sorted(one.short.removeprefix("living-twin-") for one in resources)) or "-"


def _killed(was_killed: bool) -> str:
    return "killed" if was_killed else "not killed"


def _share(name: str, of: int, seen: int) -> Promise:
    return Promise(name, f"{of} of {of}", f"{seen} of {of}")


def _statuses(asked: Iterable) -> str:
    return _listed(one.status for one in asked)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _all(statuses: Sequence[int], wanted: int) -> str:
    return f"{len(statuses)} times {wanted}"


def _said(statuses: Sequence[int]) -> str:
    found = Counter(statuses)
    return ", ".join(f"{found[one]} times {one}" for one in sorted(found))
