"""The table of attacks in tests/attacks/README.md, generated from the tests.

A test that carries `@pytest.mark.attacker(WHO)` makes a row. The first paragraph of its docstring
says what the attacker does, and after a colon what comes of that. Such a test may be in any folder.
Run this module to write the table.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
README = TESTS / "attacks" / "README.md"
# what an attacker has → what the table says
ATTACKERS = {
    "local account": "an account on the print server",
    "print key": "an API key with the role `print`",
    "client key": "an API key with the role `client`",
    "page account": "an account for the cloud's web page",
    "server": "control of the server that the bridge talks to, or of a proxy",
    "host": "control of a host that `cirrusctl` asks over ssh",
    "network": "access to the network",
}
_HEAD = """\
# What an attacker gets

Each row is a test: what the attacker does, and what comes of that. To write this table again after
a change of the tests, run:
`python tests/support/attack_table.py`
"""


def table() -> str:
    """The text of the README.

    Raises:
        ValueError: a test names an unknown attacker, or has no docstring.
    """
    rows: dict[str, list[str]] = {who: [] for who in ATTACKERS}
    for path in sorted(TESTS.rglob("test_*.py")):
        for who, test, said in _attacks(path):
            if who not in rows or not said:
                raise ValueError(f"{path}: {test} has the attacker {who!r}, and says {said!r}")
            where = path.relative_to(TESTS)
            rows[who].append(f"| {said} | [{test}](../{where}) |")
    parts = [_HEAD]
    for who, lines in rows.items():
        if lines:
            heading = f"## The attacker has {ATTACKERS[who]}"
            parts.append(
                "\n".join([heading, "", "| attack: result | test |", "| --- | --- |", *lines, ""])
            )
    return "\n".join(parts)


def _attacks(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the attacker, the name and the first paragraph of the docstring of each attack."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for decorator in node.decorator_list:
            match decorator:
                case ast.Call(func=ast.Attribute(attr="attacker"), args=[ast.Constant(value=who)]):
                    said = (ast.get_docstring(node) or "").partition("\n\n")[0]
                    yield str(who), node.name, " ".join(said.split()).replace("|", "\\|")


if __name__ == "__main__":
    README.write_text(table())
