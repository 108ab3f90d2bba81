# SPDX-License-Identifier: Apache-2.0
"""How far countries lie apart, from rough middles: enough to tell what nobody can have travelled.

Codes (ISO 3166) and the common English names; an unknown country is at no distance to any."""

from __future__ import annotations

import math

_MIDDLES = """
AE United Arab Emirates 24 54;AR Argentina -34 -64;AT Austria 47 14;AU Australia -27 134
BD Bangladesh 24 90;BE Belgium 51 4;BG Bulgaria 43 25;BR Brazil -14 -52;BY Belarus 53 28
CA Canada 50 -90;CH Switzerland 47 8;CL Chile -34 -71;CN China 33 110;CO Colombia 4 -72
CY Cyprus 35 33;CZ Czechia 50 15;DE Germany 51 10;DK Denmark 56 10;DZ Algeria 35 3
EE Estonia 59 26;EG Egypt 29 31;ES Spain 40 -4;ET Ethiopia 8 39;FI Finland 62 26;FR France 47 2
GB United Kingdom 53 -2;GE Georgia 42 43;GH Ghana 8 -1;GR Greece 39 22;HK Hong Kong 22 114
HR Croatia 45 16;HU Hungary 47 19;ID Indonesia -6 110;IE Ireland 53 -8;IL Israel 32 35
IN India 21 78;IQ Iraq 33 44;IR Iran 33 53;IS Iceland 65 -18;IT Italy 43 12;JP Japan 36 138
KE Kenya -1 37;KR South Korea 37 127;KW Kuwait 29 48;KZ Kazakhstan 48 68;LK Sri Lanka 7 81
LT Lithuania 55 24;LU Luxembourg 50 6;LV Latvia 57 25;MA Morocco 32 -6;MD Moldova 47 29
MT Malta 36 14;MX Mexico 21 -101;MY Malaysia 3 102;NG Nigeria 8 8;NL Netherlands 52 5
NO Norway 61 9;NZ New Zealand -41 174;PA Panama 9 -80;PE Peru -10 -76;PH Philippines 13 122
PK Pakistan 30 70;PL Poland 52 20;PT Portugal 39 -8;QA Qatar 25 51;RO Romania 46 25
RS Serbia 44 21;RU Russia 56 45;SA Saudi Arabia 24 45;SC Seychelles -5 55;SE Sweden 60 16
SG Singapore 1 104;SI Slovenia 46 15;SK Slovakia 49 20;TH Thailand 14 101;TN Tunisia 35 10
TR Turkey 39 33;TW Taiwan 24 121;UA Ukraine 49 31;US United States 39 -98;UY Uruguay -33 -56
UZ Uzbekistan 41 64;VE Venezuela 8 -66;VN Vietnam 14 108;ZA South Africa -29 25
"""


def _read() -> dict[str, tuple[float, float]]:
    found = {}
    for line in _MIDDLES.replace("\n", ";").split(";"):
        if words := line.split():
            middle = math.radians(float(words[-2])), math.radians(float(words[-1]))
            found[words[0].lower()] = found[" ".join(words[1:-2]).lower()] = middle
    return found


_BY_NAME = _read()
_RADIUS = 6371.0


def apart_km(one: str, other: str) -> float:
    """The distance between two countries' middles; 0 where one is unknown."""
    here, there = _BY_NAME.get(one.lower()), _BY_NAME.get(other.lower())
    if here is None or there is None or here == there:
        return 0.0
    straight = (
        math.sin((there[0] - here[0]) / 2) ** 2
        + math.cos(here[0]) * math.cos(there[0]) * math.sin((there[1] - here[1]) / 2) ** 2
    )
    return 2 * _RADIUS * math.asin(math.sqrt(straight))
