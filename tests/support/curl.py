"""curl as an independent client of the server."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cloudlet_server import environment_without_proxies

TIME_LIMIT_S = 60


class Answer(NamedTuple):
    """Status, headers (lower-case names) and text of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body, which must be UTF-8."""
        return self.body.decode()

    @property
    def lines(self) -> list[str]:
        """The lines of a successful answer."""
        assert self.status == 200, self
        assert not self.text.startswith("Error: "), self
        return self.text.split("\n")

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object of a successful answer."""
        assert self.status == 200, self
        assert self.headers["content-type"].startswith("application/json"), self
        found: dict[str, Any] = json.loads(self.text)
        return found

    def refused(self, *words: str) -> None:
        """Check that the answer is `Error: message` with these words."""
        assert self.status == 200, self
        assert self.text.startswith("Error: "), self
        assert len(self.text.splitlines()) == 1, self
        for word in words:
            assert word in self.text, self


class Curl:
    """Requests to one server with one key; an empty key sends none."""

    def __init__(self, url: str, key: str, *options: str) -> None:
        self.url = url
        self.key = key
        self._options = options

    def get(self, path: str, **query: str) -> Answer:
        """GET with a query."""
        return self._run(path, *_query(query))

    def post(self, path: str, **form: str) -> Answer:
        """POST with a form."""
        fields = [part for item in form.items() for part in ("--data-urlencode", "=".join(item))]
        return self._run(path, "-X", "POST", *fields)

    def put(self, path: str, body: bytes, **query: str) -> Answer:
        """PUT with the fields in the query."""
        octets = ("-H", "Content-Type: application/octet-stream")
        send = ("-X", "PUT", "--data-binary", "@-", *octets)
        return self._run(path, *send, *_query(query), body=body)

    def run(self, path: str, *options: str, body: bytes | None = None) -> Answer:
        """Run curl with any options."""
        return self._run(path, *options, body=body)

    def submit(self, body: bytes = b"%PDF-1.4 a document", **query: str) -> str:
        """Send a document to one device; return the job id."""
        fields = {"targets": "Office:Folder", "title": "document.pdf"} | query
        (job_id,) = self.put("/api/putfile", body, **fields).lines
        return job_id

    def upload(self, segments: Mapping[int, bytes]) -> str:
        """Upload segments at their positions, in this order; return the file name."""
        (name,) = self.get("/api/tempfile").lines
        for index, data in segments.items():
            answer = self.put("/api/putsegment", data, file=name, index=str(index))
            assert answer.lines == [str(len(data))]
        return name

    def _run(self, path: str, *options: str, body: bytes | None = None) -> Answer:
        authorization = ("-H", f"Authorization: Bearer {self.key}") if self.key else ()
        with tempfile.TemporaryDirectory() as folder:
            head, content = Path(folder, "head"), Path(folder, "body")
            done = subprocess.run(
                ["curl", "-sS", "--max-time", str(TIME_LIMIT_S), "--path-as-is", "-D", head,
                 "-o", content, *authorization, *self._options, *options, self.url + path],
                input=body or b"",
                capture_output=True,
                env=environment_without_proxies(),
            )  # fmt: skip
            assert done.returncode == 0, done.stderr.decode()
            status, *fields = head.read_text("latin-1").strip().split("\n\n")[-1].splitlines()
            pairs = (field.partition(":") for field in fields)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            data = content.read_bytes() if content.exists() else b""
            return Answer(int(status.split()[1]), headers, data)


def _query(query: Mapping[str, str]) -> list[str]:
    return [part for item in query.items() for part in ("--url-query", "=".join(item))]
