"""The overview: what waits where, and charts of the deliveries of the last day and month."""

from __future__ import annotations

import bisect
import datetime
import time
from collections.abc import Sequence
from typing import NamedTuple

from starlette.responses import Response

from cirrus_cloudlet.storage.figures import SLOT_S, Figures
from cirrus_cloudlet.storage.job_lists import MAX_COUNT
from cirrus_cloudlet.storage.releases import viewer_of
from cirrus_cloudlet.translation import tr
from cirrus_cloudlet.web.job_list import place_of
from cirrus_cloudlet.web.pages import show
from cirrus_cloudlet.web.rendering import number
from cirrus_cloudlet.web.routes import Route, Visit, Who

_HOURS, _DAYS = 24, 30


class Bar(NamedTuple):
    """The deliveries and failures of an hour or of a day, for a chart."""

    label: str
    delivered: int
    failed: int


class Row(NamedTuple):
    """What the overview says of a location."""

    name: str
    place: str
    waiting: int
    failed: int
    delivered: int


def _overview(visit: Visit) -> Response:
    cloud, company = visit.cloud, visit.account.company
    is_complete = cloud.figures.catch_up()
    now = datetime.datetime.now().astimezone()
    midnight = _midnight(now.date()).timestamp()
    month = _midnight(now.date() - datetime.timedelta(days=_DAYS - 1)).timestamp()
    figures = cloud.figures.since(company, min(month, time.time() - _HOURS * 3600))
    today = [each for each in figures if each.begin >= midnight]
    return show(
        visit,
        "overview",
        rows=_rows(visit, midnight),
        counts=cloud.lists.count(viewer_of(visit.account)),
        max_count=MAX_COUNT,
        submitted=sum(each.submitted for each in today),
        delivered=sum(each.delivered for each in today),
        failed=sum(each.failed for each in today),
        median=_duration(cloud.figures.median_s(company, midnight)),
        month_median=_duration(cloud.figures.median_s(company, month)),
        hours=_hours(figures, now),
        days=_days(figures, now.date()),
        is_complete=is_complete,
    )


def _rows(visit: Visit, midnight: float) -> list[Row]:
    """The locations, those first where most jobs wait or failed."""
    company = visit.account.company
    open_ = visit.cloud.lists.count_by_location(company)
    locations = visit.cloud.inventory.current().companies[company]
    rows = []
    for location in dict.fromkeys((*locations, *open_)):
        waiting, failed = open_.get(location, (0, 0))
        today = visit.cloud.figures.of_location(company, location, midnight)
        known = locations.get(location)
        name = (known.name if known else "") or location
        rows.append(Row(name, place_of(location), waiting, failed, today.delivered))
    return sorted(rows, key=lambda row: (-row.failed, -row.waiting))


def _hours(figures: Sequence[Figures], now: datetime.datetime) -> list[Bar]:
    """The last 24 hours; the hour that runs now is the last one."""
    first = now.replace(minute=0, second=0, microsecond=0).timestamp() - (_HOURS - 1) * 3600
    begins = [first + hour * 3600 for hour in range(_HOURS + 1)]
    labels = [datetime.datetime.fromtimestamp(begin).strftime("%H:%M") for begin in begins]
    return _bars(labels, begins, figures)


def _days(figures: Sequence[Figures], today: datetime.date) -> list[Bar]:
    """The last 30 days; today is the last one."""
    days = [today - datetime.timedelta(days=ago) for ago in range(_DAYS - 1, -2, -1)]
    begins = [_midnight(day).timestamp() for day in days]
    return _bars([day.strftime("%m-%d") for day in days], begins, figures)


def _bars(labels: Sequence[str], begins: Sequence[float], figures: Sequence[Figures]) -> list[Bar]:
    """Bars from each beginning to the next one; the last beginning only ends a bar."""
    bars = [Bar(label, 0, 0) for label in labels[:-1]]
    for each in figures:
        # a half hour counts where its middle is
        at = bisect.bisect_right(begins, each.begin + SLOT_S / 2) - 1
        if 0 <= at < len(bars):
            label, delivered, failed = bars[at]
            bars[at] = Bar(label, delivered + each.delivered, failed + each.failed)
    return bars


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time()).astimezone()


def _duration(seconds: float | None) -> str:
    """A duration in words; a dash without any delivery."""
    if seconds is None:
        return "–"
    if seconds < 0.1:
        return tr("< {seconds} s", seconds=number(0.1))
    if seconds < 90:
        return tr("{seconds} s", seconds=number(seconds))
    if seconds < 5400:
        return tr("{minutes} min", minutes=round(seconds / 60))
    return tr("{hours} h", hours=number(seconds / 3600))


ROUTES = (Route("/overview", "GET", _overview, Who.COMPANY),)
