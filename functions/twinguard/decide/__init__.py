# SPDX-License-Identifier: Apache-2.0
"""The decision core: pure functions over frozen values. No I/O, no clock, no vendor import."""
