"""The catalogs of translations: `.po` files, which people write, and `.mo` files for programs.

The build of the project makes the `.mo` files. As a program, this module updates the `.po` files
from the source's messages. It creates the `.po` files of each new language in its arguments.
"""

from __future__ import annotations

import functools
import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

REPO = Path(__file__).resolve().parents[2]
BACKEND = REPO / "backend"
PACKAGE, CLOUDLET_PACKAGE = BACKEND / "cirrus_bridge", BACKEND / "cirrus_cloudlet"
# cirrusctl has a catalog of its own, because its texts are many. So have the drivers, because
# CUPS's ppdc(1) reads that catalog, too (`ppd/` links to it).
CUPS, CIRRUSCTL, PPD, CLOUDLET = ("cirrus-bridge", "cirrusctl", "cirrus-ppd", "cirrus-cloudlet")
DOMAINS = {CUPS: PACKAGE, CIRRUSCTL: PACKAGE, PPD: PACKAGE, CLOUDLET: CLOUDLET_PACKAGE}
DRIVERS = REPO / "ppd" / "cirrus-bridge.drv"
_SHOWN = re.compile(r'^ *\*?(?:Group|Option|Choice) "\w+/(.*?[A-Za-z]{2}.*?)"', re.MULTILINE)
_PAPER = re.compile(r"^\*?MediaSize (\w+)", re.MULTILINE)
# what a function takes for messages: its first argument, and that for many
KEYWORDS = {"tr": None, "trn": (1, 2), "marked": None}
# the same in templates
_TEMPLATE_KEYWORDS = {"_": None, "ngettext": (1, 2)}
_HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: {plural_forms}\\n"

"""


class BuildHook(BuildHookInterface[Any]):
    """Makes the `.mo` files for wheels and for editable environments."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds."""
        if self.target_name != "wheel":
            return
        try:
            compile_all()
        except PermissionError:
            if version != "editable":
                raise
            # another user's sources are used unchanged: in English, if necessary


def compile_all() -> None:
    """Compile each `.mo` file that is out of date."""
    for path in paths():
        made = compiled(path)
        file = path.with_suffix(".mo")
        if not (file.exists() and file.read_bytes() == made):
            file.write_bytes(made)


def paths() -> list[Path]:
    """The paths of the catalogs."""
    return sorted(BACKEND.glob("*/locale/*/LC_MESSAGES/*.po"))


def read(path: Path) -> Catalog:
    """Read a catalog with its obsolete messages."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3], domain=path.stem)


def compiled(path: Path) -> bytes:
    """Compile a catalog to gettext's binary format."""
    catalog = read(path)
    # without a date in the header: the same sources must give the same bytes
    catalog.creation_date = catalog.revision_date = datetime.fromtimestamp(0, UTC)
    made = io.BytesIO()
    write_mo(made, catalog)
    return made.getvalue()


def messages(domain: str) -> Catalog:
    """All messages of the source that belong to the catalogs of a domain."""
    found = Catalog(domain=domain)
    for file, line, message, comments, context in _extracted(DOMAINS[domain]):
        if domain == _domain(Path(file), DOMAINS[domain]):
            found.add(message, None, [(file, line)], auto_comments=comments, context=context)
    for file, text in _unmarked(domain):
        found.add(text, None, [(file, len(found) + 1)])
    return found


def _domain(file: Path, package: Path) -> str:
    if package == CLOUDLET_PACKAGE:
        return CLOUDLET
    return CIRRUSCTL if file.is_relative_to("cirrusctl") else CUPS


@functools.cache  # once for all catalogs
def _extracted(package: Path) -> list[Any]:
    return list(
        extract_from_dir(
            package,
            method_map=[("**.py", "python"), ("**.html", "jinja2")],
            options_map={
                "**.html": {"newstyle_gettext": "true", "trimmed": "true", "silent": "false"}
            },
            keywords={**KEYWORDS, **_TEMPLATE_KEYWORDS},
            comment_tags=["translators:"],
            strip_comment_tags=True,
        )
    )


def _unmarked(domain: str) -> Iterator[tuple[str, str]]:
    """The texts outside calls of KEYWORDS: those of the error classes, of cirrusctl's commands, and
    of the drivers. Package builds need neither this function nor its imports."""
    if domain == CUPS:
        from cirrus_bridge.cirrusctl.output.codes import coded

        # a text of nothing but a field has no words
        for text in dict.fromkeys(cls.person for cls in coded() if " " in cls.person):
            yield "base/errors.py", text
    if domain == CIRRUSCTL:
        from cirrus_bridge.cirrusctl.main import program
        from cirrus_bridge.cirrusctl.output.codes import coded, texts_of
        from cirrus_bridge.cirrusctl.output.help_texts import texts

        for cls in coded():
            for text in filter(None, texts_of(cls)):
                yield "cirrusctl/output/codes.py", text
        for text in dict.fromkeys(texts(program())):
            yield "cirrusctl/commands", text
    if domain == PPD:
        from cirrus_bridge.drivers.ppd_strings import ENGLISH

        generic = DRIVERS.read_text()
        # ppdc takes missing messages from CUPS's own catalog, which says "DIN A4"
        papers = (name for name in _PAPER.findall(generic) if f"PageSize {name}" not in ENGLISH)
        for text in (*ENGLISH.values(), *_SHOWN.findall(generic), *papers):
            yield "drivers/ppd_strings.py", text


def update(path: Path) -> None:
    """Update a catalog: new messages have no translation, and removed messages go."""
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
    """Run `installer/packages/catalogs.py [LANGUAGE…]`."""
    languages = {*sys.argv[1:], *(path.parts[-3] for path in paths())}
    for language in languages:
        for domain, package in DOMAINS.items():
            update(package / "locale" / language / "LC_MESSAGES" / f"{domain}.po")
    compile_all()


if __name__ == "__main__":
    main()
