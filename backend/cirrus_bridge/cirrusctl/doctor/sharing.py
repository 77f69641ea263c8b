"""Check of the queues that CUPS announces to phones and other machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Subject
from cirrus_bridge.cirrusctl.output.table import some
from cirrus_bridge.cirrusctl.queues.ready_papers import advice, line, unready_papers
from cirrus_bridge.cups.queues import QueuePapers

PAPERS = tr("papers for phones")
MOST_NAMES = 8


def check_ready_papers(
    papers: Sequence[QueuePapers], ppds: Mapping[str, str | None]
) -> Iterator[Finding]:
    """Check that phones offer the papers of our announced queues.

    Args:
        papers: all queues of CUPS.
        ppds: the driver of each of our queues; None for a queue without a driver.
    """
    if not any(each.is_announced and ppds.get(each.queue) for each in papers):
        return
    unready = unready_papers(papers, ppds)
    fix = advice(papers, filter(None, (each.default for each in unready)))
    for each in unready:
        if each.default:
            yield Subject(PAPERS, each.queue).warning(each.text, fix)
    of_all = Subject(PAPERS, "ReadyPaperSizes")
    others = list(dict.fromkeys(name for each in unready for name in each.others))
    if others:
        text = tr(
            "CUPS reports only some papers as loaded, so phones do not offer {papers}.",
            papers=some(others, MOST_NAMES),
        )
        fix = tr(
            "Add this line to cupsd.conf, with loaded papers only, and restart cupsd: {line}",
            line=line(papers, others[:MOST_NAMES]),
        )
        yield of_all.note(text, fix)
    elif not unready:
        yield of_all.good(tr("Phones offer all papers of the shared queues."))
