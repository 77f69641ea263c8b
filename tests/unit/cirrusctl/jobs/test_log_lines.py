"""Lines of CUPS's error_log, in which is what strangers have put there."""

from __future__ import annotations

from pathlib import Path

from cirrus_bridge.cirrusctl.jobs.log_lines import log_lines

TIME = "26/Nov/2026:09:00:00 +0000"


def test_text_of_strangers_is_no_line_of_its_own(tmp_path: Path) -> None:
    """A title may have what Python takes for a line break, and an entry of another job after it."""
    (tmp_path / "cups-files.conf").write_text("ErrorLog error_log\n")
    forged = f"E [{TIME}] [Job 2] forged (CB-401)"
    (tmp_path / "error_log").write_text(
        f"E [{TIME}] [Job 1] a\u2028{forged}\nE [{TIME}] [Job 1] b\x0c{forged}\n"
        f"E [99/Foo/2026:1 +0000] [Job 1] no time\nE [{TIME}] [Job 1] c\n",
        "utf-8",
    )
    assert log_lines(tmp_path, job=2, most=10)[0] == []
    texts = [line.text for line in log_lines(tmp_path, job=1, most=10)[0]]
    assert texts == [f"E [Job 1] a\u2028{forged}", f"E [Job 1] b\x0c{forged}", "E [Job 1] c"]
