"""The notes of runs: which document a run is for, and what is left of runs that were killed."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pytest

from cirrus_bridge.journal_runs import NOT_NOTED, Run, begin, left

DRIVER = {"FINAL_CONTENT_TYPE": "application/vnd.cups-pdf"}


def _begin(
    state: Path, *, started: int = 10, cupsd: int = 1, files: int = 2, driver: bool = True
) -> Run:
    names = " document-name-supplied=x" * files
    options = f"job-uuid=urn:uuid:u time-at-processing={started}{names}"
    environ = {"CIRRUS_BRIDGE_STATE": str(state)} | (DRIVER if driver else {})
    return begin(["cirrus", "17", "ann", "t", "1", options], environ, cupsd)


def _left(state: Path) -> list[tuple[int, str, int]]:
    found = left(str(state), time.time() + 1)
    return [(each.job_id, each.job_uuid, each.run.documents) for each in found]


def test_the_nth_run_is_for_the_nth_document(tmp_path: Path) -> None:
    """Whether the run before came to its end or not; a new pass begins at the first one."""
    assert _begin(tmp_path).number == 1
    assert _begin(tmp_path).number == 2
    assert _begin(tmp_path, started=11).number == 1
    assert _begin(tmp_path, started=11, cupsd=2).number == 1


@pytest.mark.parametrize(("files", "driver"), [(3, False), (1, True)])
def test_one_document_stays_the_first(tmp_path: Path, files: int, driver: bool) -> None:
    """CUPS may run it again within the second; as a second document it was printed twice."""
    _begin(tmp_path, files=files, driver=driver).end(failed=True, again=True)
    assert _begin(tmp_path, files=files, driver=driver).number == 1
    assert _begin(tmp_path, files=files, driver=driver).number == 1


def test_nothing_is_left_of_a_job_that_came_to_its_end(tmp_path: Path) -> None:
    """When each of its runs did, and not before."""
    first = _begin(tmp_path)
    first.end(failed=False)
    assert _left(tmp_path) == [(17, "urn:uuid:u", 2)]
    _begin(tmp_path).end(failed=False)
    assert _left(tmp_path) == []


def test_a_killed_run_stays_known(tmp_path: Path) -> None:
    """Also when the runs behind it come to their end."""
    _begin(tmp_path)
    _begin(tmp_path).end(failed=False)
    assert _left(tmp_path) == [(17, "urn:uuid:u", 2)]
    assert list(left(str(tmp_path), time.time() - 60)) == []


def test_cups_ends_a_job_whose_backend_fails(tmp_path: Path) -> None:
    """So no further run of it is waited for."""
    _begin(tmp_path).end(failed=True)
    assert _left(tmp_path) == []


def test_a_late_end_is_no_matter_for_the_next_pass(tmp_path: Path) -> None:
    """A run of a cupsd that died ends when that of the next one has begun."""
    late = _begin(tmp_path)
    _begin(tmp_path, started=11, cupsd=2)
    late.end(failed=True)
    assert _begin(tmp_path, started=11, cupsd=2).number == 2
    assert _left(tmp_path) == [(17, "urn:uuid:u", 2)]


@pytest.mark.parametrize("files", [1, 2])
def test_cups_aborts_a_job_of_several_files_that_is_to_run_again(
    tmp_path: Path, files: int
) -> None:
    """So something is left for the poller to notice; one of a single file is run again."""
    _begin(tmp_path, files=files, driver=False).end(failed=True, again=True)
    assert len(_left(tmp_path)) == files - 1


def test_joined_files_are_one_document(tmp_path: Path) -> None:
    """Without a driver, by standard input."""
    run = _begin(tmp_path, files=3, driver=False)
    assert (run.number, run.documents) == (1, 1)
    run.end(failed=False)
    assert _left(tmp_path) == []


@pytest.mark.parametrize("options", ["", "job-uuid=u", "time-at-processing=1"])
def test_run_by_hand(tmp_path: Path, options: str) -> None:
    """Nothing is noted where there is nothing to find it by."""
    environ = {"CIRRUS_BRIDGE_STATE": str(tmp_path)}
    assert begin(["cirrus", "1", "a", "t", "1", options], environ, 1) is NOT_NOTED
    NOT_NOTED.end(failed=False)
    assert _left(tmp_path) == []


def test_first_run_of_all() -> None:
    """The folder of the journal is made if it is not there."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)  # unlike pytest's own, which root's print user may not enter
        assert _begin(Path(folder) / "state").number == 1
        assert _begin(Path(folder) / "state").number == 2


def test_owner_who_closes_the_folder_leads_root_nowhere() -> None:
    """Root notes nothing there rather than where the owner's link leads."""
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
    """Root neither writes nor removes anything in its own folder to which that leads."""
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
    """The run goes on; the journal has its own word for that."""
    (tmp_path / "state").touch()
    assert _begin(tmp_path / "state") is NOT_NOTED


@pytest.mark.parametrize("text", ["", "\n", "u", "u many\n", "\xff"])
def test_damaged_notes(tmp_path: Path, text: str) -> None:
    """They are passed over."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "17-1-1").write_text(text, "latin-1")
    (tmp_path / "runs" / "odd").write_text("u 1\n")
    assert _left(tmp_path) == []
