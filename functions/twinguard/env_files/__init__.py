# SPDX-License-Identifier: Apache-2.0
"""The application's environment files, `.env/.env.*`: laid out, filled in, sealed, compared."""
