# SPDX-License-Identifier: Apache-2.0
"""Send a text message through Twilio's Messages API.

One number that accepts is a delivery: repeating it for another's sake would page people twice."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from twinguard.errors import Unavailable
from twinguard.notify.text import clean, cut, render
from twinguard.notify.wire import Post, post
from twinguard.policy import Channel
from twinguard.ports import Message

if TYPE_CHECKING:
    import requests

LENGTH = 320
TWILIO = "https://api.twilio.com"


class Sms:
    """The account, the number it sends from and the people's numbers."""

    channel: Channel = Channel.SMS

    def __init__(
        self, account: str, token: str, sender: str, numbers: tuple[str, ...], url: str = TWILIO
    ) -> None:
        self.account = account
        self.token = token
        self.sender = sender
        self.numbers = numbers
        self.url = url

    def send(self, message: Message) -> str:
        """Text every number; Twilio's ids, and how many numbers were refused."""
        body = sms_text(message)
        sids: list[str] = []
        refused: list[str] = []
        for number in self.numbers:
            try:
                sids.append(self._send_one(number, body))
            except Unavailable as err:
                refused.append(str(err))
        if not sids:
            raise Unavailable(refused[0])
        note = (f"{len(refused)} of {len(self.numbers)} numbers refused",) if refused else ()
        return "; ".join((*sids, *note))

    def _send_one(self, number: str, body: str) -> str:
        response = post(
            Post(
                channel=self.channel,
                url=f"{self.url}/2010-04-01/Accounts/{self.account}/Messages.json",
                accepted=201,
                remedy="check the TWILIO_ settings, SECURITY_PHONE and the account's balance",
                explain=_reason,
                form={"To": number, "From": self.sender, "Body": body},
                auth=(self.account, self.token),
            )
        )
        return clean(str(_field(response, "sid") or "accepted"))[:100]


def sms_text(message: Message) -> str:
    """The message in GSM's basic alphabet: one character is one septet, no surprise segments."""
    text = render(message)
    parts = (text.headline, *text.items[:3], text.advice)
    return cut(gsm(". ".join(part.rstrip(".") for part in parts)), LENGTH)


def gsm(text: str) -> str:
    """The text with everything outside GSM's basic alphabet replaced by something close."""
    return "".join(_gsm(character) for character in text)


def _gsm(character: str) -> str:
    if character in _BASIC:
        return character
    if character in _CLOSE:
        return _CLOSE[character]
    plain = unicodedata.normalize("NFKD", character)
    kept = "".join(c for c in plain if c in _BASIC)
    return kept or ("" if unicodedata.combining(character) else "?")


_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_CLOSE = {
    "[": "(", "]": ")", "{": "(", "}": ")", "|": "/", "\\": "/", "^": "'", "~": "-", "`": "'",
    "€": "EUR", "“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "•": "-", "→": "->",  # noqa: RUF001 - what is replaced
}  # fmt: skip


def _field(response: requests.Response, name: str) -> object:
    import requests

    try:
        body = response.json()
    except requests.JSONDecodeError:
        return None
    return body.get(name) if isinstance(body, dict) else None


def _reason(response: requests.Response) -> str:
    """Twilio's error number; its words may repeat the phone number."""
    code = _field(response, "code")
    return f"error {code}" if isinstance(code, int) else ""
