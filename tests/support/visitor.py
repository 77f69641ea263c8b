"""A person with a browser, played by curl: signs in, keeps the cookie, sends the page's forms."""

from __future__ import annotations

import html
import re

from curl import Answer, Curl


class Visitor:
    """A visitor of a server's page; `sign_in` first."""

    def __init__(self, url: str, *options: str) -> None:
        self._curl = Curl(url.rstrip("/"), "", *options)
        self.cookie = ""
        self.token = ""

    def sign_in(self, name: str, password: str, *options: str) -> Answer:
        """Send the sign-in form and keep the cookie."""
        fields = ("--data-urlencode", f"name={name}", "--data-urlencode", f"password={password}")
        answer = self._curl.run("/sign-in", *fields, *options)
        self.cookie = answer.headers.get("set-cookie", "").partition(";")[0]
        if self.cookie:
            found = re.search('name="token" value="([^"]+)"', self.get("/").text)
            assert found
            self.token = html.unescape(found[1])
        return answer

    def get(self, path: str, *options: str) -> Answer:
        """Request a page."""
        return self._curl.run(path, "-H", f"Cookie: {self.cookie}", *options)

    def post(self, path: str, *options: str, token: str | None = None) -> Answer:
        """Send a form of the page."""
        sent = self.token if token is None else token
        return self.get(path, "--data-urlencode", f"token={sent}", *options)
