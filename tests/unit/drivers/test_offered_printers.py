"""The printers that are offered for devices."""

from __future__ import annotations

from cirrus_bridge.base.model import Place, Target
from cirrus_bridge.drivers.offered_printers import OfferedPrinter, offered_printers

PARIS = Place("print.example.com", "Acme", "Paris")


def _offered(devices: dict[str, object], place: Place = PARIS) -> list[OfferedPrinter]:
    answer = {"Name": place.location, "Devices": devices}
    return list(offered_printers([(place, answer)], lambda *_: True))


def test_a_device_is_a_printer() -> None:
    """The printer has the device's names, formats and queue URI."""
    (printer,) = _offered({"laser1": {"Name": "Laser 1", "Formats": ["PDF"]}})
    assert printer.info == "Laser 1 at Paris"
    assert printer.target == Target("Paris", "laser1")
    assert printer.queue_uri == "cirrus://print.example.com/Acme/Paris:laser1"
    assert printer.formats == {"pdf"}
    assert printer.path.startswith("/ipp/print/paris-laser1-")


def test_only_chosen_devices() -> None:
    """A device that is not chosen is not offered."""
    answer: dict[str, object] = {"Devices": {"a": {}, "b": {}}}
    found = offered_printers([(PARIS, answer)], lambda place, device: device == "b")
    assert [each.target.device for each in found] == ["b"]


def test_the_name_and_the_uuid_stay() -> None:
    """A new text for the device changes neither, so clients keep their printer."""
    (before,) = _offered({"laser1": {"Name": "Laser 1"}})
    (after,) = _offered({"laser1": {"Name": "Reception"}})
    assert (before.name, before.uuid) == (after.name, after.uuid)
    assert before.info != after.info


def test_names_differ_in_any_script() -> None:
    """Names in ASCII differ even if nothing is left of the ids."""
    names = {each.name for each in _offered({"プリンタ": {}, "打印机": {}, "ä": {}, "a": {}})}
    assert len(names) == 4
    assert all(name.isascii() for name in names)
    elsewhere = _offered({"a": {}}, Place("h", "B", "Paris"))
    assert elsewhere[0].name not in names
