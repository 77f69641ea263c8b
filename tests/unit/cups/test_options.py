"""The parser of option strings, with the forms that cupsd writes."""

from __future__ import annotations

from cirrus_bridge.cups.options import parse_options


def test_names_of_props_keep_their_case() -> None:
    """The names of props keep their case, because CUPS does not know them."""
    text = "Cirrus-Prop-CostCenter=7 Cirrus-PropX=1 PageSize=A4"
    assert parse_options(text) == {
        "cirrus-prop-CostCenter": "7",
        "cirrus-propx": "1",
        "pagesize": "A4",
    }


def test_what_cupsd_writes() -> None:
    """The parser reads values, escaped spaces, collections, and bare and negated booleans."""
    text = (
        "job-uuid=urn:uuid:1-2 media=A4,Tray1 document-name-supplied=B\\ C sides=one-sided "
        "nocollate fit-to-page number-up=1 media-col={media-size={x-dimension=21000}} note='a b'"
    )
    assert parse_options(text) == {
        "job-uuid": "urn:uuid:1-2",
        "media": "A4,Tray1",
        "document-name-supplied": "B C",
        "sides": "one-sided",
        "collate": "false",
        "fit-to-page": "true",
        "number-up": "1",
        "media-col": "{media-size={x-dimension=21000}}",
        "note": "a b",
    }
