"""The notes of runs, from their beginning: the document of a run, and traces of killed runs."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cirrus_bridge.backend.supervisor import begin
from cirrus_bridge.journal.run_notes import NOT_NOTED, Run, left
from programs import Program

DRIVER = {"FINAL_CONTENT_TYPE": "application/vnd.cups-pdf"}


def _begin(
    state: Path, *, started: int = 10, cupsd: int = 1, files: int = 2, driver: bool = True
) -> Run:
    names = " document-name-supplied=x" * files
    options = f"time-at-processing={started}{names}"
    environ = {"CIRRUS_BRIDGE_STATE": str(state)} | (DRIVER if driver else {})
    return begin(["cirrus", "17", "ann", "t", "1", options], environ, cupsd)


def _left(state: Path) -> list[tuple[int, str, int]]:
    return [(each.job_id, each.started, each.run.documents) for each in left(str(state))]


def test_the_nth_run_is_for_the_nth_document(tmp_path: Path) -> None:
    """The nth run is for the nth document, even after a killed run. A new pass begins at 1."""
    assert _begin(tmp_path).number == 1
    assert _begin(tmp_path).number == 2
    assert _begin(tmp_path, started=11).number == 1
    assert _begin(tmp_path, started=11, cupsd=2).number == 1


@pytest.mark.parametrize(("files", "driver"), [(3, False), (1, True)])
def test_one_document_stays_the_first(tmp_path: Path, files: int, driver: bool) -> None:
    """A single document stays the first, even if CUPS runs it again within the same second."""
    _begin(tmp_path, files=files, driver=driver).end(failed=True, again=True)
    assert _begin(tmp_path, files=files, driver=driver).number == 1
    assert _begin(tmp_path, files=files, driver=driver).number == 1


def test_nothing_is_left_of_a_job_that_came_to_its_end(tmp_path: Path) -> None:
    """The notes are removed when all runs of the job have ended."""
    first = _begin(tmp_path)
    first.end(failed=False)
    assert _left(tmp_path) == [(17, "10", 2)]
    _begin(tmp_path).end(failed=False)
    assert _left(tmp_path) == []


def test_a_run_that_another_process_begins_again(tmp_path: Path) -> None:
    """A run that was taken back counts for nothing."""
    _begin(tmp_path).undo()
    assert _left(tmp_path) == []
    assert _begin(tmp_path).number == 1
    _begin(tmp_path).undo()
    assert _begin(tmp_path).number == 2


def test_a_killed_run_stays_known(tmp_path: Path) -> None:
    """A killed run stays noted, even if later runs end."""
    _begin(tmp_path)
    _begin(tmp_path).end(failed=False)
    assert _left(tmp_path) == [(17, "10", 2)]


def test_cups_ends_a_job_whose_backend_fails(tmp_path: Path) -> None:
    """After a failed run, no more runs are expected."""
    _begin(tmp_path).end(failed=True)
    assert _left(tmp_path) == []


def test_a_late_end_is_no_matter_for_the_next_pass(tmp_path: Path) -> None:
    """A late end of a run of a dead cupsd does not affect the next pass."""
    late = _begin(tmp_path)
    _begin(tmp_path, started=11, cupsd=2)
    late.end(failed=True)
    assert _begin(tmp_path, started=11, cupsd=2).number == 2
    assert _left(tmp_path) == [(17, "11", 2)]


@pytest.mark.parametrize(("files", "driver", "left"), [(1, True, 0), (2, True, 1), (2, False, 0)])
def test_cups_aborts_a_job_of_several_runs_that_is_to_run_again(
    tmp_path: Path, files: int, driver: bool, left: int
) -> None:
    """A note is left for the poller. A single file, or joined files, are run again by CUPS."""
    _begin(tmp_path, files=files, driver=driver).end(failed=True, again=True)
    assert len(_left(tmp_path)) == left


def test_joined_files_are_one_document(tmp_path: Path) -> None:
    """Files that CUPS joins on standard input are one document."""
    run = _begin(tmp_path, files=3, driver=False)
    assert (run.number, run.documents) == (1, 1)
    run.end(failed=False)
    assert _left(tmp_path) == []


@pytest.mark.parametrize("options", ["", "job-uuid=u", "time-at-processing=soon"])
def test_run_by_hand(tmp_path: Path, options: str) -> None:
    """A run by hand is not noted."""
    environ = {"CIRRUS_BRIDGE_STATE": str(tmp_path)}
    assert begin(["cirrus", "1", "a", "t", "1", options], environ, 1) is NOT_NOTED
    NOT_NOTED.end(failed=False)
    assert _left(tmp_path) == []


def test_first_run_of_all() -> None:
    """The first run creates the folder of the journal."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)  # unlike pytest's own, which root's print user may not enter
        assert _begin(Path(folder) / "state").number == 1
        assert _begin(Path(folder) / "state").number == 2


def test_owner_who_closes_the_folder_leads_root_nowhere() -> None:
    """If the owner closes the folder, root notes nothing and follows no link."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        state, elsewhere = Path(folder) / "state", Path(folder) / "elsewhere"
        first = _begin(state)
        Path(first.path).unlink()
        Path(first.path).symlink_to(elsewhere)
        state.chmod(0)
        assert _begin(state) is NOT_NOTED
        assert not elsewhere.exists()
        state.chmod(0o700)


@pytest.mark.parametrize("files", [1, 2])
def test_owner_who_puts_a_link_in_the_place_of_the_notes(files: int) -> None:
    """Root neither writes nor removes anything behind an owner's link."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        state, elsewhere = Path(folder) / "state", Path(folder) / "elsewhere"
        run = _begin(state, files=files)
        elsewhere.mkdir(0o755)
        (elsewhere / Path(run.path).name).write_text("other\n")
        (state / "runs").rename(state / "before")
        (state / "runs").symlink_to(elsewhere)
        elsewhere.chmod(0o555)  # for who runs the tests, if that is not root
        (elsewhere / Path(run.path).name).chmod(0o444)
        run.end(failed=False)
        elsewhere.chmod(0o755)
        assert (elsewhere / Path(run.path).name).read_text() == "other\n"


def test_folder_that_can_not_be_written(tmp_path: Path) -> None:
    """The run continues if notes cannot be written; the journal reports the fault."""
    (tmp_path / "state").touch()
    assert _begin(tmp_path / "state") is NOT_NOTED


@pytest.mark.parametrize("text", ["", "\n", "run", "run of many\n", "\xff"])
def test_damaged_notes(tmp_path: Path, text: str) -> None:
    """Damaged notes are skipped."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "17-1-1").write_text(text, "latin-1")
    (tmp_path / "runs" / "odd").write_text("run of 1\n")
    assert _left(tmp_path) == []


def test_a_note_tells_whether_a_run_is_active(tmp_path: Path) -> None:
    """A note counts as active while a process of the run lives, whatever the clocks say."""
    code = "import os, sys; from cirrus_bridge.backend.supervisor import begin\n"
    code += "options = 'time-at-processing=10'\n"
    code += "begin(['cirrus', '17', 'ann', 't', '1', options], os.environ, 1)\n"
    code += "sys.stdout.write(f'{os.fork()}\\n'); sys.stdout.flush(); input()"
    environ = {**os.environ, "CIRRUS_BRIDGE_STATE": str(tmp_path)}
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with Program(command, stdin=pipe, stdout=pipe, env=environ) as first:
        assert first.stdout is not None
        pids = sorted(int(first.stdout.readline()) for _ in range(2))
        assert [each.is_at_work for each in left(str(tmp_path))] == [True]
        first.kill()
        first.wait(30)
        assert [each.is_at_work for each in left(str(tmp_path))] == [True]
        os.kill(pids[-1], signal.SIGKILL)
        while [each.is_at_work for each in left(str(tmp_path))] == [True]:
            pass
    (note,) = left(str(tmp_path))
    assert (note.job_id, note.runs, note.is_held) == (17, 1, False)


def test_a_held_run_stays_noted(tmp_path: Path) -> None:
    """A run without access to the journal stays noted, so that the poller releases the job."""
    run = _begin(tmp_path, files=1)
    run.held()
    run.end(failed=True)
    assert [each.is_held for each in left(str(tmp_path))] == [True]
    run.forget()
    assert _left(tmp_path) == []


def test_a_note_that_does_not_fit_on_the_disk(tmp_path: Path) -> None:
    """A partly written line is removed, because it would change the next line."""
    _begin(tmp_path)
    (path,) = (tmp_path / "runs").iterdir()
    before = path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 3, limit[1]))
    try:
        assert _begin(tmp_path) is NOT_NOTED
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before
