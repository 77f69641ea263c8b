"""The queue URI of cirrus(8): its form, and the messages for mistakes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.base.errors import BadQueueUri
from cirrus_bridge.base.model import Target
from cirrus_bridge.config.queue_options import TABLE, QueueSettings
from cirrus_bridge.config.queue_uri import check_id, format_queue_uri, is_loopback, parse_queue_uri


def _allowed(text: str) -> bool:
    try:
        check_id(text)
    except ValueError:
        return False
    return True


# the characters that str.isprintable() accepts, so that the filter rejects few ids
_CHARACTERS = st.characters(
    exclude_categories=["C", "Z"], include_characters=" ", exclude_characters=";:"
)
IDS = st.text(_CHARACTERS, min_size=1, max_size=20).filter(_allowed)


def test_every_part() -> None:
    """Host, port, company, targets and options are read."""
    queue = parse_queue_uri(
        "cirrus://Print.Example.com:8443/Acme/Paris:Laser1;Lyon:L%C3%A4ser%2F2"
        "?wait=received&waittimeout=5&encryption=never&compression=none"
    )
    assert queue.server == "print.example.com:8443"
    assert queue.company == "Acme"
    assert queue.targets == (Target("Paris", "Laser1"), Target("Lyon", "Läser/2"))
    assert (queue.settings.wait, queue.settings.wait_timeout_s) == ("received", 5)
    assert (queue.settings.encryption, queue.settings.level) == ("never", None)


def test_port_443_is_no_port() -> None:
    """A server has the same name with and without the default port."""
    assert parse_queue_uri("cirrus://h:443/C/L:D").server == "h"


def test_ipv6_host() -> None:
    """An IPv6 address is written in brackets (RFC 3986, 3.2.2)."""
    queue = parse_queue_uri("cirrus://[::1]:27082/C/L:D")
    assert queue.server == "[::1]:27082"
    assert is_loopback("[::1]")


@given(company=IDS, targets=st.lists(st.tuples(IDS, IDS), min_size=1, max_size=4, unique=True))
def test_round_trip(company: str, targets: list[tuple[str, str]]) -> None:
    """All ids that the API can name survive formatting and parsing."""
    wanted = tuple(Target(*pair) for pair in targets)
    uri = format_queue_uri("h:1", company, wanted)
    assert uri.isascii()
    queue = parse_queue_uri(uri)
    assert (queue.company, queue.targets) == (company, wanted)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Any text is either read or refused with BadQueueUri."""
    for uri in (text, f"cirrus://h/{text}", f"cirrus://h/C/L:D?{text}", f"cirrus://{text}/C/L:D"):
        try:
            parse_queue_uri(uri)
        except BadQueueUri as error:
            assert "lpadmin" in str(error)


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("ipp://h/C/L:D", "cirrus://"),
        ("cirrus://user:secret@h/C/L:D", "user or password"),
        ("cirrus://h:99999/C/L:D", "host name"),
        ("cirrus:///C/L:D", "host name"),
        ("cirrus://[127.0.0.1]/C/L:D", "host name"),
        ("cirrus://[::::]:80/C/L:D", "host name"),
        ("cirrus://h/C", "missing"),
        ("cirrus://h//L:D", "missing"),
        ("cirrus://h/C/L", "LOCATION:DEVICE"),
        ("cirrus://h/C/L:D:E", "%3A"),
        ("cirrus://h/C/L:D/E", "%2F"),
        ("cirrus://h/C/L:D;", "LOCATION:DEVICE"),
        ("cirrus://h/C/L:D;L:D", "twice"),
        ("cirrus://h/C/L:%3B", "must not contain"),
        ("cirrus://h/C/L:%0A", "must not contain"),
        ("cirrus://h/C/..:D", "must not be empty"),
        ("cirrus://h/C/%2E%2E:D", "must not be empty"),
        ("cirrus://h/C/L:100%", "%25"),
        ("cirrus://h/C/L:%FF", "UTF-8"),
        ("cirrus://h/C/L:\udcff", "UTF-8"),
        ("cirrus://h/C/L:D#x", "%23"),
        ("cirrus://h/C/L:D?speed=1", "unknown option 'speed'"),
        ("cirrus://h/C/L:D?wait=forever", "submitted, received, delivered"),
        ("cirrus://h/C/L:D?waittimeout=-1", "waittimeout"),
        ("cirrus://h/C/L:D?compression=0", "1 to 9"),
        ("cirrus://h/C/L:D?wait=received&wait=received", "twice"),
        ("cirrus://h/C/L:D?wait=received&waitjob=false", "contradicts"),
        ("cirrus://h/C/L:D?wait", "without a value"),
    ],
)
def test_refused_with_a_reason(uri: str, says: str) -> None:
    """The message names the mistake, but never a user or password."""
    with pytest.raises(BadQueueUri) as caught:
        parse_queue_uri(uri)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_options_go_before_defaults() -> None:
    """The URI overrides [defaults], option by option."""
    defaults = QueueSettings(wait="submitted", contimeout_s=7)
    queue = parse_queue_uri("cirrus://h/C/L:D?waitjob=true", defaults)
    assert (queue.settings.wait, queue.settings.contimeout_s) == ("delivered", 7)


def test_documented_defaults() -> None:
    """The defaults are those in the manual."""
    s = parse_queue_uri("cirrus://h/C/L:D").settings
    assert (s.wait, s.wait_timeout_s, s.handover) == ("delivered", 60, "hold")
    assert s.max_held == 50
    assert (s.contimeout_s, s.encryption) == (604800, "required")
    assert (s.onambiguous, s.onfailure) == ("hold", "report")
    assert set(TABLE) == {
        "wait", "waitjob", "waittimeout", "handover", "contimeout", "compression", "encryption",
        "onambiguous", "onfailure", "maxheld",
    }  # fmt: skip
