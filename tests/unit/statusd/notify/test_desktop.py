"""Owners are told on their desktops: a real session bus of another user, and notify-send."""

from __future__ import annotations

import pwd
import socket
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.translation import tr
from cirrus_bridge.delivery.events import Change
from cirrus_bridge.statusd.notify.background import Complaint
from cirrus_bridge.statusd.notify.desktop import LONGEST_TITLE, Desktop
from desktop_session import USER, DesktopSession, open_folder


@pytest.fixture(scope="module")
def session() -> Iterator[DesktopSession]:
    """A user who is signed in."""
    with DesktopSession() as signed_in:
        yield signed_in


def _desktop(run_user: Path, limit_s: float = 30.0) -> tuple[Desktop, list[Change]]:
    log: list[Change] = []
    clock = Clock()
    return Desktop(Complaint("notify-failed", log.append, clock), clock, run_user, limit_s), log


def _told(session: DesktopSession, change: Change) -> list[dict[str, object]]:
    before = len(session.told())
    desktop, log = _desktop(session.run_user)
    desktop(change)  # notify-send ends when the service has answered
    assert not log
    return session.told()[before:]


def _change(title: str = "Report", event: str = "delivered", user: str = USER) -> Change:
    return Change(event, "Delivered at Paris:Laser1", 6, "laser1", 7, user, title, "Paris:Laser1")


class _Shown(HTMLParser):
    """Text as it is shown: markup taken off."""

    text = ""

    def handle_data(self, data: str) -> None:
        self.text += data


def _shown(body: object) -> str:
    parser = _Shown(convert_charrefs=True)
    parser.feed(str(body))
    parser.close()
    return parser.text


def test_the_owner_is_told(session: DesktopSession) -> None:
    """Once, in words."""
    assert _told(session, _change()) == [
        {
            "app": "Cirrus Bridge",
            "icon": "printer",
            "summary": "Printed",
            "body": "“Report” on laser1\nDelivered at Paris:Laser1",
            "actions": [],
        }
    ]


def test_in_the_owners_language(session: DesktopSession) -> None:
    """That of the job, whatever the poller's is; strangers' text stays what it is."""
    text = tr("Delivered at {location}:{device}", location="Paris", device="{title}")
    change = Change("delivered", text, 6, "laser1", 7, USER, "Report", language="de_AT")
    (told,) = _told(session, change)
    assert told["summary"] == "Gedruckt"
    assert told["body"] == "„Report“ auf laser1\nZugestellt an Paris:{title}"


@pytest.mark.parametrize("event", ["deleted", "unknown", "let-go", "lost", "may-be-printed"])
def test_trouble_is_told(session: DesktopSession, event: str) -> None:
    """What the owner has to know."""
    (told,) = _told(session, _change(event=event))
    assert told["summary"] not in ("", "Printed")


@pytest.mark.parametrize("event", ["received", "queue", "released", "server-away", "started"])
def test_the_rest_is_not(session: DesktopSession, event: str) -> None:
    """Nobody wants to know each step."""
    assert _told(session, _change(event=event)) == []


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("<b>x</b><img src='file:///etc/passwd'>", "<b>x</b><img src='file:///etc/passwd'>"),
        ("a & b &lt; &#60;", "a & b &lt; &#60;"),
        ("--help", "--help"),
        (r"C:\new\table \x3cb\x3e \101", r"C:\new\table \x3cb\x3e \101"),
        ("a\nb\tc\0d\x1b[1m", "a b c d [1m"),
        ("Größe 用紙 \U0001f5a8", "Größe 用紙 \U0001f5a8"),
        ("odd \udcff\ud800", "odd   "),
        ("right \u202eot tfel", "right  ot tfel"),
        ("x" * 200_000, "x" * LONGEST_TITLE + "…"),
        ("", ""),
    ],
)
def test_hostile_titles(session: DesktopSession, title: str, shown: str) -> None:
    """A title is shown as it is, and is no option, markup or escape sequence."""
    (told,) = _told(session, _change(title))
    first = _shown(told["body"]).splitlines()[0]
    assert first == f"“{shown}” on laser1"
    assert told["summary"] == "Printed"


@pytest.mark.parametrize("user", ["root", "no-such-user", "", "a\0b", "alice@EXAMPLE.COM", "../0"])
def test_who_has_no_desktop_here(session: DesktopSession, user: str) -> None:
    """Strangers, and root, are passed over without a word."""
    assert _told(session, _change(user=user)) == []


def test_no_session(tmp_path: Path) -> None:
    """Who is not signed in is passed over."""
    desktop, log = _desktop(tmp_path)
    desktop(_change())
    assert not log


def test_a_socket_of_somebody_else() -> None:
    """What is not the owner's own bus is not talked to."""
    with open_folder() as run_user, socket.socket(socket.AF_UNIX) as other:
        bus = run_user / str(pwd.getpwnam(USER).pw_uid) / "bus"
        bus.parent.mkdir()
        other.bind(str(bus))
        bus.chmod(0o666)
        other.listen()
        other.setblocking(False)
        desktop, log = _desktop(run_user, limit_s=2.0)
        desktop(_change())
        with pytest.raises(BlockingIOError):
            other.accept()
    assert not log


def test_a_stuck_session_is_left_alone() -> None:
    """It is waited for once, for a limited time; the next change does not wait for it again."""
    with DesktopSession(stuck=True) as session:
        desktop, log = _desktop(session.run_user, limit_s=0.5)
        desktop(_change())
        desktop.limit_s = 1e9  # were it asked again, this would not end
        desktop(_change())
    assert not log
