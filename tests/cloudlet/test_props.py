"""Job properties: the values that known names take."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from curl import Curl

GOOD = {
    "copies": ("1", "99"), "color": ("1", "2"), "duplex": ("1", "2", "3"), "collate": ("1",),
    "orientation": ("1", "2"), "priority": ("1", "99"), "scale": ("0", "1", "2"),
    "bmp": ("300", "600"), "tray": ("Upper", ""), "size": ("A4",), "custsize": ("x=y;z",),
    "anything": ("at all", "日本語"), "Copies": ("many",),
}  # fmt: skip
BAD = {
    "copies": ("0", "100", "", "x", "1.0", "-1", " 1", "٢"), "color": ("0", "3"),
    "duplex": ("0", "4"), "collate": ("0", "2", "true"), "orientation": ("0", "3"),
    "priority": ("0", "100"), "scale": ("-1", "3"), "bmp": ("0", "1200", "3000"),
}  # fmt: skip


def _pairs(table: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(name, value) for name, values in table.items() for value in values]


@pytest.mark.parametrize(("name", "value"), _pairs(GOOD))
def test_taken(curl: Curl, name: str, value: str) -> None:
    """Known names with valid values are accepted, and so is any other name."""
    job_id = curl.submit(props=f"{name}={value}", targets="Away:Folder")
    job = curl.get(f"/api/get/job/ACME/Away/Folder/{job_id}").json
    assert job["Properties"] == {name: value}


@pytest.mark.parametrize(("name", "value"), _pairs(BAD))
def test_refused(curl: Curl, name: str, value: str) -> None:
    """A known name with any other value is refused, and the message names it."""
    fields = {"targets": "Away:Folder", "title": "a", "props": f"good=1\n{name}={value}"}
    curl.put("/api/putfile", b"%PDF", **fields).refused(name)


@pytest.mark.parametrize(
    "props", ["copies", "=2", "a=1\n\nb=2", "a=1\na=2", "\n", "a=1\n\n", "a=\x00", "a=\tb"]
)
def test_malformed_lists(curl: Curl, props: str) -> None:
    """Items that are not pairs, repeated names and control characters are refused."""
    path = f"/api/putfile?targets=Away:Folder&title=a&props={quote(props)}"
    curl.run(path, "-X", "PUT", "--data-binary", "%PDF").refused("props")


@pytest.mark.parametrize("props", ["", "a=1\n", "a=1\r\nb=2\r\n"])
def test_tolerated_lists(curl: Curl, props: str) -> None:
    """An empty list, a last line feed and CR LF are accepted."""
    job_id = curl.submit(props=props, targets="Away:Folder")
    job = curl.get(f"/api/get/job/ACME/Away/Folder/{job_id}").json
    assert job["Properties"] == dict(line.split("=") for line in props.split())
