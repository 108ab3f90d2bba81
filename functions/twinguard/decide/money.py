# SPDX-License-Identifier: Apache-2.0
"""Write amounts and shares for people. Pure; nothing is computed on from what is written here."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Sources have 38 digits: with Decimal's usual 28, sums and rounding would lose or fail."""

_QUOTIENT = Context(prec=28)

_NO_MINOR_UNIT = frozenset(
    {
        *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
        *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
    }
)
_THOUSANDTHS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def digits(currency: str) -> int:
    """How many decimals amounts of a currency are written with (ISO 4217's minor unit).

    Two for a currency that is not known to have none or three."""
    if currency in _NO_MINOR_UNIT:
        return 0
    return 3 if currency in _THOUSANDTHS else 2


def rounded(amount: Decimal, currency: str) -> Decimal:
    """The amount in whole minor units, half to even: 0.125 USD is 0.12, 0.135 USD is 0.14.

    Half to even, because rounding many halves up would shift what people add up by hand. Never
    minus zero."""
    found = amount.quantize(Decimal(1).scaleb(-digits(currency)), context=EXACT)
    return found or found.copy_abs()


def share_of(amount: Decimal, whole: Decimal) -> Decimal:
    """The one divided by the other: no quotient needs more digits than Decimal's usual 28."""
    return _QUOTIENT.divide(amount, whole)


def money(amount: Decimal, currency: str) -> str:
    """An amount for people: `1,234.56 USD`, `-0.50 EUR`, `1,235 JPY`, `1.250 KWD`."""
    return f"{rounded(amount, currency):,f} {currency}"


def percent(share: Decimal) -> str:
    """A share for people, 75 for 75 %: one decimal below ten, so that small ones still differ."""
    places = Decimal("0.1") if abs(share) < 10 else Decimal(1)  # noqa: PLR2004 - as said
    found = share.quantize(places, context=EXACT)
    return f"{found or found.copy_abs():,f} %"


def change(before: Decimal, after: Decimal, currency: str) -> str:
    """A change for people: `+12.00 USD (+20 %)`; without a percentage where nothing was before."""
    moved = rounded(after - before, currency)
    sign = "+" if moved > 0 else ""
    if before <= 0:
        return f"{sign}{money(moved, currency)}"
    return f"{sign}{money(moved, currency)} ({sign}{percent(100 * (after - before) / before)})"
