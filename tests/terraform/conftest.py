# SPDX-License-Identifier: Apache-2.0
"""One copy of the Terraform folders for all workers; each plan is made once."""

from __future__ import annotations

import os

import pytest

import planning


@pytest.fixture(scope="session")
def workspace(tmp_path_factory) -> planning.Workspace:
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return planning.workspace(shared / "plans")
