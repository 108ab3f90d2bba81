# SPDX-License-Identifier: Apache-2.0
"""The dashboard: pages about costs, operations and security, and a few actions, over HTTP.

`app.py` has the routes, `*_view.py` turn data into what templates show, `guard.py` lets in."""
