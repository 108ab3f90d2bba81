# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from contract.brokers import FAULTS
from twinguard.act.billing import Billing
from twinguard.errors import Unavailable
from twinguard.standins.server import Server, route


def test_a_linked_project_is_unlinked_and_stays_so(google):
    google.billing.accounts["demo-pay"] = "billingAccounts/012345-567890-ABCDEF"
    billing = Billing(google.url)
    before = billing.is_linked("demo-pay")
    billing.unlink("demo-pay")
    billing.unlink("demo-pay")

    assert (before, billing.is_linked("demo-pay")) == (True, False)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_billing_that_does_not_answer_is_unavailable(google, fault):
    google.billing.accounts["demo-pay"] = "billingAccounts/012345-567890-ABCDEF"
    billing = Billing(google.url)
    google.fail(fault, times=2)

    with pytest.raises(Unavailable, match="demo-pay"):
        billing.is_linked("demo-pay")
    with pytest.raises(Unavailable, match="cannot unlink"):
        billing.unlink("demo-pay")
    assert billing.is_linked("demo-pay")


def test_an_unlinking_that_did_not_happen_is_not_confirmed():
    info = {"name": "x", "billingAccountName": "billingAccounts/1", "billingEnabled": True}
    path = "/v1/{name=projects/*}/billingInfo"
    deaf = (route("GET", path, lambda _: info), route("PUT", path, lambda _: {}))
    with Server(*deaf) as server, pytest.raises(Unavailable, match="still has billingAccounts/1"):
        Billing(server.url).unlink("demo-pay")
