"""The `job` commands: list jobs, and end or retry them as a person would."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cirrus_cloudlet.api.answers import timestamp
from cirrus_cloudlet.cli.listing import write_list
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.documents import Documents
from cirrus_cloudlet.storage.jobs import Job, Jobs, JobState

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_ALL = 2**62
_ENDS = {"delete": JobState.DELETED, "save": JobState.SAVED, "trash": JobState.TRASHED}


def add_commands(commands: Commands, data: argparse.ArgumentParser) -> None:
    """Add the `job` commands to the command line."""
    verbs = commands.add_parser("job", help="submitted jobs").add_subparsers(
        required=True, metavar="VERB"
    )
    listed = verbs.add_parser("list", parents=[data], help="list all jobs, newest first")
    listed.add_argument("--json", action="store_true", help="print all details as JSON")
    listed.set_defaults(run=_list)
    for verb in _ENDS:
        end = verbs.add_parser(verb, parents=[data], help=f"{verb} a job that has not ended")
        end.add_argument("job", metavar="JOBID")
        end.set_defaults(run=_end, verb=verb)
    retry = verbs.add_parser("retry", parents=[data], help="deliver a held job again")
    retry.add_argument("job", metavar="JOBID")
    retry.set_defaults(run=_retry)


def _list(arguments: argparse.Namespace) -> None:
    store = Store(arguments.data)
    jobs = Jobs(store)
    found = jobs.newest(None, None, _ALL)
    if arguments.json:
        documents = Documents(store, arguments.data)
        shown = [_fields(job, jobs, documents) for job in found]
        print(json.dumps(shown, ensure_ascii=False, indent=2))
        return
    rows = [
        (
            job.id,
            f"{job.company}/{job.location}/{job.device}",
            job.state.name.lower(),
            timestamp(job.updated) or "",
            job.title,
            job.message,
        )
        for job in found
    ]
    write_list(rows, "job", "device", "state", "changed at", "title", "message")


def _fields(job: Job, jobs: Jobs, documents: Documents) -> dict[str, Any]:
    path: Path = documents.path(job.document)
    return {
        "id": job.id,
        "company": job.company,
        "location": job.location,
        "device": job.device,
        "title": job.title,
        "ext": job.format,
        "size": job.size,
        "sha256": job.sha256,
        "state": job.state.value,
        "state_name": job.state.name.lower(),
        "message": job.message,
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


def _end(arguments: argparse.Namespace) -> None:
    Jobs(Store(arguments.data)).end(arguments.job, _ENDS[arguments.verb])


def _retry(arguments: argparse.Namespace) -> None:
    Jobs(Store(arguments.data)).retry(arguments.job)
