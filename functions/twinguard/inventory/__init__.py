# SPDX-License-Identifier: Apache-2.0
"""Read what there is in a project, for people's commands. Changes nothing, is never deployed."""
