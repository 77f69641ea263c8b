"""A person with a browser, as curl: signs in, keeps the cookie, sends the page's own forms."""

from __future__ import annotations

import html
import re

from curl import Answer, Curl


class Visitor:
    """Somebody at the page of a server; `sign_in`, then ask."""

    def __init__(self, url: str, *options: str) -> None:
        self._curl = Curl(url.rstrip("/"), "", *options)
        self.cookie = ""
        self.token = ""

    def sign_in(self, name: str, password: str, *options: str) -> Answer:
        """Send the form, and keep what comes of it."""
        fields = ("--data-urlencode", f"name={name}", "--data-urlencode", f"password={password}")
        answer = self._curl.run("/sign-in", *fields, *options)
        self.cookie = answer.headers.get("set-cookie", "").partition(";")[0]
        if self.cookie:
            found = re.search('name="token" value="([^"]+)"', self.get("/").text)
            assert found
            self.token = html.unescape(found[1])
        return answer

    def get(self, path: str, *options: str) -> Answer:
        """Ask for a page."""
        return self._curl.run(path, "-H", f"Cookie: {self.cookie}", *options)

    def post(self, path: str, *options: str, token: str | None = None) -> Answer:
        """Send a form of the page."""
        sent = self.token if token is None else token
        return self.get(path, "--data-urlencode", f"token={sent}", *options)
