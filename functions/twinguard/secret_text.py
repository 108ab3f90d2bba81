# SPDX-License-Identifier: Apache-2.0
"""A text that shows itself to nobody but who asks for it by name: `SecretText.reveal()`.

Printing, logging, formatting, copying into JSON or a pickle never tell it."""

from __future__ import annotations

import hmac
from typing import NoReturn, Self, final

__all__ = ["SecretText"]

SHOWN = "[hidden]"


@final
class SecretText:
    """A secret as a value; two are equal where their texts are, compared in constant time."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """The text itself. Hand it on at once; never keep it."""
        return self.__text

    def __repr__(self) -> str:
        return f"SecretText({SHOWN})"

    def __str__(self) -> str:
        return SHOWN

    def __format__(self, spec: str) -> str:
        return format(SHOWN, spec)

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretText):
            return NotImplemented
        return hmac.compare_digest(self.__text.encode(), other.__text.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash could be tried out

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a SecretText cannot be pickled: it would be readable there")
