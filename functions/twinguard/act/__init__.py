# SPDX-License-Identifier: Apache-2.0
"""Adapters that change the world, and `execute.py`, which carries actions out through them."""
