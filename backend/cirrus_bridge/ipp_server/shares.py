"""Fair shares of clients in the service: the number of their jobs, and their turns. Pure.

Without a sign-in, a name is only a claim, and so is each of a hundred names. So a client is, first
of all, the network that it connects from; this machine is one network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cirrus_bridge.ipp_server.spool import SpooledJob
from cirrus_http.networks import network

_USER_SHARE = 3  # so one user leaves a seventh of the network's share to its other users


class Owner(NamedTuple):
    """The sender of a job, as far as the service can tell."""

    network: str
    user: str


def owner_of(job: SpooledJob) -> Owner:
    """The client of a job."""
    return Owner(network(job.host), job.user)


def has_room(taken: Mapping[tuple[str, str], int], host: str, user: str, places: int) -> bool:
    """Whether a client may have one more place.

    A network gets a place while it has fewer places than are free. So one network gets half of
    them, two get a third each, and a network without a place gets one unless all are taken.

    Args:
        taken: the number of places by host and user.
        places: all places.
    """
    here = network(host)
    networks: Counter[str] = Counter()
    own = 0
    for (other_host, other_user), count in taken.items():
        found = network(other_host)
        networks[found] += count
        own += count if (found, other_user) == (here, user) else 0
    left = places - networks.total() - networks[here]
    return left > 0 and own < _USER_SHARE * left


def in_turns(jobs: Iterable[SpooledJob]) -> Sequence[SpooledJob]:
    """The jobs in the order in which clients take turns: the first job of each client, then the
    second one of each, and so on. Each client's jobs keep their order."""
    counts: Counter[Owner] = Counter()
    found = []
    for job in jobs:
        owner = owner_of(job)
        found.append((counts[owner], job))
        counts[owner] += 1
    return [job for _, job in sorted(found, key=lambda each: each[0])]
