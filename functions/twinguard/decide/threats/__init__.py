# SPDX-License-Identifier: Apache-2.0
"""Tell a stolen API key from its use. Pure; `memory.py` is where one use comes in."""
