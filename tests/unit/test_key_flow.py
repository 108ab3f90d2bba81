# SPDX-License-Identifier: Apache-2.0
"""What events, people and the daily task do to keys, over the stand-ins of the vendors."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rotating import DAY, MAPS, NEO4J, NOW, OPENAI, attributes, cloud, only, task
from twinguard import parse
from twinguard.decide.keys import LEASE, Kind, Step
from twinguard.errors import BadEvent, Misconfigured, Unavailable
from twinguard.key_records import KeyJournal, TakenOver
from twinguard.parse import Event
from twinguard.policy import Level, Retention
from twinguard.standins.server import Fault
from twinguard.state import open_records

ROTATE = "SECRET_ROTATE"
LATER = 2 * LEASE


@pytest.fixture
def here(tmp_path):
    with cloud(f"sqlite:///{tmp_path}/records.db", only(OPENAI)) as here:
        yield here


def test_the_daily_task_rotates_what_is_due_and_ends_the_old_key_a_day_later(here):
    first = here.rotate(NOW).decision
    between = (sorted(here.openai.keys), here.states())
    again = here.rotate(NOW + LATER).decision
    here.rotate(NOW + DAY)

    assert "openai-api-key: overlap, version 2; the old key is still accepted" in first
    assert "openai-api-key: overlap, version 2" in again
    assert between == (["key_1", "key_2"], {1: "ENABLED", 2: "ENABLED"})
    assert (list(here.openai.keys), here.states()) == (["key_2"], {1: "ENDING", 2: "ENABLED"})
    assert here.rotate(NOW + 2 * DAY).decision == "no key is due"


def test_every_step_is_in_the_audit_trail_before_and_after_it(here):
    here.policy = replace(here.policy, openai=replace(here.policy.openai, requests_per_minute=9999))
    here.rotate(NOW)
    here.rotate(NOW + DAY)

    assert here.audit() == [
        *("Anchor", "MakeKey", "Promote", "ExpireKey", "Limit", "Limit", "Limit"),
        *("KillKey", "DisableVersion", "Finish", "DestroyVersion"),
    ]


def test_a_key_that_is_not_due_is_left_alone(here):
    here.rotate(NOW)
    here.rotate(NOW + DAY)
    made = len(here.openai.made)
    here.rotate(NOW + 29 * DAY)

    assert len(here.openai.made) == made
    here.rotate(NOW + 30 * DAY)
    assert len(here.openai.made) == made + 1


def test_a_turn_of_secret_manager_begins_a_rotation_and_its_echoes_change_nothing(here):
    here.event(ROTATE, "staging-openai-api-key")
    for kind in (ROTATE, "SECRET_VERSION_ADD", "SECRET_UPDATE", ROTATE):
        here.event(kind, "staging-openai-api-key", NOW + LATER, at=NOW)
    here.rotate(NOW + DAY)
    here.event(ROTATE, "staging-openai-api-key", NOW + 2 * DAY, at=NOW)
    here.event(ROTATE, "staging-openai-api-key", NOW + 2 * DAY)

    assert len(here.openai.made) == 2
    assert list(here.openai.keys) == ["key_2"]


def test_a_stolen_key_is_replaced_once_however_lately_it_was(here):
    here.rotate(NOW)
    here.rotate(NOW + DAY)
    stolen = attributes(ROTATE, "staging-openai-api-key") | {"incident": "key/2026"}
    at = NOW + 2 * DAY
    for now in (at, at + LATER, at + DAY):
        here.pipeline(now).keys.on_secret_event(Event("m-2", at, b"{}", stolen), now)

    assert len(here.openai.made) == 3


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_order_of_late_and_repeated_events_rotates_once(data, tmp_path_factory):
    kinds = (ROTATE, "SECRET_VERSION_ADD", "SECRET_VERSION_DISABLE", "SECRET_UPDATE", "task")
    events = data.draw(st.lists(st.sampled_from(kinds), min_size=2, max_size=8))
    path = tmp_path_factory.mktemp("keys") / "records.db"
    with cloud(f"sqlite:///{path}", only(OPENAI)) as here:
        for number, kind in enumerate(events):
            now = NOW + number * 2 * LEASE
            if kind == "task":
                here.rotate(now)
            else:
                here.event(kind, "staging-openai-api-key", now, at=NOW)
            assert here.openai.works(here.read() or here.openai.made[0])
        here.rotate(NOW + DAY)
        here.rotate(NOW + 2 * DAY)

        assert (len(here.openai.made), list(here.openai.keys)) == (2, ["key_2"])


def test_secrets_of_others_are_acknowledged(here):
    assert "is no key" in here.event(ROTATE, "production-openai-api-key").decision
    assert "is no key" in here.event(ROTATE, "staging-slack-webhook-url").decision
    assert here.openai.exchanges == []


@pytest.mark.parametrize(
    "given",
    [
        {"eventType": "", "secretId": "projects/1/secrets/a"},
        {"eventType": ROTATE, "secretId": "a"},
        {"eventType": ROTATE, "secretId": "projects/1/secrets/a/versions/1"},
        attributes(ROTATE, "a") | {"dataFormat": "OTHER"},
    ],
)
def test_a_message_that_is_not_secret_managers_is_refused(given):
    with pytest.raises(BadEvent):
        parse.secret(Event("1", NOW, b"", given))


def test_a_rotation_that_is_under_way_elsewhere_is_left_to_whoever_has_it(here):
    here.rotate(NOW)
    journal = KeyJournal(open_records(here.records), Retention())
    kept = journal.key(OPENAI)
    journal.keep_key(kept, replace(kept.value, busy_until=NOW + DAY + LEASE))

    with pytest.raises(Unavailable, match="another process rotates it"):
        here.rotate(NOW + DAY)
    decision = here.event(ROTATE, "staging-openai-api-key", NOW + DAY).decision
    assert decision == "openai-api-key is being rotated already: changes nothing"
    here.rotate(NOW + DAY + LEASE)
    assert list(here.openai.keys) == ["key_2"]


def test_who_loses_the_record_after_making_a_key_deletes_that_key(here, monkeypatch):
    """A process that was thought dead: nobody else knows of the key it just made."""
    kept = KeyJournal.keep_key
    calls = itertools.count()

    def lost(self, before, state):
        if state.step is Step.MADE and next(calls) == 0:
            raise TakenOver("somebody else goes on")
        return kept(self, before, state)

    monkeypatch.setattr(KeyJournal, "keep_key", lost)
    with pytest.raises(Unavailable):
        here.rotate(NOW)

    assert list(here.openai.keys) == ["key_1"]


def test_openai_that_is_away_is_told_after_the_third_attempt_and_its_return_too(here):
    for number in range(3):
        here.openai.fail(Fault(code=503), method="POST", path="/service_accounts")
        with pytest.raises(Unavailable, match="no answer now"):
            here.rotate(NOW + number * LATER)
    opened = here.told()
    here.rotate(NOW + 3 * LATER)

    assert opened == [("staging/rotation/openai-api-key/1", "opened")]
    assert here.told()[1:] == [("staging/rotation/openai-api-key/1", "ended")]


def test_one_secret_that_fails_does_not_hold_up_the_others(tmp_path):
    with cloud(f"sqlite:///{tmp_path}/r.db", only(OPENAI, MAPS)) as here:
        here.add_secret(MAPS, "AIza-old", age=100)
        here.openai.fail(Fault(code=500), times=9)
        with pytest.raises(Unavailable, match="openai-api-key"):
            here.rotate(NOW)

        assert here.state(MAPS).step is Step.OVERLAP


def test_without_an_admin_key_people_hear_what_to_set(here):
    here.env["OPENAI_ADMIN_KEY"] = ""
    here.rotate(NOW)

    assert {alert.level for alert in here.alerts()} == {Level.HIGH}
    assert any("OPENAI_ADMIN_KEY is missing" in alert.lines[0] for alert in here.alerts())


def test_a_process_without_a_way_to_the_keys_says_so(here):
    pipeline = here.pipeline()
    pipeline.ports = replace(pipeline.ports, keys=None)

    with pytest.raises(Misconfigured, match="no way to the keys"):
        pipeline.keys.rotate(OPENAI, "ann", NOW)


# --- google's keys -------------------------------------------------------------------------------


def test_a_google_key_is_rotated_restricted_and_the_old_one_deleted(tmp_path):
    with cloud(f"sqlite:///{tmp_path}/r.db", only(MAPS)) as here:
        name = f"projects/{here.policy.project.id}/locations/global/keys/by-hand"
        here.add_secret(MAPS, here.google.api_keys.add(name, "by hand"), age=100)
        old = here.google.secrets.read(here.secret(MAPS), "latest").decode()
        here.rotate(NOW)
        both = (here.google.api_keys.works(old), here.google.api_keys.works(here.read(MAPS)))
        here.rotate(NOW + DAY)

        assert both == (True, True)
        assert here.read(MAPS) != old
        assert here.google.api_keys.works(here.read(MAPS))
        assert not here.google.api_keys.works(old)
        assert here.states(MAPS) == {1: "ENDING", 2: "ENABLED"}
        made = here.google.api_keys.keys[name.replace("by-hand", "twinguard-staging-maps-key-1")]
        assert made["restrictions"]["serverKeyRestrictions"] == {"allowedIps": ["10.0.0.1"]}


def test_records_that_were_lost_cost_no_reader_the_key(tmp_path):
    """The new records know no name: neither the key in use nor a deleted one is taken for new."""
    stores = (f"sqlite:///{tmp_path}/{name}.db" for name in ("lost", "new"))
    with cloud(next(stores), only(MAPS)) as here:
        keys, kept = here.google.api_keys, f"projects/{here.policy.project.id}/locations/global"
        here.add_secret(MAPS, keys.add(f"{kept}/keys/by-hand"), age=100)
        for at in (NOW, NOW + DAY):
            here.rotate(at)
        first = here.read(MAPS)
        here.pipeline().keys.rotate(MAPS, "ann", NOW + 2 * DAY)
        here.rotate(NOW + 3 * DAY)
        used = here.read(MAPS)
        here.env["TWINGUARD_RECORDS"] = here.records = next(stores)
        here.pipeline().keys.rotate(MAPS, "ann", NOW + 4 * DAY)
        both = (keys.works(used), keys.works(here.read(MAPS)), keys.works(first))
        here.rotate(NOW + 5 * DAY)

        assert both == (True, True, False)
        assert here.read(MAPS) not in {first, used}
        assert [keys.works(one) for one in (here.read(MAPS), used, first)] == [True, False, False]
        assert here.state(MAPS).name == "twinguard-staging-maps-key-3"


def test_a_key_that_cannot_be_told_from_others_is_not_taken_for_a_stray(here, monkeypatch):
    """Without records, the key in use is known by its redacted value, or not at all."""
    here.rotate(NOW)
    here.rotate(NOW + DAY)
    used = here.read()
    here.env["TWINGUARD_RECORDS"] = here.records = here.records.replace("records", "new")
    hide_values(here, monkeypatch)
    here.pipeline().keys.rotate(OPENAI, "ann", NOW + 2 * DAY)

    assert here.openai.works(used)
    assert here.openai.works(here.read())
    here.rotate(NOW + 3 * DAY)
    assert here.state().trouble.title == "The old key for openai-api-key is not dead"


def test_what_somebody_went_back_to_is_still_known_by_its_id(here, monkeypatch):
    here.rotate(NOW)
    here.google.secrets.point(here.secret(), 1)
    hide_values(here, monkeypatch)
    here.pipeline().keys.rotate(OPENAI, "ann", NOW + LATER)

    assert [one.key.id for one in here.state().olds if one.key.version == 1] == ["key_1"]
    assert here.openai.works(here.openai.made[0])


def hide_values(here, monkeypatch):
    """OpenAI tells nothing any more by which a key can be known."""
    telling = here.openai._told
    monkeypatch.setattr(here.openai, "_told", lambda key: telling(key) | {"redacted_value": "***"})


# --- a person's turn -----------------------------------------------------------------------------


@pytest.fixture
def manual(tmp_path):
    with cloud(f"sqlite:///{tmp_path}/r.db", only(NEO4J)) as here:
        here.add_secret(NEO4J, "neo4j:first")
        yield here


def test_readers_find_current_from_the_first_day_on(tmp_path):
    with cloud(f"sqlite:///{tmp_path}/r.db", only(NEO4J)) as here:
        here.add_secret(NEO4J, "neo4j:first", age=1)
        before = here.read(NEO4J)
        decision = here.rotate(NOW).decision
        here.google.secrets.add_version(here.secret(NEO4J), NOW, value=b"neo4j:not yet")

        assert (before, decision) == (None, "no key is due")
        assert here.read(NEO4J) == "neo4j:first"


def test_what_no_api_makes_is_asked_of_a_person_and_followed_to_its_end(manual):
    manual.rotate(NOW)
    manual.rotate(NOW + DAY)
    (asked,) = manual.alerts()
    with pytest.raises(Misconfigured, match="has no version after 1; add one first"):
        manual.pipeline(NOW).keys.confirm(NEO4J, "ann", NOW)
    manual.google.secrets.add_version(manual.secret(NEO4J), NOW, value=b"neo4j:second")
    manual.event("SECRET_VERSION_ADD", "staging-neo4j-credentials", NOW + DAY)
    untouched = manual.google.secrets.read(manual.secret(NEO4J), "1")
    manual.pipeline(NOW).keys.confirm(NEO4J, "ann", NOW + DAY)
    manual.rotate(NOW + 2 * DAY)

    assert asked.title == "neo4j-credentials of staging is to be renewed by a person"
    assert asked.lines[1].startswith("2. gcloud secrets versions add staging-neo4j-credentials")
    assert asked.level is Level.MEDIUM
    assert untouched == b"neo4j:first"
    assert manual.read(NEO4J) == "neo4j:second"
    assert manual.states(NEO4J) == {1: "ENDING", 2: "ENABLED"}
    assert [state for _, state in manual.told()] == ["opened", "ended"]
    assert manual.state(NEO4J).step is Step.IDLE


def test_a_word_of_confirmation_that_nobody_asked_for_is_refused(manual):
    with pytest.raises(Misconfigured, match="no renewal waits"):
        manual.pipeline().keys.confirm(NEO4J, "ann", NOW)


def test_no_digest_is_kept_of_what_a_person_made_up(manual):
    """A password can be guessed from its digest; a random key cannot."""
    manual.rotate(NOW)
    manual.google.secrets.add_version(manual.secret(NEO4J), NOW, value=b"neo4j:second")
    manual.pipeline(NOW).keys.confirm(NEO4J, "ann", NOW)

    assert manual.state(NEO4J).current.mark == ""


def test_a_secret_nobody_filled_yet_is_not_due(tmp_path):
    with cloud(f"sqlite:///{tmp_path}/r.db", only(NEO4J)) as here:
        nothing = here.rotate(NOW).decision
        here.google.secrets.add(here.secret(NEO4J))

        assert (nothing, here.rotate(NOW).decision) == ("no key is due", "no key is due")
        with pytest.raises(Misconfigured, match="has no version yet"):
            here.pipeline().keys.rotate(NEO4J, "ann", NOW)


# --- by hand -------------------------------------------------------------------------------------


def test_a_person_rotates_whenever_they_like(here):
    here.rotate(NOW)
    here.rotate(NOW + DAY)
    report = here.pipeline(NOW + 2 * DAY).keys.rotate(OPENAI, "ann", NOW + 2 * DAY)

    assert "overlap, version 3" in report.decision
    with pytest.raises(Misconfigured, match=r"there are openai-api-key\. Was it a key") as raised:
        here.pipeline().keys.rotate("sk-" + "a key in the place of its name", "ann", NOW)
    assert "in the place" not in str(raised.value)


def test_a_blocked_key_is_dead_at_once_told_and_begun_anew_by_a_person(here):
    here.rotate(NOW)
    report = here.pipeline(NOW + LATER).keys.block(OPENAI, "ann", NOW + LATER)
    dead = dict(here.openai.keys)
    here.rotate(NOW + 2 * LATER)
    (opened,) = here.alerts()
    here.pipeline(NOW + DAY).keys.rotate(OPENAI, "ann", NOW + DAY)
    here.rotate(NOW + 2 * DAY)

    assert report.decision == "openai-api-key is blocked: 2 keys ended, and refused"
    assert dead == {}
    assert (opened.level, opened.state) == (Level.CRITICAL, "opened")
    assert here.openai.works(here.read())
    assert here.state().step is Step.IDLE
    assert here.told()[-1] == (opened.incident, "ended")


def test_a_block_that_is_not_confirmed_says_so_and_can_be_made_again(here, monkeypatch):
    """Providers keep what they know of a key for a moment."""
    monkeypatch.setattr(here.openai, "works", lambda _: True)
    with pytest.raises(Unavailable, match="1 values work on; block again"):
        here.pipeline().keys.block(OPENAI, "ann", NOW)
    monkeypatch.undo()
    here.pipeline().keys.block(OPENAI, "ann", NOW)

    assert here.openai.keys == {}
    assert here.audit() == ["Blocking"]
    assert [alert.title.partition(" staging is ")[2] for alert in here.alerts()] == [
        "to be blocked, and its keys may still work",
        "blocked: nothing that reads it works any more",
    ]


def test_a_block_that_dies_on_its_way_does_not_pass_for_one_that_is_done(here, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("twinguard.key_flow.strays", dies)
        with pytest.raises(KeyboardInterrupt):
            here.pipeline().keys.block(OPENAI, "ann", NOW)
    left = here.state()
    here.rotate(NOW + LATER)

    assert (left.step, left.trouble.level) == (Step.BLOCKED, Level.CRITICAL)
    assert left.trouble.lines[0].endswith("make block-key KEY=openai-api-key ENV=staging APPLY=1")
    assert here.told() == [("staging/rotation/openai-api-key/1", "opened")]
    here.pipeline(NOW + DAY).keys.block(OPENAI, "ann", NOW + DAY)
    assert here.openai.keys == {}


def dies(*_):
    raise KeyboardInterrupt


def test_a_block_ends_what_is_known_before_it_looks_for_the_rest(here):
    here.rotate(NOW)
    (known, made) = here.openai.keys
    here.google.fail(Fault(code=503), path=":access", times=9)
    with pytest.raises(Unavailable, match="cannot read version"):
        here.pipeline(NOW + DAY).keys.block(OPENAI, "ann", NOW + DAY)

    assert (known, made, here.openai.keys) == ("key_1", "key_2", {})
    assert here.state().step is Step.BLOCKED


def test_a_block_that_nobody_could_be_told_of_is_done_and_told_later(here):
    here.google.fail(Fault(403, "PERMISSION_DENIED"), path=":publish")
    report = here.pipeline().keys.block(OPENAI, "ann", NOW)
    before = (here.openai.keys, here.told())
    here.rotate(NOW + LATER)

    assert report.decision.startswith("openai-api-key is blocked: 1 keys ended, and refused; peop")
    assert before == ({}, [])
    assert here.told() == [("staging/rotation/openai-api-key/1", "opened")]


def test_an_emergency_waits_for_no_rotation(here):
    here.rotate(NOW)
    journal = KeyJournal(open_records(here.records), Retention())
    kept = journal.key(OPENAI)
    journal.keep_key(kept, replace(kept.value, busy_until=NOW + LEASE))
    here.pipeline(NOW).keys.block(OPENAI, "ann", NOW)

    assert here.openai.keys == {}


def test_what_a_person_made_is_ended_by_a_person(manual):
    with pytest.raises(Misconfigured, match="no API ends it"):
        manual.pipeline().keys.block(NEO4J, "ann", NOW)


# --- brakes --------------------------------------------------------------------------------------


def test_openai_is_told_the_policys_limits_once(here):
    told = here.pipeline().keys.set_brakes("ann", NOW)
    again = here.pipeline().keys.set_brakes("ann", NOW)

    assert told == [
        "spend: no limit → 200.00 USD a month",
        "gpt-3.5-turbo: 3500 → 100 requests a minute",
        "gpt-4o-mini: 10000 → 100 requests a minute",
    ]
    assert again == []
    assert here.openai.spend_limit == 20_000
    assert here.openai.models == {"gpt-3.5-turbo": 100, "gpt-4o-mini": 100, "dall-e-3": 7}


def test_limits_that_cannot_be_set_are_tried_again(here):
    here.openai.fail(Fault(code=503), method="POST", path="/spend_limit")
    with pytest.raises(Unavailable, match=r"limits: .*no answer now"):
        here.rotate(NOW)
    braked = here.openai.models["gpt-4o-mini"]
    here.rotate(NOW + LATER)

    assert (braked, here.openai.spend_limit) == (100, 20_000)


def test_a_policy_without_a_project_at_openai_sets_nothing(here):
    here.policy = replace(here.policy, openai=replace(here.policy.openai, project=None))

    assert here.pipeline().keys.set_brakes("ann", NOW) == []
    assert [state.kind for state in here.pipeline().keys.states(NOW)] == [Kind.MANUAL]


def test_the_schedule_knows_the_task(here):
    assert here.pipeline().on_schedule(task(NOW), NOW).decision.startswith("openai-api-key")
