"""Papers that CUPS does not report as loaded, by the names that cupsd.conf takes."""

from __future__ import annotations

import pytest

from cirrus_bridge.cirrusctl.doctor.finding import Severity
from cirrus_bridge.cirrusctl.doctor.sharing import check_ready_papers
from cirrus_bridge.cirrusctl.queues.ready_papers import line, unready_papers
from cirrus_bridge.cups.queues import QueuePapers
from described_devices import driver_of

A4, A3, LETTER = "iso_a4_210x297mm", "iso_a3_297x420mm", "na_letter_8.5x11in"
LABEL = "om_62x29mm_62x29mm"  # as CUPS 2.4.2 calls such sizes
LABEL_2_4_20 = "custom_62x29mm_62x29mm"
CUSTOM = "custom_min_0.5x0.5in"
MFP = driver_of("HP\td\t\t1\t1\t1\tA4,Letter,A3").ppd()
LABELS = driver_of("HP\td\tRoll\t0\t0\t0\tLabel 62 x 29 mm").ppd()
PPDS = {"mfp": MFP, "labels": LABELS, "raw": None}


def label_paper() -> str:
    """The name of the only paper of the driver for labels."""
    return LABELS.partition("*DefaultPageSize: ")[2].split()[0]


def mfp(*ready: str, announced: bool = True, default: str = A4) -> QueuePapers:
    """A queue for A4, Letter and A3, of which some count as loaded."""
    return QueuePapers("mfp", announced, default, ready, (A4, LETTER, A3, CUSTOM))


def labels(*ready: str, announced: bool = True) -> QueuePapers:
    """A queue for labels."""
    return QueuePapers("labels", announced, LABEL, ready, (LABEL, CUSTOM))


def test_labels_are_not_ready_by_default() -> None:
    """OpenPrinting/cups#1224: no list of usual papers has a label."""
    (unready,) = unready_papers([labels()], PPDS)
    assert unready.default == label_paper() and not unready.others
    assert not unready_papers([labels(LABEL)], PPDS)


@pytest.mark.parametrize("name", [LABEL, LABEL_2_4_20])
def test_labels_are_found_by_their_size(name: str) -> None:
    """CUPS's name of a label depends on its version; cupsd.conf takes the driver's."""
    ppd = driver_of("HP\td\t\t1\t1\t1\tA4,Label 62 x 29 mm").ppd()
    queue = QueuePapers("mfp", True, A4, (A4,), (A4, name, CUSTOM))
    (unready,) = unready_papers([queue], {"mfp": ppd})
    assert unready.others == (label_paper(),)


def test_labels_of_older_drivers_are_found() -> None:
    """Older drivers name a label by its size in whole points."""
    ppd = driver_of("HP\td\t\t1\t1\t1\tA4,Label 62 x 29 mm").ppd()
    older = ppd.replace(label_paper(), "w176h82")
    queue = QueuePapers("mfp", True, A4, (A4,), (A4, LABEL))
    (unready,) = unready_papers([queue], {"mfp": older})
    assert unready.others == ("w176h82",)


def test_the_limits_of_custom_sizes_are_no_papers() -> None:
    """The smallest custom size may be the size of a paper."""
    ppd = driver_of("HP\td\t\t1\t1\t1\tA4,Label 62 x 29 mm").ppd()
    queue = QueuePapers("mfp", True, A4, (A4, LABEL), (A4, LABEL, "custom_min_62x29mm"))
    assert not unready_papers([queue], {"mfp": ppd})


def test_a_mixed_device_lacks_the_papers_of_the_other_region() -> None:
    """Papers without a default of their own are named apart, and custom sizes never."""
    (unready,) = unready_papers([mfp(A4, A3)], PPDS)
    assert (unready.default, unready.others) == ("", ("Letter",))
    (unready,) = unready_papers([mfp(LETTER)], PPDS)
    assert (unready.default, unready.others) == ("A4", ("A3",))


@pytest.mark.parametrize(
    "queue",
    [
        labels(announced=False),
        labels()._replace(queue="raw"),
        labels()._replace(queue="of another driver"),
    ],
)
def test_only_announced_queues_of_ours_count(queue: QueuePapers) -> None:
    """Phones see no other queues of ours, and other queues are not ours to judge."""
    assert not unready_papers([queue], PPDS)
    assert not list(check_ready_papers([queue], PPDS))


def test_the_line_keeps_what_is_ready() -> None:
    """The first line in cupsd.conf replaces CUPS's default; labels have a line already."""
    others = QueuePapers("usb", False, LETTER, ("iso_dl_110x220mm", A4), ())
    queues = [mfp(A4, A3), others, labels("om_50x80mm_50x80mm")]
    assert line(queues, ["62x29mm", "A4"]) == "ReadyPaperSizes A4,A3,EnvDL,62x29mm"


def test_the_doctor_warns_of_the_default_paper_only() -> None:
    """One line covers all queues. A paper besides the default may not be loaded: a note."""
    warning, note = check_ready_papers([mfp(A4), labels()], PPDS)
    assert (warning.severity, warning.about) == (Severity.WARNING, "labels")
    assert label_paper() in warning.text
    assert warning.fix.endswith(f"ReadyPaperSizes A4,{label_paper()}")
    assert note.severity is Severity.NOTE and "Letter, A3" in note.text
    assert note.fix.endswith("ReadyPaperSizes A4,Letter,A3")


def test_the_doctor_is_content() -> None:
    """Nothing is missing."""
    (good,) = check_ready_papers([mfp(A4, A3, LETTER), labels(LABEL)], PPDS)
    assert good.severity is Severity.OK


def test_long_lists_are_cut() -> None:
    """A location may report hundreds of papers."""
    papers = [f"om_x{width}_{width}x300mm" for width in range(50, 450, 4)]
    ppd = driver_of("HP\td\t\t1\t1\t1\tA4," + ",".join(papers)).ppd()
    queue = QueuePapers("mfp", True, A4, (A4,), (A4, *papers))
    (note,) = check_ready_papers([queue], {"mfp": ppd})
    assert "and 92 more" in note.text
    assert note.fix.rpartition("ReadyPaperSizes ")[2].count(",") == 8
