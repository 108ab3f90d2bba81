# SPDX-License-Identifier: Apache-2.0
"""Reports become files and mails: whole, the same each time, saying what is missing."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import os
import struct
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
import stamina

import reporting
from reporting import overview, shares
from servers import skip_or_fail
from twinguard.decide.spend import Day, Dimension
from twinguard.errors import Misconfigured, Unavailable
from twinguard.notify.email import Email
from twinguard.reports import charts, files, mail
from twinguard.reports.document import Bars, Daily, Figure
from twinguard.reports.files import Form
from twinguard.reports.monthly import monthly
from twinguard.standins import mail as accounts
from twinguard.standins.mail import MailSink

AT = dt.datetime(2026, 12, 1, 6, tzinfo=dt.UTC)
PNG = b"\x89PNG\r\n\x1a\n"
NO_BROWSER = "/nonexistent/chromium"
TO = ("team@example.com", "boss@example.com")
NOT_DEPLOYED = {"altair", "duckdb", "email", "jinja2", "markupsafe", "rich", "vl_convert"}
PURE = ["document", "monthly", "statement", "quarterly", "markdown"]


@pytest.fixture(scope="module")
def document():
    return monthly([reporting.busy()])


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(PNG)
    return struct.unpack(">II", png[16:24])


def drawn(*days: str, **changes) -> Figure:
    """A chart of a month's first days."""
    first = reporting.NOVEMBER
    amounts = tuple((first + dt.timedelta(days=n), Decimal(one)) for n, one in enumerate(days))
    known = {"month": first, "through": None, "days": amounts, "currency": "USD"}
    return Figure(name="x", title="t", description="d", data=Daily(**(known | changes)))


def test_charts_have_the_same_bytes_each_time(document):
    for figure in document.figures:
        assert charts.png(figure) == charts.png(figure)
        assert charts.svg(figure) == charts.svg(figure)


def test_charts_are_small_enough_for_a_mail(document):
    for figure in document.figures:
        png = charts.png(figure)

        assert size(png)[0] <= 1500
        assert len(png) < 200_000


@pytest.mark.parametrize(
    "figure",
    [
        drawn(),
        drawn("0", "0"),
        drawn("-5", "3"),
        drawn("1", forecast=(Decimal(5), Decimal(9)), through=dt.date(2026, 11, 1)),
        drawn("1", forecast=(Decimal(5), Decimal(9)), through=dt.date(2026, 10, 20)),
        drawn("1e12", lines=(("50 %", Decimal("1e12")), ("100 %", Decimal("1.001e12")))),
        Figure(name="b", title="t", description="d", data=Bars(items=(), currency="JPY")),
    ],
)
def test_charts_of_odd_months_are_drawn(figure):
    assert charts.svg(figure).endswith("</svg>")


def test_names_of_lines_that_are_near_each_other_are_not_drawn_twice():
    lines = tuple((f"{share} %", Decimal(share)) for share in (50, 95, 100))

    text = charts.svg(drawn("60", lines=lines))

    assert "100 % of the budget" in text
    assert "95 % of the budget" not in text
    assert "50 % of the budget" in text


def test_a_budget_far_above_the_spend_does_not_flatten_the_chart():
    [figure] = monthly([overview(spent=Decimal(20))]).figures[:1]

    assert figure.data.lines == ()


def test_days_of_another_month_are_not_drawn():
    days = (Day(dt.date(2026, 10, 31), Decimal(7)), Day(reporting.NOVEMBER, Decimal(100)))

    [figure] = monthly([overview(days=days)]).figures[:1]

    assert figure.data.days == ((reporting.NOVEMBER, Decimal(100)),)


def test_a_report_is_written_in_every_form_that_needs_no_browser(document, tmp_path):
    found = files.write(document, tmp_path / "new", [Form.MARKDOWN, Form.HTML, Form.PNG])

    assert sorted(path.name for path in found.paths) == [
        "costs-production-2026-11-days-usd.png",
        "costs-production-2026-11-service-usd.png",
        "costs-production-2026-11.html",
        "costs-production-2026-11.md",
    ]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(
        path.name for path in found.paths
    )
    assert "(<costs-production-2026-11-days-usd.png>)" in found.paths[2].read_text("utf-8")
    assert found.notes == ()


def test_without_a_browser_it_is_said_and_the_page_and_charts_are_there(
    document, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path))

    found = files.write(document, tmp_path, [Form.PDF])

    assert [path.suffix for path in found.paths] == [".png", ".png", ".html"]
    assert found.notes[0].startswith("no PDF: no Chromium was found.")


def test_a_browser_that_does_not_print_is_named(document, tmp_path):
    with pytest.raises(Unavailable, match="nonexistent/chromium did not print the page"):
        files.write(document, tmp_path, [Form.PDF], browser=NO_BROWSER)


def test_a_browser_that_hangs_is_ended_with_what_it_started(document, tmp_path, monkeypatch):
    """The pipe's end is read once the last process that holds it is gone."""
    pipe, browser = tmp_path / "pipe", tmp_path / "browser"
    os.mkfifo(pipe)
    browser.write_text(f"#!/bin/sh\nexec 9> {pipe}\necho started >&9\nsleep 600 &\nwait\n")
    browser.chmod(0o755)
    monkeypatch.setattr(files, "PATIENCE", 2)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    with pytest.raises(Unavailable, match="TimeoutExpired"):
        files.write(document, tmp_path, [Form.PDF], browser=str(browser))

    os.set_blocking(reading, True)
    with os.fdopen(reading, "rb") as ended:
        assert ended.read() == b"started\n"


def test_a_chromium_prints_a_pdf(document, tmp_path):
    if files.found_browser() is None:
        skip_or_fail("no Chromium on the path; install Debian's package chromium")

    found = files.write(document, tmp_path, [Form.PDF])

    [path] = found.paths
    content = path.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")


def test_a_folder_that_cannot_be_written_is_named(document, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(Misconfigured, match="file/x: the report cannot be written there"):
        files.write(document, tmp_path / "file" / "x", [Form.MARKDOWN])


def test_a_mail_has_words_a_page_and_its_pictures(document):
    raw = mail.compose(document, "Twinguard <cost@example.com>", TO, AT).as_bytes()

    found = email.message_from_bytes(raw, policy=email.policy.default)

    text, page = found.get_body(("plain",)), found.get_body(("html",))
    pictures = {
        part["Content-ID"].strip("<>"): part.get_content()
        for part in found.walk()
        if part.get_content_maintype() == "image"
    }
    assert found["Subject"] == "Costs of production, November 2026"
    assert found["To"] == "team@example.com, boss@example.com"
    assert "| gpt-4.1 " in text.get_content()
    assert len(pictures) == 2
    assert all(content.startswith(PNG) for content in pictures.values())
    assert all(f'src="cid:{name}"' in page.get_content() for name in pictures)
    assert page.get_content().count("<img") == len(pictures)


def test_a_mail_is_the_same_each_time_and_another_one_when_the_numbers_change(document):
    first, again = (mail.compose(document, "cost@example.com", TO, AT).as_bytes() for _ in range(2))
    other = mail.compose(monthly([overview()]), "cost@example.com", TO, AT)

    assert first == again
    assert other["Message-ID"].encode() not in first


def test_a_hostile_title_makes_no_header():
    month = overview(environment="x\r\nBcc: all@example.com")

    found = mail.compose(monthly([month]), "cost@example.com", TO, AT)

    assert found["Bcc"] is None
    assert found["Subject"] == "Costs of x Bcc: all@example.com, November 2026"


def test_a_mail_is_accepted_by_a_real_server(document):
    with stamina.set_testing(True), MailSink() as sink:
        adapter = Email(
            host="127.0.0.1",
            port=sink.port,
            user=accounts.USER,
            password=accounts.PASSWORD,
            sender=accounts.USER,
            recipients=TO,
            ca_file=sink.ca_file,
        )
        receipt = adapter.deliver(mail.compose(document, accounts.USER, TO, AT))

        assert receipt.startswith("<")
        assert "refused" not in receipt


def test_a_function_can_make_the_markdown_without_the_command_lines_packages():
    code = f"import sys\nfrom twinguard.reports import {', '.join(PURE)}\nprint(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(files.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "twinguard" in loaded
    assert loaded & NOT_DEPLOYED == set()


def test_text_in_a_chart_is_escaped():
    month = overview(parts={Dimension.SERVICE: shares({"<b>&": "60", "</svg><script>": "40"})})

    drawing = charts.svg(monthly([month]).figures[1])

    assert "&lt;b" in drawing
    assert "<script" not in drawing
