"""The catalogs of translations: `.po` files in the package, which people write, and the `.mo` files
that programs read, made of them when the project is built.

As a program it brings the `.po` files up to date with the messages of the source, and makes one
for each new language that it is called with.
"""

from __future__ import annotations

import functools
import io
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

REPO = Path(__file__).resolve().parents[2]
PACKAGE = REPO / "backend" / "cirrus_bridge"
# cirrusctl, which alone has much to say, has its texts in a catalog of its own; so have the
# drivers, because CUPS's ppdc(1) reads that catalog, too (`ppd/` links to it)
DOMAINS = ("cirrus-bridge", "cirrusctl", "cirrus-ppd")
# texts that no call of KEYWORDS has: of the errors' classes, and of cirrusctl's commands
CODES = "cirrusctl/output/codes.py"
HELP = "cirrusctl/commands"
WORDS = "drivers/ppd_strings.py"
DRIVERS = REPO / "ppd" / "cirrus-bridge.drv"
_SHOWN = re.compile(r'^ *\*?(?:Group|Option|Choice) "\w+/(.*?[A-Za-z]{2}.*?)"', re.MULTILINE)
_PAPER = re.compile(r"^\*?MediaSize (\w+)", re.MULTILINE)
# what a function takes for messages: its first argument, and that for many
KEYWORDS = {"tr": None, "trn": (1, 2), "marked": None}


_HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: {plural_forms}\\n"

"""


class BuildHook(BuildHookInterface[Any]):
    """Makes the `.mo` files for wheels, and for environments that use the sources as they lie."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds."""
        if self.target_name != "wheel":
            return
        try:
            compile_all()
        except PermissionError:
            if version != "editable":
                raise
            # sources of somebody else are used as they lie: in English, if need be


def compile_all() -> None:
    """Each `.mo` file, unless it is as it is to be."""
    for path in paths():
        made = compiled(path)
        file = path.with_suffix(".mo")
        if not (file.exists() and file.read_bytes() == made):
            file.write_bytes(made)


def paths() -> list[Path]:
    """The catalogs."""
    return sorted(PACKAGE.glob("locale/*/LC_MESSAGES/*.po"))


def read(path: Path) -> Catalog:
    """A catalog; obsolete messages with it."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3], domain=path.stem)


def compiled(path: Path) -> bytes:
    """A catalog as gettext reads it."""
    catalog = read(path)
    # of the header that it makes: the same sources are to give the same bytes
    catalog.creation_date = catalog.revision_date = datetime.fromtimestamp(0, UTC)
    made = io.BytesIO()
    write_mo(made, catalog)
    return made.getvalue()


def messages(domain: str) -> Catalog:
    """All messages of the source that belong into the catalogs of a domain."""
    found = Catalog(domain=domain)
    for file, line, message, comments, context in _extracted():
        if domain == _domain(file):
            found.add(message, None, [(file, line)], auto_comments=comments, context=context)
    if domain == _domain(CODES):
        for line, text in enumerate(_codes(), 1):
            found.add(text, None, [(CODES, line)])
        for text in _help():
            found.add(text, None, [(HELP, 1)])
    if domain == DOMAINS[2]:
        for text in _words_of_drivers():
            found.add(text, None, [(WORDS, 1)])
    return found


@functools.cache
def _extracted() -> list[Any]:
    # once for all catalogs
    return list(
        extract_from_dir(
            PACKAGE,
            method_map=[("**.py", "python")],
            keywords=KEYWORDS,
            comment_tags=["translators:"],
            strip_comment_tags=True,
        )
    )


def _words_of_drivers() -> Iterable[str]:
    from cirrus_bridge.drivers.ppd_strings import ENGLISH

    generic = DRIVERS.read_text()
    yield from ENGLISH.values()
    yield from _SHOWN.findall(generic)
    # ppdc looks up what is not here in CUPS's own catalog, which says "DIN A4"
    yield from (name for name in _PAPER.findall(generic) if f"PageSize {name}" not in ENGLISH)


def _codes() -> Iterable[str]:
    from cirrus_bridge.cirrusctl.output.codes import coded

    texts = (text for cls in coded() for text in (cls.title, cls.advice, cls.meaning))
    return filter(None, texts)


def _help() -> Iterable[str]:
    # what builds a package has no need of it, nor the modules that it needs
    from cirrus_bridge.cirrusctl.main import app
    from cirrus_bridge.cirrusctl.output.help_texts import program_of, texts

    return dict.fromkeys(texts(program_of(app)))


def _domain(file: str) -> str:
    return DOMAINS[Path(file).is_relative_to("cirrusctl")]


def update(path: Path) -> None:
    """Bring a catalog up to date: new messages have no translation, those that are gone go."""
    language = path.parts[-3]
    catalog = read(path) if path.exists() else Catalog(locale=language, domain=path.stem)
    catalog.update(messages(path.stem), no_fuzzy_matching=True)
    made = io.BytesIO()
    write_po(
        made,
        catalog,
        width=100,
        omit_header=True,  # dates and names, which git has
        sort_by_file=True,
        ignore_obsolete=True,
        include_lineno=False,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    header = _HEADER.format(language=language, plural_forms=catalog.plural_forms)
    path.write_text(header + made.getvalue().decode())


def main() -> None:
    """`installer/packages/catalogs.py [LANGUAGE…]`."""
    languages = {*sys.argv[1:], *(path.parts[-3] for path in paths())}
    for language in languages:
        for domain in DOMAINS:
            update(PACKAGE / "locale" / language / "LC_MESSAGES" / f"{domain}.po")
    compile_all()


if __name__ == "__main__":
    main()
