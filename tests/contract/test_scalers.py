# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from contract.brokers import PATIENCE
from twinguard.act.billing import Billing
from twinguard.act.cloud_run import CloudRun
from twinguard.act.pubsub import Subscriptions
from twinguard.decide.model import Live, Mode, Push, Scaling
from twinguard.errors import Conflict, Unavailable
from twinguard.standins.cloud_run import CloudRun as CloudRunStandIn
from twinguard.standins.google import Google
from twinguard.standins.server import Fault, Server, route

SERVICE = "projects/demo-run/locations/europe-west1/services/api"


@pytest.fixture
def google():
    with Google() as google:
        google.cloud_run.add(SERVICE, {"minInstanceCount": 2, "maxInstanceCount": 5})
        yield google


@pytest.fixture
def run(google):
    return CloudRun(google.url, poll=0.01)


def patches(google):
    return [each for each in google.exchanges if each.method == "PATCH"]


def test_a_service_is_read_with_both_levels_and_its_etag(google, run):
    google.cloud_run.add(
        SERVICE, {"minInstanceCount": 2}, {"minInstanceCount": 1, "maxInstanceCount": 7}
    )

    assert run.read(SERVICE) == Live(
        Scaling(minimum=2, revision_minimum=1, revision_maximum=7),
        google.cloud_run.service(SERVICE)["etag"],
    )


def test_a_manual_service_is_read_with_its_count(google, run):
    google.cloud_run.add(SERVICE, {"scalingMode": "MANUAL", "manualInstanceCount": 3})

    assert run.read(SERVICE).value == Scaling(Mode.MANUAL, count=3)


def test_a_missing_service_reads_as_none(run):
    assert run.read(f"{SERVICE}-missing") is None


def test_a_write_names_exactly_what_differs_and_carries_the_etag(google, run):
    live = run.read(SERVICE)
    run.write(SERVICE, Scaling(minimum=0, maximum=5), live)

    (patch,) = patches(google)
    assert patch.query["updateMask"] == "scaling.minInstanceCount"
    assert patch.body == {"etag": live.etag}
    assert run.read(SERVICE).value == Scaling(maximum=5)


def test_stopping_sends_the_manual_count_of_zero(google, run):
    run.write(SERVICE, Scaling(Mode.MANUAL), run.read(SERVICE))

    assert patches(google)[0].body["scaling"] == {"scalingMode": 2, "manualInstanceCount": 0}
    assert google.cloud_run.service(SERVICE)["scaling"] == {
        "scalingMode": "MANUAL",
        "manualInstanceCount": 0,
    }


def test_a_revision_minimum_changes_without_resending_the_template(google, run):
    google.cloud_run.add(SERVICE, {}, {"minInstanceCount": 1, "maxInstanceCount": 7})
    before = google.cloud_run.service(SERVICE)
    run.write(SERVICE, Scaling(revision_maximum=7), run.read(SERVICE))

    after = google.cloud_run.service(SERVICE)
    assert patches(google)[0].query["updateMask"] == "template.scaling.minInstanceCount"
    assert after["template"] == before["template"] | {"scaling": {"maxInstanceCount": 7}}
    assert after["latestReadyRevision"] != before["latestReadyRevision"]


def test_writing_what_stands_there_already_asks_for_nothing(google, run):
    live = run.read(SERVICE)
    run.write(SERVICE, live.value, live)

    assert patches(google) == []


def test_a_write_returns_only_when_the_operation_is_done(google, run):
    google.cloud_run.polls = 4
    run.write(SERVICE, Scaling(), run.read(SERVICE))

    asked = [each.answer["done"] for each in google.exchanges if "/operations/" in each.path]
    assert asked == [False, False, False, True]


def test_a_service_that_changed_in_between_is_a_conflict(google, run):
    live = run.read(SERVICE)
    google.cloud_run.edit(SERVICE, {"scalingMode": "AUTOMATIC", "minInstanceCount": 4})
    with pytest.raises(Conflict, match="changed since it was read"):
        run.write(SERVICE, Scaling(), live)

    assert run.read(SERVICE).value == Scaling(minimum=4)


@pytest.mark.parametrize(
    ("code", "status"),
    [(409, "ABORTED"), (412, "FAILED_PRECONDITION"), (400, "FAILED_PRECONDITION")],
)
def test_every_way_to_say_that_the_etag_is_old_is_a_conflict(google, run, code, status):
    live = run.read(SERVICE)
    google.fail(Fault(code=code, status=status), method="PATCH")

    with pytest.raises(Conflict, match=SERVICE):
        run.write(SERVICE, Scaling(), live)


@pytest.mark.parametrize("method", ["GET", "PATCH"], ids=["read-back", "change"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(code=400, status="INVALID_ARGUMENT"),
        Fault(code=403, status="PERMISSION_DENIED"),
        Fault(code=429, status="RESOURCE_EXHAUSTED"),
        Fault(code=500),
        Fault(code=503, status="UNAVAILABLE"),
        Fault(hang_up=True),
    ],
    ids=str,
)
def test_every_other_failure_of_cloud_run_is_worth_a_retry(google, run, fault, method):
    live = run.read(SERVICE)
    google.fail(fault, method=method, path="/services/")

    with pytest.raises(Unavailable, match=SERVICE) as raised:
        run.write(SERVICE, Scaling(), live)
    assert raised.type is Unavailable
    assert run.read(SERVICE) is not None


def test_an_illegal_change_is_refused_and_reported(run):
    run.write(SERVICE, Scaling(Mode.MANUAL, count=3), run.read(SERVICE))

    with pytest.raises(Unavailable, match="needs both"):
        run.write(SERVICE, Scaling(minimum=2), run.read(SERVICE))


def test_a_service_deleted_in_between_cannot_be_changed(run):
    with pytest.raises(Unavailable, match="was not found"):
        run.write(f"{SERVICE}-missing", Scaling(), Live(Scaling(minimum=1)))


def test_a_slow_service_is_unavailable(google):
    google.fail(Fault(delay=PATIENCE))

    with pytest.raises(Unavailable, match="no answer"):
        CloudRun(google.url, timeout=0.1).read(SERVICE)


def test_an_operation_that_ends_in_an_error_is_unavailable(google, run):
    google.cloud_run.failing = [13]
    live = run.read(SERVICE)
    with pytest.raises(Unavailable, match="asked to fail") as raised:
        run.write(SERVICE, Scaling(), live)

    assert raised.type is Unavailable
    assert run.read(SERVICE) == live


@pytest.mark.parametrize("code", [9, 10])
def test_an_operation_that_finds_an_old_etag_is_a_conflict(google, run, code):
    google.cloud_run.failing = [code]

    with pytest.raises(Conflict, match="changed since it was read"):
        run.write(SERVICE, Scaling(), run.read(SERVICE))


@pytest.mark.parametrize("fault", [Fault(code=500), Fault(hang_up=True)], ids=str)
def test_an_operation_that_cannot_be_asked_about_is_unavailable(google, run, fault):
    live = run.read(SERVICE)
    google.fail(fault, path="/operations/")

    with pytest.raises(Unavailable, match="cannot change"):
        run.write(SERVICE, Scaling(), live)


@pytest.mark.parametrize("answer", ["<html>", [], {}, {"name": 5}], ids=str)
def test_an_answer_that_is_not_googles_is_never_taken_for_a_state(answer):
    paths = (f"/v2/{SERVICE}", "/v1/projects/p/subscriptions/s", "/v1/projects/p/billingInfo")
    with Server(*(route("GET", path, lambda _: answer) for path in paths)) as proxy:
        reads = (
            lambda: CloudRun(proxy.url).read(SERVICE),
            lambda: Subscriptions(proxy.url).read("projects/p/subscriptions/s"),
            lambda: Billing(proxy.url).is_linked("p"),
        )
        for read in reads:
            with pytest.raises(Unavailable, match="cannot read"):
                read()


def test_an_operation_that_does_not_end_is_not_confirmed(google):
    google.cloud_run.polls = 1_000_000
    run = CloudRun(google.url, poll=0.01, wait=0.1)

    with pytest.raises(Unavailable, match="not confirmed in time"):
        run.write(SERVICE, Scaling(), run.read(SERVICE))


def test_a_change_whose_answer_is_lost_is_unavailable_and_found_by_the_next_read(google, run):
    google.fail(Fault(lose_answer=True), method="PATCH")
    with pytest.raises(Unavailable, match="no answer"):
        run.write(SERVICE, Scaling(), run.read(SERVICE))

    assert run.read(SERVICE).value == Scaling()


class Meddled(CloudRunStandIn):
    """Somebody else changes the service while our operation is under way."""

    def _operation(self, request):
        self.edit(SERVICE, {"scalingMode": "AUTOMATIC", "minInstanceCount": 3})
        return super()._operation(request)


def test_a_change_that_does_not_read_back_is_not_confirmed():
    with Google(Meddled()) as google:
        google.cloud_run.add(SERVICE, {"minInstanceCount": 2})
        run = CloudRun(google.url, poll=0.01)

        with pytest.raises(Unavailable, match="written but not confirmed"):
            run.write(SERVICE, Scaling(), run.read(SERVICE))


@pytest.mark.parametrize(
    ("scaler", "value", "live"),
    [
        (CloudRun("http://127.0.0.1:9"), Push(), Live(Scaling())),
        (Subscriptions("http://127.0.0.1:9"), Scaling(), Live(Push())),
    ],
)
def test_a_value_of_the_wrong_kind_is_never_sent(scaler, value, live):
    with pytest.raises(TypeError, match="cannot become"):
        scaler.write("projects/p/x/y", value, live)
