"""Papers that count as loaded (`media-ready`): phones offer no others. Pure.

CUPS does not know what is loaded. The papers of a driver that ReadyPaperSizes in cupsd.conf(5)
names count as loaded. By default, these are five usual papers of the region, and a queue for labels
has none of them. CUPS 2.5 will add the queue's default paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cirrus_bridge.base.media import paper, paper_among
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.queues import ppd_defaults
from cirrus_bridge.cups.queues import QueuePapers

_LIMITS = ("custom_min_", "custom_max_")  # of custom sizes (PWG 5101.1)


class UnreadyPapers(NamedTuple):
    """Papers of an announced queue that do not count as loaded, by their PPD names.

    Attributes:
        default: the queue's default paper; empty if it counts as loaded.
        others: all others.
    """

    queue: str
    default: str
    others: tuple[str, ...]

    @property
    def text(self) -> str:
        """The finding about the default paper."""
        return tr(
            "CUPS does not report this queue's default paper, {paper}, as loaded, so phones do not "
            "offer it.",
            paper=self.default,
        )


def unready_papers(
    papers: Iterable[QueuePapers], ppds: Mapping[str, str | None]
) -> list[UnreadyPapers]:
    """The papers that do not count as loaded, of each announced queue that has such papers.

    Args:
        papers: the queues of CUPS.
        ppds: queue → the text of its driver, or None. Queues without a driver are left out.
    """
    announced = (each for each in papers if each.is_announced)
    found = (_unready(each, ppd) for each in announced if (ppd := ppds.get(each.queue)))
    return [each for each in found if each.default or each.others]


def advice(papers: Iterable[QueuePapers], names: Iterable[str]) -> str:
    """The step that makes default papers count as loaded. The arguments are those of `line`."""
    return tr("Add this line to cupsd.conf, and restart cupsd: {line}", line=line(papers, names))


def line(papers: Iterable[QueuePapers], names: Iterable[str]) -> str:
    """The line of cupsd.conf that adds papers to those that count as loaded.

    The first such line replaces CUPS's default, and each further line adds to the first.

    Args:
        papers: all queues of CUPS.
        names: papers by their PPD names.
    """
    now = (paper(name) for each in papers for name in each.ready)
    # a paper without a standard name counts as loaded only if there is a line already
    standard = (name for name in now if "_" not in name)
    return f"ReadyPaperSizes {','.join(dict.fromkeys((*standard, *names)))}"


def _unready(queue: QueuePapers, ppd: str) -> UnreadyPapers:
    default = ppd_defaults.defaults(ppd).get("PageSize", "")
    sizes = ppd_defaults.choices(ppd).get("PageSize", ())
    fixed = (name for name in queue.supported if not name.startswith(_LIMITS))
    unready = (paper_among(name, sizes) for name in fixed if name not in queue.ready)
    names = list(filter(None, unready))
    others = tuple(name for name in names if name != default)
    return UnreadyPapers(queue.queue, "" if queue.default in queue.ready else default, others)
