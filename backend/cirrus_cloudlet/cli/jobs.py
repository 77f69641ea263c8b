"""The `job` commands: list jobs, and end or retry them as a person would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cirrus_cloudlet.api.answers import timestamp
from cirrus_cloudlet.cli.command import argument, command
from cirrus_cloudlet.cli.listing import write_list
from cirrus_cloudlet.cli.operator import OPERATOR
from cirrus_cloudlet.cli.paths import join_path, parse_path
from cirrus_cloudlet.storage.documents import document_folder
from cirrus_cloudlet.storage.jobs import ENDS, Job, Jobs, JobState
from cirrus_cloudlet.storage.opening import open_store
from cirrus_cloudlet.storage.releases import Releases

_WHERE = "COMP[/LOC[/DEV]]"
_JOB = argument("job", metavar="JOBID")


@command(
    "job list",
    "list all jobs, newest first",
    argument("path", metavar=_WHERE, nargs="?", help="list only the jobs for this place"),
    argument("--json", action="store_true", dest="as_json", help="print all details as JSON"),
)
def _list(data: Path, path: str | None, as_json: bool) -> None:
    where = parse_path(path, _WHERE) if path else []
    if as_json:
        print(json.dumps(details(data, where), ensure_ascii=False, indent=2))
        return
    rows = []
    with open_store(data) as store:
        jobs = _jobs(Jobs(store), where)
    for job in jobs:
        device = join_path(job.company, job.location, job.device)
        at = timestamp(job.updated) or ""
        rows.append((job.id, device, job.state.name.lower(), at, job.title, job.message))
    write_list(rows, "job", "device", "state", "changed at", "title", "message")


def details(data: Path, where: Sequence[str] = ()) -> list[dict[str, Any]]:
    """All jobs of a data folder as `job list --json` shows them, newest first.

    Args:
        where: the ids of a company, a location and a device; only jobs for this place are listed.
    """
    with open_store(data) as store:
        jobs = Jobs(store)
        return [_fields(job, jobs, document_folder(data)) for job in _jobs(jobs, where)]


def _jobs(jobs: Jobs, where: Sequence[str]) -> list[Job]:
    company, location, device = (*where, None, None, None)[:3]
    return [job for job in jobs.newest(company, location) if device in (None, job.device)]


def _fields(job: Job, jobs: Jobs, documents: Path) -> dict[str, Any]:
    path = documents / job.document
    return {
        "id": job.id,
        "company": job.company,
        "location": job.location,
        "device": job.device,
        "title": job.title,
        "ext": job.format,
        "charset": job.charset or None,
        "size": job.size,
        "sha256": job.sha256,
        "state": job.state.value,
        "state_name": job.state.name.lower(),
        "message": job.message,
        "held_for": job.held_for,
        "props": dict(job.props),
        "submitted": timestamp(job.submitted),
        "received": timestamp(job.received),
        "delivered": timestamp(job.delivered),
        "target": job.target,
        "document": str(path.absolute()) if path.exists() else None,
        "delivered_path": job.delivered_path if job.state == JobState.DELIVERED else None,
        "history": [
            {
                "state": step.state.value,
                "state_name": step.state.name.lower(),
                "time": timestamp(step.time),
                "message": step.message,
            }
            for step in jobs.history(job.id)
        ],
    }


def _end(data: Path, job: str, verb: str) -> None:
    with open_store(data) as store:
        Jobs(store).end(job, verb, OPERATOR)
    print(f"Job {job} is {ENDS[verb][0].name.lower()} now.")


for _verb in sorted(ENDS):
    command(f"job {_verb}", f"{_verb} a job that has not ended", _JOB, verb=_verb)(_end)


@command("job release", "deliver a job that waits for its owner's release", _JOB)
def _release(data: Path, job: str) -> None:
    with open_store(data) as store:
        Releases(store).release(job, OPERATOR)
    print(f"Job {job} is released.")


@command("job retry", "deliver a job again after its delivery has failed", _JOB)
def _retry(data: Path, job: str) -> None:
    with open_store(data) as store:
        Jobs(store).retry(job, OPERATOR)
    print(f"Job {job} is delivered again.")
