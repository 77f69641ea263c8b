"""The catalogs of translations have all messages of the source, and no others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import catalogs
from cirrus_bridge.base import errors

UPDATE = "run: .venv/bin/python installer/packages/catalogs.py"
PATHS = {f"{path.parts[-3]} {path.stem}": path for path in catalogs.paths()}
# functions whose first argument is a text for people
TO_PEOPLE = {"tell", "info", "lasting", "fault", "server_away", "useless", "bad"}
FINDINGS = ("good", "note", "warning", "error", "failed")
# in cirrusctl: the index of that argument
TO_ADMINISTRATORS = {
    **dict.fromkeys(("line", "remark", "say", "confirm", "bad", "_done", *FINDINGS), 0),
    "Column": 1,
    "event": 1,
    "document": 1,
}
SOURCES = sorted(path for each in {*catalogs.DOMAINS.values()} for path in each.rglob("*.py"))
# Foreign words with a single right term here, because each thing has one name.
OTHER_WORDS = {
    "de": ("angegebene warteschlange", "druckerwarteschlange", "druckjob"),
    "es": ("advertencia", "dueño", "matado", "orden", "ordenador", "sustituir"),
    "fr": ("périphérique", "ordinateur"),
    "ja": ("文書", "エントリ", "既に"),
}


def _fields(template: str) -> set[str]:
    """The fields of a text: `{name}` in Python, `%(name)s` in a template of the page."""
    braces = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    return braces | set(re.findall(r"%\(\w+\)s", template))


def _texts(message: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (message,) if isinstance(message, str) else tuple(message)


def test_languages() -> None:
    """The catalogs and the PPDs have the same languages."""
    languages = ("de", "es", "fr", "ja")
    assert sorted(PATHS) == [
        f"{name} {domain}" for name in languages for domain in sorted(catalogs.DOMAINS)
    ]


@pytest.mark.parametrize("name", PATHS)
def test_complete(name: str) -> None:
    """Each message has a translation with its own fields; none is fuzzy or obsolete."""
    catalog = catalogs.read(PATHS[name])
    wanted = {message.id for message in catalogs.messages(catalog.domain or "") if message.id}
    found = {message.id: message for message in catalog if message.id}
    assert not wanted - found.keys(), UPDATE
    assert not (found.keys() - wanted) | set(catalog.obsolete), UPDATE
    for message in found.values():
        assert not message.fuzzy, message.id
        translations = _texts(message.string or "")
        assert len(translations) == (catalog.num_plurals if message.pluralizable else 1)
        for translation in translations:
            assert translation, message.id
            assert _fields(translation) == _fields(_texts(message.id)[-1]), message.id


@pytest.mark.parametrize("name", PATHS)
def test_a_thing_has_one_name(name: str) -> None:
    """A translation uses one term for each thing."""
    others = OTHER_WORDS[name.split()[0]]
    for message in catalogs.read(PATHS[name]):
        for text in _texts(message.string or "") if message.id else ():
            assert not [word for word in others if word in text.lower()], text


@pytest.mark.parametrize("name", PATHS)
def test_as_the_program_writes_it(name: str, tmp_path: Path) -> None:
    """Catalogs keep the source's order, so that changes are easy to read."""
    made = tmp_path.joinpath(*PATHS[name].parts[-3:])
    made.parent.mkdir(parents=True)
    made.write_bytes(PATHS[name].read_bytes())
    catalogs.update(made)
    assert made.read_text() == PATHS[name].read_text(), UPDATE


@pytest.mark.parametrize("name", PATHS)
def test_compiled(name: str) -> None:
    """The environment has the compiled form of the sources."""
    path = PATHS[name]
    assert path.with_suffix(".mo").read_bytes() == catalogs.compiled(path), UPDATE


def _calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        if node.func.id in catalogs.KEYWORDS:
            yield node.func.id, node


def _is_constant(node: ast.expr) -> bool:
    """Whether a node is NAME, module.NAME, NAMES[…] or one of them, made by `marked`."""
    if isinstance(node, ast.IfExp):
        return _is_constant(node.body) and _is_constant(node.orelse)
    while isinstance(node, ast.Subscript):
        node = node.value
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return bool(name) and name == name.upper()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(catalogs.BACKEND)))
def test_templates_are_ours(path: Path) -> None:
    """A text to translate is a literal with exactly its fields, or a constant.

    An f-string or a foreign text cannot be translated.
    """
    for name, call in _calls(path):
        templates = call.args[:2] if name == "trn" else call.args[:1]
        given = {keyword.arg for keyword in call.keywords} | ({"count"} if name == "trn" else set())
        for template in templates:
            if isinstance(template, ast.Constant):
                if name != "marked":
                    assert _fields(str(template.value)) == given, f"line {call.lineno}"
            else:
                assert name != "marked", f"line {call.lineno}"
                is_ours = _is_constant(template) or ast.unparse(template) == "self.person"
                assert is_ours, f"line {call.lineno}"


@pytest.mark.parametrize("path", sorted(catalogs.PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_people_get_words(path: Path) -> None:
    """`tr` makes the texts of errors and for people; English literals are errors."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and node.args):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        made = getattr(errors, name, None)
        is_error = isinstance(made, type) and issubclass(made, errors.CirrusError)
        if is_error or name in TO_PEOPLE:
            text = node.args[name == "bad" and len(node.args) > 1]
            assert not _is_english(text), f"line {text.lineno}"


@pytest.mark.parametrize(
    "path",
    sorted(catalogs.PACKAGE.glob("cirrusctl/**/*.py")),
    ids=lambda path: str(path.relative_to(catalogs.PACKAGE)),
)
def test_administrators_get_words(path: Path) -> None:
    """`tr` also makes cirrusctl's findings, headings, questions and remarks."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        made = getattr(errors, name, None)
        is_error = isinstance(made, type) and issubclass(made, errors.CirrusError)
        texts = [keyword.value for keyword in node.keywords if keyword.arg == "none"]
        if is_error or name in TO_ADMINISTRATORS:
            first = TO_ADMINISTRATORS.get(name, 0)
            texts += node.args[first : first + (2 if name in FINDINGS else 1)]
        for text in texts:
            assert not _is_english(text), f"line {text.lineno}"


def _is_english(node: ast.expr) -> bool:
    """Whether a literal contains a word; signs and fields need no translation."""
    if isinstance(node, ast.IfExp):
        return _is_english(node.body) or _is_english(node.orelse)
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    said = "".join(
        part.value for part in parts if isinstance(part, ast.Constant) and type(part.value) is str
    )
    return bool(re.search(r"[A-Za-z]{2}", said))
