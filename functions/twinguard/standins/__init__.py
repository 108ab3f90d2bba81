# SPDX-License-Identifier: Apache-2.0
"""Outside services played on this machine over real HTTP: for `make demo`, `make drill`, tests."""
