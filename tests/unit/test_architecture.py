"""The direction of imports: data flows one way, and each edge has one owner."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

BACKEND = Path(__file__).parents[2] / "backend"
BRIDGE = BACKEND / "cirrus_bridge"

# Lower layers first; a module may import from layers below its own, and from no other.
LAYERS: list[set[str]] = [
    {"one_line", "words", "model", "__init__"},
    {"distrust", "journal_schema"},
    {"errors", "verification"},
    {
        "cups_facts",
        "lifecycle",
        "settings",
        "config_toml",
        "device_cache",
        "papers",
        "ppd_words",
        "page_language",
        "cups_ppd",
        "cups_side_channel",
        "cups_snap",
        "cups_spool",
        "joinable_formats",
    },
    {"child_program", "timer", "privileges"},
    {"journal_check", "journal_files", "journal_runs"},
    {
        *("cups_options", "deflate", "segments", "crowd", "retry", "clock", "cups_report", "ipp"),
        "proxy",
    },
    {"schedule_server", "cups_ipp", "cups_daemon", "network_probe"},
    {"lan", "props", "capabilities", "schedule", "cups_queue"},
    {"uri", "cups_job", "journal_database", "ppd"},
    {"journal_delivery", "journal_look", "drivers", "config_servers"},
    {"journal", "config"},
    {"api_exchange", "api_session", "config_write"},
    {"api_errors"},
    {"api_answers"},
    {"api"},
    {"patience"},
    {"upload"},
    {"cloud_apis", "submit", "follow", "discovery", "recognize"},
    {"conclude", "waiting", "journal_poller", "asking", "change"},
    {"backend_run", "watched"},
    {"settle", "orphans", "aside", "journal_figures", "journal_health", "journal_history"},
    {"outages"},
    {"cups_news", "hook", "desktop", "metrics"},
    {"cups_turn"},
    {"poller", "sinks", "metrics_server"},
    {"backend_main", "driver_main", "statusd_main"},
    {"backend_supervisor"},
]
# cirrusctl's own, above all of them; its commands do not know each other.
ADMIN_LAYERS: list[set[str]] = [
    {
        "__init__",
        "codes",
        "cups_setup",
        "exit_status",
        "help_texts",
        "installation",
        "inventory",
        "log_lines",
        "queue_names",
        "table",
        "turn",
    },
    {"find_queues", "job_view", "output", "ppd_defaults", "queues_file"},
    {"find_jobs", "wanted"},
    {"plan", "print_test"},
    {"apply", "conversation", "doctor", "setup"},
    {"guided_server"},
    {"guided_setup"},
    {"commands"},
    {"cirrusctl"},
]
# The doctor's own, in the same way: a check knows no other.
DOCTOR_LAYERS: list[set[str]] = [
    {"__init__", "at_once", "finding"},
    {
        "cloud",
        "confinement",
        "cups",
        "disk",
        "following",
        "keys",
        "network",
        "programs",
        "versions",
    },
    {"examination", "report"},
]
OWNERS = {
    "typer": set(),
    "rich": set(),
    "requests": {"api", "api_errors", "api_session"},
    "urllib3": {"api_errors", "api_session"},
    "http": {
        "api_errors",
        "api_exchange",
        "api_session",
        "cups_ipp",
        "metrics_server",
        "network_probe",
        "proxy",
    },
    "sqlite3": {"journal_check", "journal_database", "journal_look", "journal_schema"},
    "signal": {"clock", "backend_supervisor", "child_program"},
    "subprocess": {"child_program"},
    "prometheus_client": {"metrics", "metrics_server"},
    "zeroconf": {"lan"},
    "zlib": {"deflate", "joinable_formats"},
    "isal": {"deflate"},
    "time": {"clock"},
}


# whose modules are imported by name
_PACKAGES = ("cirrus_bridge", "cirrus_bridge.admin", "cirrus_bridge.admin.doctor")


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if node.module in _PACKAGES else {node.module}
    return found


def _below(layers: list[set[str]], name: str) -> set[str]:
    own = next(number for number, layer in enumerate(layers) if name in layer)
    return set().union(*layers[:own])


MODULES = {path.stem: _imports(path) for path in sorted(BRIDGE.glob("*.py"))}


def test_every_module_has_a_layer() -> None:
    """A new module gets a place on purpose."""
    placed = [name for layer in LAYERS for name in layer]
    assert sorted(placed) == sorted(MODULES)


def test_contributing_names_every_module() -> None:
    """Who reads the code for the first time finds each of them there, and none that is not."""
    text = (BACKEND.parent / "CONTRIBUTING.md").read_text()
    (table,) = re.findall(r"(?ms)^## Where things are$(.*?)^`cirrus_cloudlet`", text)
    picture, _, table = table.rpartition("```")
    rows = [row for row in table.splitlines() if not row.startswith(("| `admin", "| `installer"))]
    named = re.findall(r"`([a-z_*]+)`", " ".join(row.split("|")[1] for row in rows if "|" in row))
    for name in sorted(MODULES.keys() - {"__init__"}):
        assert any(fnmatch(name, each) for each in named), name
    for each in named:
        assert any(fnmatch(name, each) for name in MODULES), each
    pictured = set(re.findall(r"[a-z]+_[a-z_]+", picture)) - {"test_architecture"}
    assert pictured <= MODULES.keys()


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_down(name: str) -> None:
    """No step imports a later one, and siblings do not import each other."""
    below = _below(LAYERS, name)
    used = {i.split(".")[1] for i in MODULES[name] if i.startswith("cirrus_bridge.")}
    used.discard("__version__")
    assert used <= below


@pytest.mark.parametrize("name", MODULES)
def test_one_owner_for_each_edge(name: str) -> None:
    """HTTP, the journal's database, signals and sleeping each belong to one module."""
    for package, owners in OWNERS.items():
        if any(i.split(".")[0] == package for i in MODULES[name]):
            assert name in owners


ADMIN = {
    str(path.relative_to(BRIDGE / "admin").with_suffix("")): _imports(path)
    for path in sorted((BRIDGE / "admin").rglob("*.py"))
}


def test_every_module_of_cirrusctl_has_a_layer() -> None:
    """A new one gets a place on purpose."""
    placed = [name for layer in ADMIN_LAYERS for name in layer]
    assert sorted(placed) == sorted({name.split("/")[0] for name in ADMIN})


@pytest.mark.parametrize("name", ADMIN)
def test_cirrusctl_imports_go_down(name: str) -> None:
    """And it has no edge of its own, but for the terminal."""
    below = _below(ADMIN_LAYERS, name.split("/")[0])
    parts = [i.split(".") for i in ADMIN[name]]
    used = [part[2:] for part in parts if part[:2] == ["cirrus_bridge", "admin"]]
    if name.startswith("doctor/"):
        inner = _below(DOCTOR_LAYERS, name.partition("/")[2])
        assert {part[1] for part in used if part[0] == "doctor" and part[1:]} <= inner
        below |= {"doctor"}
    assert {part[0] for part in used} <= below
    assert not {part[0] for part in parts} & (OWNERS.keys() - {"typer", "rich"})


@pytest.mark.parametrize("pair", [("cirrus_bridge", "cirrus_cloudlet")])
def test_bridge_and_cloudlet_are_strangers(pair: tuple[str, str]) -> None:
    """They meet on the wire only, so that neither hides a mistake of the other."""
    for own, other in (pair, pair[::-1]):
        for path in (BACKEND / own).rglob("*.py"):
            assert not any(i.split(".")[0] == other for i in _imports(path)), path
