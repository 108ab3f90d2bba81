# SPDX-License-Identifier: Apache-2.0
"""What is found in an inventory: each rule finds its case, and only that."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from twinguard.decide import resources
from twinguard.decide.inventory import (
    Address,
    Inventory,
    RunService,
    Secret,
    Subscription,
    Version,
    floor,
)
from twinguard.decide.model import Hold, Kind, Mode, Push, Resource, Scaling, Strength, Why
from twinguard.decide.resources import Size
from twinguard.decide.run_prices import HOUR, MONTH_HOURS, busy_hour, idle_month, run_price
from twinguard.decide.run_resources import asleep_share
from twinguard.policy import Level, Policy

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
PROJECT = "projects/living-twin-dev"
API = f"{PROJECT}/locations/europe-west1/services/api"
PUSH = f"{PROJECT}/subscriptions/ingest"
KEY = f"{PROJECT}/secrets/development-openai"
LABELS = {"environment": "development", "owner": "developers"}
SMALL = Size(Decimal(1), Decimal(1))
ONE_MONTH = Decimal(HOUR * MONTH_HOURS)


def policy(environment="development", **fields):
    whole = {
        "environment": environment,
        "project": {"id": "living-twin-dev"},
        "region": "europe-west1",
        "labels": {"owner": "developers"},
        "services": {"api": {"critical": False}},
        "subscriptions": {"ingest": {"critical": False}},
        "application": {"account": "living-twin"},
        "secrets": {"openai": {"readers": ["application"], "rotation_days": 90}},
    }
    return msgspec.convert(whole | fields, Policy)


def service(name=API, scaling=None, **fields):
    """A service that nothing is wrong with."""
    usual = {"labels": LABELS, "cpu": Decimal(1), "memory": Decimal("0.5")}
    return RunService(name=name, scaling=scaling or Scaling(maximum=5), **(usual | fields))


def subscription(name=PUSH, **fields):
    usual = {
        "labels": LABELS,
        "topic": f"{PROJECT}/topics/orders",
        "pushes": True,
        "exports": False,
        "detached": False,
        "retention": 7 * DAY,
        "expires": None,
        "dead_letter": f"{PROJECT}/topics/dead",
        "oldest": dt.timedelta(0),
    }
    return Subscription(name=name, **(usual | fields))


def version(number, age, *, enabled=True):
    return Version(number=str(number), created=NOW - age * DAY, enabled=enabled)


def secret(name=KEY, versions=None, *, rotates=True):
    kept = (version(1, 3),) if versions is None else tuple(versions)
    return Secret(name=name, labels={}, rotates=rotates, versions=kept)


def inventory(**fields):
    """A project that is as its policy wants it."""
    usual = {
        "regions": frozenset({"europe-west1"}),
        "services": (service(),),
        "subscriptions": (subscription(),),
        "secrets": (secret(),),
        "addresses": (),
    }
    return Inventory(at=NOW, **(usual | fields))


def found(read, judged=None, limit=SMALL):
    return resources.findings(judged or policy(), read, limit)


def rules(read, judged=None):
    return [finding.rule for finding in found(read, judged)]


def hold(name, before, *expected, until=NOW + DAY, key="night"):
    kind = Kind.SERVICE if "/services/" in name else Kind.SUBSCRIPTION
    why = Why(key, Strength.IDLE, NOW, until, "schedule")
    return {name: Hold(Resource(kind, name), before, expected, (why,))}


def test_a_project_that_is_as_its_policy_wants_has_no_finding():
    assert found(inventory()) == ()


# --- services ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scaling", "words", "count"),
    [
        (Scaling(minimum=2, maximum=5), "keeps 2 instances (minimum: service 2)", 2),
        (Scaling(maximum=5, revision_minimum=1), "keeps 1 instance (minimum: revision 1)", 1),
        (Scaling(minimum=1, maximum=5, revision_minimum=3), "(minimum: service 1, revision 3)", 3),
        (Scaling(Mode.MANUAL, count=4), "keeps 4 instances (manual scaling)", 4),
    ],
)
def test_kept_instances_are_found_in_development_with_what_they_cost(scaling, words, count):
    (finding,) = found(inventory(services=(service(scaling=scaling),)))

    second = Decimal("0.0000025") + Decimal("0.5") * Decimal("0.0000025")
    assert (finding.rule, finding.level) == ("minimum-instances", Level.MEDIUM)
    assert words in finding.why
    assert finding.remedy == "make cost-optimize-dev"
    assert finding.saving == count * second * ONE_MONTH


def test_what_sleeps_at_night_saves_only_what_it_costs_awake():
    schedule = {
        "time_zone": "UTC",
        "night": {"at": "00:00"},
        "morning": {"at": "06:00"},
        "services": ["api"],
    }
    kept = inventory(services=(service(scaling=Scaling(minimum=1, maximum=5)),))
    (always,) = found(kept)
    (awake,) = found(kept, policy(schedule=schedule))

    assert awake.saving == always.saving * Decimal("0.75")


def test_a_critical_service_in_development_is_a_low_finding_and_may_stay():
    kept = inventory(services=(service(scaling=Scaling(minimum=1, maximum=5)),))
    (finding,) = found(kept, policy(services={"api": {"critical": True}}))

    assert finding.level is Level.LOW
    assert finding.remedy == (
        "set its minimum instances to 0, or leave it: "
        "it is critical in environments/development/policy.yaml"
    )


@pytest.mark.parametrize(
    ("critical", "slept", "expected"),
    [(False, False, ["minimum-instances"]), (False, True, []), (True, False, [])],
)
def test_elsewhere_only_what_is_not_critical_and_not_asleep_at_night_is_found(
    critical, slept, expected
):
    schedule = {
        "time_zone": "UTC",
        "night": {"at": "00:00"},
        "morning": {"at": "06:00"},
        "services": ["api"] if slept else [],
    }
    kept = service(
        scaling=Scaling(minimum=2, maximum=5), labels=LABELS | {"environment": "staging"}
    )
    judged = policy(
        "staging", services={"api": {"critical": critical}}, schedule=schedule, secrets={}
    )
    read = inventory(services=(kept,), subscriptions=None, secrets=None)

    assert rules(read, judged) == expected
    if expected:
        (finding,) = found(read, judged)
        month = idle_month(kept.cpu, kept.memory, "europe-west1", always=False)
        assert finding.remedy == "add api to schedule.services in environments/staging/policy.yaml"
        assert finding.saving == 2 * month / 4


def test_what_the_night_holds_is_judged_by_what_is_put_back():
    before = Scaling(minimum=2, maximum=5)
    asleep = Scaling(maximum=5)
    read = inventory(services=(service(scaling=asleep),), holds=hold(API, before, asleep))

    assert rules(read) == ["minimum-instances"]


def test_what_is_held_without_an_end_saves_already():
    before, asleep = Scaling(minimum=2, maximum=5), Scaling(maximum=5)
    held = hold(API, before, asleep, until=None, key="savings")

    assert rules(inventory(services=(service(scaling=asleep),), holds=held)) == []


def test_what_a_person_changed_under_a_hold_is_judged_as_they_left_it():
    held = hold(API, Scaling(), Scaling(maximum=5), until=None, key="savings")
    changed = service(scaling=Scaling(minimum=3, maximum=5))

    (finding,) = found(inventory(services=(changed,), holds=held))

    assert "keeps 3 instances" in finding.why


def test_cpu_that_is_always_allocated_is_found_with_both_prices():
    (finding,) = found(inventory(services=(service(always=True),)))

    assert (finding.rule, finding.level, finding.saving) == (
        "cpu-always-allocated",
        Level.LOW,
        None,
    )
    assert finding.why.endswith("costs 49.93 USD a month instead of 9.86 USD")


def test_cpu_of_an_instance_that_may_stay_counts_and_of_one_to_go_is_not_counted_twice():
    kept = service(scaling=Scaling(minimum=1, maximum=5), always=True)
    (minimum, cpu) = found(inventory(services=(kept,)))
    month = idle_month(kept.cpu, kept.memory, "europe-west1", always=True)
    judged = policy("production", services={"api": {"critical": True}}, secrets={})
    labelled = replace(kept, labels=LABELS | {"environment": "production"})
    (alone,) = found(inventory(services=(labelled,), subscriptions=None, secrets=None), judged)

    assert (minimum.rule, minimum.saving) == ("minimum-instances", month)
    assert (cpu.rule, cpu.saving) == ("cpu-always-allocated", None)
    assert alone.saving == month - idle_month(kept.cpu, kept.memory, "europe-west1", always=False)


def test_a_gpu_needs_its_cpu_and_its_price_is_said_to_be_missing():
    kept = service(scaling=Scaling(minimum=1, maximum=5), always=True, gpus=1)
    (finding,) = found(inventory(services=(kept,)))

    assert finding.rule == "minimum-instances"
    assert "1 GPU, whose price is not counted" in finding.why


def test_an_oversized_instance_is_found_by_the_limit_that_was_asked_for():
    large = service(cpu=Decimal(4), memory=Decimal(8))
    read = inventory(services=(large,))
    (finding,) = found(read)

    assert finding.why == "4 vCPU is above 1 and 8 GiB is above 1, this environment's limit"
    assert found(read, limit=Size(Decimal(4), Decimal(8))) == ()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ("development", Size(Decimal(1), Decimal(1))),
        ("staging", Size(Decimal(2), Decimal(2))),
        ("production", Size(Decimal(4), Decimal(8))),
    ],
)
def test_limits_differ_by_environment_and_each_half_can_be_overruled(environment, expected):
    judged = policy(environment)

    assert resources.limit_of(judged) == expected
    assert resources.limit_of(judged, Decimal(3)) == replace(expected, cpu=Decimal(3))
    assert resources.limit_of(judged, memory=Decimal(3)) == replace(expected, memory=Decimal(3))


@pytest.mark.parametrize(
    ("scaling", "words"),
    [
        (Scaling(), "has no maximum, so it is 100 instances, 9.09 USD an hour when all are busy"),
        (Scaling(maximum=100), "may grow to 100 instances"),
        (Scaling(maximum=99), None),
        (Scaling(maximum=300, revision_maximum=9), None),
        (Scaling(maximum=9, revision_maximum=300), None),
        (Scaling(Mode.MANUAL), None),
    ],
)
def test_a_maximum_that_nobody_chose_is_found_on_either_level(scaling, words):
    whys = [finding.why for finding in found(inventory(services=(service(scaling=scaling),)))]

    assert len(whys) == (words is not None)
    assert words is None or words in whys[0]


def test_services_that_only_one_side_knows_are_found():
    stranger = service(API.replace("/api", "/experiment"))
    elsewhere = service(API.replace("europe-west1", "us-east1"))
    read = inventory(services=(stranger, elsewhere), regions=frozenset({"europe-west1"}))

    assert [(finding.rule, finding.resource) for finding in found(read)] == [
        ("does-not-exist", API),
        ("not-in-policy", elsewhere.name),
        ("not-in-policy", stranger.name),
    ]


def test_what_could_not_be_read_is_not_said_to_be_missing():
    read = inventory(regions=frozenset(), services=(), subscriptions=None, secrets=None)

    assert found(read) == ()


def test_twinguards_own_functions_are_judged_by_size_only():
    own = service(
        API.replace("/api", "/twinguard-development-alerts"),
        Scaling(minimum=1),
        labels={},
    )

    assert rules(inventory(services=(service(), own))) == ["maximum-instances"]


# --- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "level", "why"),
    [
        ({"owner": "developers"}, Level.MEDIUM, "labels: environment missing"),
        ({"environment": "development"}, Level.LOW, "labels: owner missing"),
        (LABELS | {"owner": "ada"}, Level.LOW, "labels: owner is ada"),
        ({}, Level.MEDIUM, "labels: owner, environment missing"),
    ],
)
def test_missing_and_other_labels_are_found(labels, level, why):
    for read in (
        inventory(services=(service(labels=labels),)),
        inventory(subscriptions=(subscription(labels=labels),)),
    ):
        (finding,) = found(read)

        assert (finding.rule, finding.level) == ("label", level)
        assert finding.why == f"{why}: its cost is attributed to nobody here"


def test_in_a_shared_project_what_belongs_to_another_environment_is_nobodys_finding():
    shared = policy(project={"id": "living-twin-dev", "shared": True})
    theirs = {"environment": "staging"}
    read = inventory(
        services=(service(), service(f"{API}-staging", Scaling(minimum=9), labels=theirs)),
        subscriptions=(subscription(), subscription(f"{PUSH}-staging", labels=theirs)),
        secrets=(secret(), secret(KEY.replace("development", "staging"))),
    )

    assert rules(read, shared) == []
    assert set(rules(read)) == {"label", "minimum-instances", "maximum-instances", "not-in-policy"}


def test_in_a_shared_project_what_the_policy_names_is_ours_whatever_its_label_says():
    shared = policy(project={"id": "living-twin-dev", "shared": True})
    mislabelled = service(labels=LABELS | {"environment": "staging"})

    (finding,) = found(inventory(services=(mislabelled,)), shared)

    assert finding.why.startswith("labels: environment is staging")


# --- subscriptions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("oldest", "level"), [(None, None), (DAY, None), (2 * DAY, "medium"), (6.5 * DAY, "high")]
)
def test_messages_that_nobody_reads_are_found_before_they_are_lost(oldest, level):
    levels = [one.level for one in found(inventory(subscriptions=(subscription(oldest=oldest),)))]

    assert levels == ([] if level is None else [Level(level)])


def test_an_unread_finding_says_how_long_and_what_helps():
    waits = subscription(oldest=2 * DAY + dt.timedelta(hours=1, minutes=5))
    (finding,) = found(inventory(subscriptions=(waits,)))

    assert finding.why == (
        "its oldest message waits for 2 d 1 h and is pushed in vain again and again, "
        "and is lost in 4 d 22 h; it never expires"
    )
    assert finding.remedy.endswith("until then: make cost-optimize-dev")


def test_what_twinguard_paused_is_neither_unread_nor_silent():
    paused = subscription(pushes=False, oldest=3 * DAY)
    held = hold(PUSH, Push('{"pushEndpoint":"https://a.example"}'), Push())

    assert rules(inventory(subscriptions=(paused,), holds=held)) == []
    assert set(rules(inventory(subscriptions=(paused,)))) == {"unread", "cannot-be-held"}


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"topic": "_deleted-topic_"}, "without-topic"),
        ({"detached": True}, "without-topic"),
        ({"pushes": False}, "cannot-be-held"),
        ({"pushes": False, "exports": True}, "cannot-be-held"),
        ({"expires": 31 * DAY}, "expires"),
        ({"dead_letter": ""}, "no-dead-letters"),
    ],
)
def test_each_trouble_of_a_subscription_is_one_finding(fields, rule):
    assert rules(inventory(subscriptions=(subscription(**fields),))) == [rule]


def test_subscriptions_that_only_one_side_knows_are_found():
    stranger = subscription(f"{PUSH}-old", pushes=False, expires=31 * DAY)

    assert sorted(rules(inventory(subscriptions=(stranger,)))) == [
        "does-not-exist",
        "not-in-policy",
    ]


def test_eventarcs_subscriptions_are_left_out():
    theirs = subscription(f"{PROJECT}/subscriptions/eventarc-1", labels={}, dead_letter="")

    assert rules(inventory(subscriptions=(subscription(), theirs))) == []


# --- secrets and addresses -----------------------------------------------------------------------


def test_old_versions_that_still_work_are_found_and_priced():
    versions = [version(1, 300), version(2, 80), version(3, 60), version(4, 3)]
    (finding,) = found(inventory(secrets=(secret(versions=versions),)))

    assert finding.rule == "old-versions"
    assert finding.why == (
        "4 versions are enabled; old ones (1, 2; up to 300 days) still work for whoever has them"
    )
    assert finding.saving == Decimal("0.12")


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([version(1, 30), version(2, 3)], []),
        ([version(1, 91), version(2, 3)], ["old-versions"]),
        ([version(1, 300, enabled=False), version(2, 3)], []),
        ([version(1, 91)], ["overdue"]),
        ([version(1, 90)], []),
        ([version(1, 1, enabled=False)], ["no-version"]),
        ([], ["no-version"]),
    ],
)
def test_versions_are_judged_by_number_and_by_the_policys_rotation(versions, expected):
    assert rules(inventory(secrets=(secret(versions=versions),))) == expected


def test_secrets_without_rotation_and_those_that_only_one_side_knows_are_found():
    stranger = secret(f"{PROJECT}/secrets/mine", rotates=False)
    channels = secret(f"{PROJECT}/secrets/development-slack-webhook-url")

    assert [(one.rule, one.subject) for one in found(inventory(secrets=(stranger, channels)))] == [
        ("does-not-exist", "secret development-openai"),
        ("no-rotation", "secret mine"),
        ("not-in-policy", "secret mine"),
    ]


def test_versions_that_could_not_be_listed_are_not_judged():
    unread = Secret(name=KEY, labels={}, rotates=True, versions=None)

    assert rules(inventory(secrets=(unread,))) == []


def test_only_external_addresses_that_nothing_uses_are_found():
    regional = f"{PROJECT}/regions/europe-west1/addresses"
    read = inventory(
        addresses=(
            Address(name=f"{regional}/idle", external=True, used=False),
            Address(name=f"{PROJECT}/global/addresses/idle", external=True, used=False),
            Address(name=f"{regional}/used", external=True, used=True),
            Address(name=f"{regional}/inner", external=False, used=False),
        )
    )

    assert [(one.rule, one.saving, one.remedy) for one in found(read)] == [
        (
            "unattached",
            Decimal("7.30"),
            f"release it: gcloud compute addresses delete idle {where} --project living-twin-dev",
        )
        for where in ("--region europe-west1", "--global")
    ]


def test_a_channels_secret_is_renewed_as_the_alerts_say_and_a_strangers_is_not_judged():
    old = [version(1, 100)]
    channel = secret(f"{PROJECT}/secrets/development-slack-webhook-url", old)
    stranger = secret(f"{PROJECT}/secrets/mine", old)
    read = inventory(secrets=(secret(), channel, stranger))

    assert rules(read) == ["not-in-policy"]
    assert rules(read, policy(alerts={"rotation_days": 99})) == ["overdue", "not-in-policy"]


# --- levels --------------------------------------------------------------------------------------


def test_each_rule_has_its_level():
    name = API.replace("/api", "/experiment")
    everything = inventory(
        services=(service(name, Scaling(minimum=1), always=True, cpu=Decimal(2), labels={}),),
        subscriptions=(
            subscription(f"{PUSH}-old", pushes=False, oldest=2 * DAY, dead_letter="", labels={}),
            subscription(f"{PUSH}-gone", topic="_deleted-topic_"),
            subscription(f"{PUSH}-lost", oldest=6.5 * DAY),
        ),
        secrets=(
            secret(f"{PROJECT}/secrets/development-slack-webhook-url", [version(1, 400)]),
            secret(f"{PROJECT}/secrets/a", [version(n, 9 - n) for n in (1, 2, 3)], rotates=False),
            secret(f"{PROJECT}/secrets/b", []),
        ),
        addresses=(Address(name=f"{PROJECT}/global/addresses/a", external=True, used=False),),
    )
    levels: dict[str, set[str]] = {}
    for one in found(everything):
        levels.setdefault(one.rule, set()).add(one.level.value)

    assert levels == {
        "unread": {"high", "medium"},
        "cpu-always-allocated": {"medium"},
        "does-not-exist": {"medium"},
        "label": {"medium"},
        "maximum-instances": {"medium"},
        "minimum-instances": {"medium"},
        "no-version": {"medium"},
        "not-in-policy": {"medium", "low"},
        "old-versions": {"medium"},
        "overdue": {"medium"},
        "without-topic": {"medium"},
        "no-dead-letters": {"low"},
        "no-rotation": {"low"},
        "oversized": {"low"},
        "unattached": {"low"},
    }


def test_what_a_night_could_save_and_what_a_pause_could_end_are_low():
    kept = service(
        scaling=Scaling(minimum=1, maximum=5), labels=LABELS | {"environment": "staging"}
    )
    staging = policy("staging", secrets={})
    night = found(inventory(services=(kept,), subscriptions=None, secrets=None), staging)
    pull = subscription(pushes=False, expires=31 * DAY)

    assert [(one.rule, one.level.value) for one in night] == [("minimum-instances", "low")]
    assert {(one.rule, one.level.value) for one in found(inventory(subscriptions=(pull,)))} == {
        ("cannot-be-held", "low"),
        ("expires", "low"),
    }


@pytest.mark.parametrize(
    ("environment", "scaling", "level"),
    [
        ("production", Scaling(maximum=200), "low"),
        ("production", Scaling(), "medium"),
        ("staging", Scaling(maximum=200), "medium"),
    ],
)
def test_a_large_maximum_is_less_of_a_surprise_in_production(environment, scaling, level):
    labels = LABELS | {"environment": environment}
    read = inventory(
        services=(service(scaling=scaling, labels=labels),), subscriptions=None, secrets=None
    )
    (finding,) = found(read, policy(environment, secrets={}))

    assert (finding.rule, finding.level.value) == ("maximum-instances", level)


@pytest.mark.parametrize(
    ("fields", "environment"),
    [({}, "staging"), ({"name": f"{PUSH}-old"}, "development"), ({"pushes": False}, "development")],
)
def test_savings_are_proposed_only_where_they_would_help(fields, environment):
    labels = LABELS | {"environment": environment}
    one = subscription(**({"oldest": 2 * DAY, "labels": labels} | fields))
    read = inventory(services=(), regions=frozenset(), subscriptions=(one,), secrets=None)
    (unread,) = (f for f in found(read, policy(environment, secrets={})) if f.rule == "unread")

    assert unread.remedy == "mend its consumer, or delete the subscription"
    assert ("pushed in vain" in unread.why) == ("pushes" not in fields)


# --- order, prices and shares --------------------------------------------------------------------


def test_the_worst_comes_first_then_what_saves_most():
    read = inventory(
        services=(service(scaling=Scaling(minimum=1, maximum=5)),),
        subscriptions=(subscription(oldest=6.5 * DAY),),
        secrets=(secret(versions=[version(n, 9 - n) for n in range(1, 6)]),),
        addresses=(Address(name=f"{PROJECT}/global/addresses/a", external=True, used=False),),
    )
    everything = found(read)

    assert [one.rule for one in everything] == [
        "unread",
        "minimum-instances",
        "old-versions",
        "unattached",
    ]
    assert resources.total(everything) == sum(one.saving or 0 for one in everything)


def test_an_unknown_region_has_no_price_and_no_saving():
    kept = service(API.replace("europe-west1", "moon-north1"), Scaling(minimum=1))
    judged = policy(services={"api": {"critical": False, "region": "moon-north1"}})
    read = inventory(services=(kept,), regions=frozenset({"moon-north1"}))

    assert run_price("moon-north1") is None
    assert [(one.rule, one.saving) for one in found(read, judged)] == [
        ("maximum-instances", None),
        ("minimum-instances", None),
    ]


@pytest.mark.parametrize(
    ("region", "idle", "always", "busy"),
    [("europe-west1", "13.14", "52.56", "0.0954"), ("europe-west3", "18.396", "73.584", "0.13356")],
)
def test_prices_are_googles_for_each_tier(region, idle, always, busy):
    """One vCPU and one GiB, worked out by hand from the page in `run_prices.SOURCES`."""
    one = Decimal(1)

    assert idle_month(one, one, region, always=False) == Decimal(idle)
    assert idle_month(one, one, region, always=True) == Decimal(always)
    assert busy_hour(one, one, region, always=False) == Decimal(busy)
    assert busy_hour(one, one, region, always=True) * MONTH_HOURS == Decimal(always)


def test_a_week_asleep_is_measured_in_half_hours():
    judged = policy(
        schedule={
            "time_zone": "Europe/Brussels",
            "night": {"at": "02:00"},
            "morning": {"at": "06:30", "days": ["mon", "tue", "wed", "thu", "fri"]},
        }
    )

    nights, weekend = 5 * Decimal("4.5"), 2 * 24
    assert asleep_share(judged.schedule, NOW) == (nights + weekend) / (7 * 24)


@given(
    st.integers(0, 9),
    st.integers(0, 9),
    st.decimals("0.1", 8, places=1),
    st.decimals("0.1", 32, places=1),
    st.booleans(),
)
def test_a_saving_is_never_negative_and_grows_with_what_is_kept(low, more, cpu, memory, always):
    def saving(least):
        kept = service(
            scaling=Scaling(minimum=least, maximum=20), cpu=cpu, memory=memory, always=always
        )
        return resources.total(found(inventory(services=(kept,))))

    assert 0 <= saving(low) <= saving(low + more)
    assert (saving(low) == 0) == (low == 0)


@given(st.integers(0, 5), st.integers(0, 5))
def test_the_floor_is_the_higher_of_the_two_levels(whole, revision):
    assert floor(Scaling(minimum=whole, revision_minimum=revision)) == max(whole, revision)
