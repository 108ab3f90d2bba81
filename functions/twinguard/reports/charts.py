# SPDX-License-Identifier: Apache-2.0
"""Draw figures with Vega-Lite, without a browser: SVG for pages, PNG for mail.

The same figure gives the same bytes. Nothing is fetched: the data are in the specification."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from html import escape
from itertools import accumulate
from typing import Any, TypeAlias

from twinguard.decide.months import last_of
from twinguard.reports.document import Amount, Bars, Daily, Figure, shown

Spec: TypeAlias = "dict[str, Any]"

VERSION = "6.1"
"""Of Vega-Lite; vl-convert has several and would take its newest."""

FONT = "DejaVu Sans, Verdana, sans-serif"
WIDTH, SCALE = 620, 2
APART = Decimal("0.09")
"""Part of the height that the names of two lines need between them."""

NOON = 12
"""Days are drawn at their middle, so that bars and line are above each other."""

LABEL = 24
"""Characters of a name on an axis; the table has it in full."""

GROWING = 0.45
"""How solid the bars of days are whose rows still come."""

COLOURS = {
    "ink": "#24292f",
    "faint": "#6a737d",
    "grid": "#e1e4e8",
    "paper": "#ffffff",
    "main": "#1f6feb",
    "band": "#9ecbff",
    "limit": "#b35900",
}
"""By their names in the page's style sheet, which has darker and lighter ones of them."""


def png(figure: Figure) -> bytes:
    """The figure as a picture in light colours, twice as fine as its size."""
    import vl_convert

    found: bytes = vl_convert.vegalite_to_png(
        specification(figure), vl_version=VERSION, scale=SCALE, allowed_base_urls=[]
    )
    return found


def svg(figure: Figure) -> str:
    """The figure to be put into a page: colours are the page's, title and description are read."""
    import vl_convert

    drawn = vl_convert.vegalite_to_svg(
        specification(figure), vl_version=VERSION, allowed_base_urls=[]
    )
    name = figure.name
    for colour, value in COLOURS.items():
        drawn = drawn.replace(f'"{value}"', f'"var(--{colour})"')
    head, rest = drawn.split(">", 1)
    head = head.replace(' width="', f' role="img" aria-labelledby="{name}-t {name}-d" width="', 1)
    title, words = escape(figure.title, quote=False), escape(figure.description, quote=False)
    return f'{head}><title id="{name}-t">{title}</title><desc id="{name}-d">{words}</desc>{rest}'


def specification(figure: Figure) -> Spec:
    """The figure in Vega-Lite's terms."""
    spec = _daily(figure.data) if isinstance(figure.data, Daily) else _bars(figure.data)
    axis = {"labelColor": COLOURS["ink"], "titleColor": COLOURS["faint"], "titleFontWeight": 400}
    lines = {"domainColor": COLOURS["grid"], "tickColor": COLOURS["grid"]}
    return spec | {
        "background": COLOURS["paper"],
        "padding": 8,
        "config": {
            "aria": False,
            "font": FONT,
            "axis": axis | lines | {"gridColor": COLOURS["grid"], "labelFontSize": 11},
            "view": {"stroke": None},
            "text": {"font": FONT, "fontSize": 11},
        },
    }


def _daily(data: Daily) -> Spec:
    """Above the sum so far with its lines and where it may end, below each day."""
    last = last_of(data.month)
    span = [_utc(data.month), _utc(last + dt.timedelta(days=1))]
    x = {"field": "day", "type": "temporal", "scale": {"domain": span, "type": "utc"}}
    ticks = [_utc(data.month.replace(day=day), NOON) for day in (1, 5, 10, 15, 20, 25)]
    dates = {"format": "%-d", "values": [*ticks, _utc(last, NOON)], "grid": False}
    hidden = x | {"axis": None}
    above = {
        "width": WIDTH,
        "height": 190,
        "layer": [*_band(data, hidden), *_sums(data, hidden), *_limits(data)],
    }
    below = {
        "width": WIDTH,
        "height": 80,
        "data": {"values": _rows(data)},
        "mark": {"type": "bar", "color": COLOURS["main"], "width": WIDTH / 31 * 0.7},
        "encoding": {
            "x": x | {"title": f"Day of {data.month:%Y-%m}", "axis": dates, "bandPosition": 0.5},
            "y": _y("amount", f"A day, {data.currency}", 3),
            "opacity": {"field": "opacity", "type": "quantitative", "scale": None},
        },
    }
    return {"vconcat": [above, below], "spacing": 14}


def _rows(data: Daily) -> list[Spec]:
    sums = accumulate(amount for _, amount in data.days)
    return [
        {
            "day": _utc(day, hours=NOON),
            "amount": float(amount),
            "sum": float(total),
            "opacity": 1 if data.through is None or day <= data.through else GROWING,
        }
        for (day, amount), total in zip(data.days, sums, strict=True)
    ]


def _y(field: str, title: str, ticks: int) -> Spec:
    axis = {"format": ",~f", "tickCount": ticks, "domain": False}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis}


def _sums(data: Daily, x: Spec) -> list[Spec]:
    line = {"type": "line", "color": COLOURS["main"], "strokeWidth": 2.5}
    y = _y("sum", f"So far, {data.currency}", 4)
    return [{"data": {"values": _rows(data)}, "mark": line, "encoding": {"x": x, "y": y}}]


def _band(data: Daily, x: Spec) -> list[Spec]:
    """From what is known to the ends of the forecast."""
    if data.forecast is None or not data.days:
        return []
    known = [row for row in _rows(data) if data.through is None or row["day"] <= _end(data)]
    start = known[-1] if known else _rows(data)[0]
    low, high = (float(end) for end in data.forecast)
    ends = [
        {"day": start["day"], "low": start["sum"], "high": start["sum"]},
        {"day": _utc(last_of(data.month), NOON), "low": low, "high": high},
    ]
    y = _y("low", f"So far, {data.currency}", 4)
    area = {"type": "area", "color": COLOURS["band"], "opacity": 0.55}
    label = {"type": "text", "align": "right", "color": COLOURS["faint"], "baseline": "top"}
    return [
        {
            "data": {"values": ends},
            "mark": area,
            "encoding": {"x": x, "y": y, "y2": {"field": "high"}},
        },
        {
            "data": {"values": ends[1:]},
            "mark": label | {"dy": 14, "text": "forecast"},
            "encoding": {"x": x, "y": y},
        },
    ]


def _end(data: Daily) -> int:
    return _utc(data.through or data.month, hours=24)


def _limits(data: Daily) -> list[Spec]:
    """A dashed line for each threshold, named at its left."""
    if not data.lines:
        return []
    top = max(amount for _, amount in data.lines)
    top = max([top, *accumulate(amount for _, amount in data.days), *(data.forecast or ())])
    values: list[Spec] = []
    above = top + top
    for name, amount in reversed(data.lines):
        is_free = above - amount >= top * APART
        values.append({"amount": float(amount), "name": f"{name} of the budget" if is_free else ""})
        above = amount if is_free else above
    y = _y("amount", f"So far, {data.currency}", 4)
    rule = {"type": "rule", "color": COLOURS["limit"], "strokeDash": [5, 4]}
    text = {"type": "text", "align": "left", "baseline": "bottom", "dx": 4, "dy": -2}
    at_left = {"value": 0}
    return [
        {"data": {"values": values}, "mark": rule, "encoding": {"y": y}},
        {
            "data": {"values": values},
            "mark": text | {"color": COLOURS["limit"]},
            "encoding": {"x": at_left, "y": y, "text": {"field": "name", "type": "nominal"}},
        },
    ]


def _bars(data: Bars) -> Spec:
    values = [
        {
            "at": at,
            "name": _short(name),
            "amount": float(amount),
            "label": shown(Amount(amount, data.currency)),
        }
        for at, (name, amount) in enumerate(data.items)
    ]
    names = {str(value["at"]): value["name"] for value in values}
    y = {
        "field": "at",
        "type": "ordinal",
        "title": None,
        "axis": {
            # JSON is an expression that only says what it says, whoever chose the names.
            "labelExpr": f"{json.dumps(names)}[datum.value]",
            "labelLimit": 220,
            "domain": False,
            "ticks": False,
            "labelPadding": 8,
        },
    }
    x = {
        "field": "amount",
        "type": "quantitative",
        "title": data.currency,
        "axis": None,
        "scale": {"domainMin": 0},
    }
    bar = {"type": "bar", "color": COLOURS["main"], "height": {"band": 0.68}}
    text = {"type": "text", "align": "left", "dx": 5, "color": COLOURS["ink"]}
    return {
        "data": {"values": values},
        "width": WIDTH - 200,
        "height": {"step": 24},
        "layer": [
            {"mark": bar, "encoding": {"x": x, "y": y}},
            {
                "mark": text,
                "encoding": {"x": x, "y": y, "text": {"field": "label", "type": "nominal"}},
            },
        ],
    }


def _short(name: str) -> str:
    return name if len(name) <= LABEL else f"{name[: LABEL - 1]}…"


def _utc(day: dt.date, hours: int = 0) -> int:
    """A moment of a day in milliseconds, the same in every time zone."""
    moment = dt.datetime.combine(day, dt.time(), dt.UTC) + dt.timedelta(hours=hours)
    return int(moment.timestamp() * 1000)
