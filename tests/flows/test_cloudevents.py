# SPDX-License-Identifier: Apache-2.0
"""The same notification leads to the same state in whichever form it arrives."""

from __future__ import annotations

from flows.stage import BEFORE, BUDGET, HELD, LAST, STOPPED, post, pushed, staged
from world import message

EVENT = message(512.5, start=LAST, id="7218903112")
WORK = "http://127.0.0.1:9/work"
TYPE = "google.cloud.pubsub.topic.v1.messagePublished"
SOURCE = "//pubsub.googleapis.com/projects/living-twin-staging/topics/budget-alerts"
HEADER = {"specversion": "1.0", "id": EVENT.message_id, "type": TYPE, "source": SOURCE}
FORMS = {
    "raw": (pushed(EVENT), {}),
    "binary": (pushed(EVENT), {f"ce-{name}": value for name, value in HEADER.items()}),
    "structured": (
        {**HEADER, "datacontenttype": "application/json", "data": pushed(EVENT)},
        {"Content-Type": "application/cloudevents+json; charset=utf-8"},
    ),
}
KINDS = ("audit", "breakers", "budgets", "dead_letters", "holds")


def outcome(folder, project, form):
    """What a fresh environment answers to this form, and how it stands afterwards."""
    folder.mkdir()
    body, headers = FORMS[form]
    with staged(folder, project, BUDGET, work=WORK, TWINGUARD_CLOCK="event") as stage:
        answer = post(stage.functions[BUDGET].url, body, headers)
        records = {kind: without_ids(stage.records(kind)) for kind in KINDS}
        return answer.status_code, answer.json(), records, stage.services()


def without_ids(records):
    """The records but for the random ids by which an effect's end names its beginning."""
    return [{name: value for name, value in one.items() if name != "begun"} for one in records]


def test_a_raw_push_and_both_kinds_of_cloudevent_lead_to_the_same_state(tmp_path, project):
    raw, binary, structured = (outcome(tmp_path / form, project, form) for form in FORMS)

    status, answer, records, services = raw
    assert (status, answer["outcome"]) == (200, "done")
    assert len(records["holds"]) == 4
    assert services == {"living-twin-api": BEFORE, **dict.fromkeys(HELD, STOPPED)}
    assert binary == raw
    assert structured == raw


def test_a_cloudevent_of_another_type_is_a_dead_letter_and_changes_nothing(tmp_path, project):
    with staged(tmp_path, project, BUDGET, TWINGUARD_CLOCK="event") as stage:
        headers = {"ce-type": "google.cloud.storage.object.v1.finalized"}

        answer = post(stage.functions[BUDGET].url, pushed(EVENT), headers)

        assert (answer.status_code, answer.json()["outcome"]) == (200, "dead letter")
        assert stage.records("budgets") == []
        assert set(map(str, stage.services().values())) == {str(BEFORE)}
