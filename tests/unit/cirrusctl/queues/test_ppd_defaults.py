"""Defaults in PPDs, also in foreign ones."""

from __future__ import annotations

from cirrus_bridge.cirrusctl.queues.ppd_defaults import (
    choices,
    defaults,
    differs_beside_defaults,
    in_driver,
    with_defaults,
)

OLD = (
    b'*PPD-Adobe: "4.3"\r\n*NickName: "Gro\xdf 1"\r\n'
    b"*OpenUI *PageSize/Papier: PickOne\r\n*DefaultPageSize: A4\r\n"
    b'*PageSize A4/A4: "x"\r\n*PageSize A5/A5: "y"\r\n*CloseUI: *PageSize\r\n'
    b'*OpenUI *PageRegion: PickOne\r\n*DefaultPageRegion: A4\r\n*PageRegion A4: "x"\r\n'
    b"*DefaultImageableArea: A4\r\n*DefaultPaperDimension: A4\r\n"
    b"*JCLOpenUI *Finish/Heften: Boolean\r\n*DefaultFinish: False\r\n"
    b'*Finish True/Ja: "1"\r\n*Finish False/Nein: "0"\r\n*JCLCloseUI: *Finish\r\n'
    b"*DefaultColorSpace: Gray\r\n"
).decode("utf-8", "surrogateescape")


def test_what_there_is() -> None:
    """Options have their choices; other lines that begin with Default are ignored."""
    assert choices(OLD) == {
        "PageSize": ["A4", "A5"],
        "PageRegion": ["A4"],
        "Finish": ["True", "False"],
    }
    assert defaults(OLD) == {"PageSize": "A4", "PageRegion": "A4", "Finish": "False"}


def test_only_defaults_are_changed() -> None:
    """Only defaults change; line ends and letters stay, and a paper has several keywords."""
    new = with_defaults(OLD, None, {"PageSize": "A5", "Finish": "True"}, [])
    expected = OLD.replace("Default: ", "")
    for line in ("PageSize", "PageRegion", "ImageableArea", "PaperDimension"):
        expected = expected.replace(f"*Default{line}: A4", f"*Default{line}: A5")
    assert new == expected.replace("*DefaultFinish: False", "*DefaultFinish: True")
    assert new.encode("utf-8", "surrogateescape").count(b"\r\n") == OLD.count("\r\n")
    assert not differs_beside_defaults(OLD, new)
    assert with_defaults(OLD, OLD, {}, []) == OLD


def test_what_people_have_chosen_stays() -> None:
    """A person's choice stays in a new driver that has it; a removed declaration is undone."""
    present = with_defaults(OLD, None, {"PageSize": "A5", "Finish": "True"}, [])
    assert with_defaults(OLD, present, {}, []) == present
    assert defaults(with_defaults(OLD, present, {}, ["Finish"]))["Finish"] == "False"
    without = OLD.replace('*PageSize A5/A5: "y"\r\n', "")
    assert differs_beside_defaults(OLD, without)
    assert defaults(with_defaults(without, present, {}, []))["PageSize"] == "A4"


def test_a_chosen_paper_has_another_name_in_the_new_driver() -> None:
    """A label stays the default, although older drivers named its size in points."""
    old, new = (OLD.replace("A5", name) for name in ("w176h82", "62x29mm"))
    present = with_defaults(old, None, {"PageSize": "w176h82"}, [])
    assert defaults(with_defaults(new, present, {}, []))["PageSize"] == "62x29mm"
    assert in_driver("PageSize", "w176h82", choices(new)) == "62x29mm"
    assert in_driver("PageSize", "A6", choices(new)) == "A6"
    assert in_driver("Finish", "A4", choices(new)) == "A4"


def test_a_drivers_own_default_is_not_a_choice() -> None:
    """A new driver's default replaces the old driver's, because our drivers record theirs."""
    head = '*cirrusDefault Finish: "False"\n'
    new = OLD.replace("*DefaultFinish: False", "*DefaultFinish: True")
    assert defaults(with_defaults(new, head + OLD, {}, []))["Finish"] == "True"
    assert defaults(with_defaults(new, OLD, {}, []))["Finish"] == "False"
