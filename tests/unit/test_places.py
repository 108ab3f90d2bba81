# SPDX-License-Identifier: Apache-2.0
"""Where addresses are: the load balancer first, then files; hostile words place nobody."""

from __future__ import annotations

import pytest

from twinguard.decide.threats.values import Place
from twinguard.errors import Misconfigured
from twinguard.places import Places, open_places


class File:
    """A file of places, as maxminddb reads one."""

    def __init__(self, **known):
        self.known = {name.replace("_", "."): value for name, value in known.items()}

    def get(self, address):
        if not address or not address[0].isdigit():
            raise ValueError("no address")
        return self.known.get(address)


COUNTRIES = File(**{"9_9_9_9": {"country": {"iso_code": "US"}}, "5_5_5_5": {"country_code": "RU"}})
OPERATORS = File(**{"9_9_9_9": {"autonomous_system_organization": "ACME"}})


def test_files_say_country_and_operator_together():
    places = Places((COUNTRIES, OPERATORS))

    assert places("9.9.9.9") == Place(country="US", operator="ACME")
    assert places("5.5.5.5") == Place(country="RU")
    assert places("1.1.1.1") is None


def test_the_load_balancer_comes_before_any_file():
    places = Places((COUNTRIES, OPERATORS))
    places.tell("9.9.9.9", "de")

    assert places("9.9.9.9") == Place(country="DE", operator="ACME")
    assert places.told("9.9.9.9") == "DE"


@pytest.mark.parametrize("country", ["", "D", "DEU", "1!", "日本", "🛑🛑"])
def test_what_is_no_country_is_not_believed(country):
    places = Places()
    places.tell("9.9.9.9", country)

    assert places("9.9.9.9") is None


@pytest.mark.parametrize("address", ["", "host.example", "::1", "9.9.9.9x"])
def test_what_is_no_address_is_nowhere(address):
    assert Places((COUNTRIES,))(address) is None


def test_a_file_that_is_none_is_refused_by_name(tmp_path):
    (tmp_path / "geo.mmdb").write_text("no database")
    with pytest.raises(Misconfigured, match=r"TWINGUARD_GEO: .*geo\.mmdb cannot be read"):
        open_places({"TWINGUARD_GEO": str(tmp_path / "geo.mmdb")})


def test_no_file_is_fine():
    assert open_places({})("9.9.9.9") is None
