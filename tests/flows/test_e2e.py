# SPDX-License-Identifier: Apache-2.0
"""The whole system once, as `make e2e` runs it: every promise is kept."""

from __future__ import annotations

import shutil

import pytest

from e2e import run, whole
from servers import skip_or_fail

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:Session.login_data:DeprecationWarning"),
]


def test_every_promise_of_the_whole_system_is_kept(tmp_path, firestore_emulator, pubsub_emulator):
    if shutil.which("redis-server") is None:
        skip_or_fail("redis-server: install it with 'apt-get install redis-server'")
    done = whole.played(tmp_path, firestore_emulator.address, pubsub_emulator.address)

    assert run.broken(done) == []
    assert len(done.promises) >= 35
