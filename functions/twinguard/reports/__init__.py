# SPDX-License-Identifier: Apache-2.0
"""Say for people what was spent: reports as values, then as Markdown, HTML, charts and mail."""
