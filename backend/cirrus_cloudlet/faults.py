"""The two ways in which a request fails, as the API's document has them."""

from __future__ import annotations


class StructuralFault(Exception):
    """Answered with a 4xx status: authentication, missing parameters, broken encoding."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Refusal(Exception):
    """Answered with status 200 and `Error: message`."""
