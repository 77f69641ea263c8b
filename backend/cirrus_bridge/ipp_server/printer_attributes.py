"""A printer's attributes that do not change by themselves (RFC 8011, 5.4; PWG 5100.14). Pure.

They are complete for IPP Everywhere, AirPrint (urf-supported, media-col-ready) and Mopria. The
attributes in STATE_ATTRIBUTES come from the running service.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cirrus_bridge.base.text import fitting
from cirrus_bridge.drivers.capabilities import Capabilities
from cirrus_bridge.drivers.offered_printers import OfferedPrinter
from cirrus_bridge.drivers.ppd_strings import LANGUAGES
from cirrus_bridge.ipp.message import Operation
from cirrus_bridge.ipp.values import (
    Charset,
    EnumValue,
    Keyword,
    Language,
    MimeType,
    Name,
    OutOfBand,
    Range,
    Text,
    Uri,
    Value,
)
from cirrus_bridge.ipp_server.job_template import (
    RESOLUTIONS,
    Described,
    is_job_template,
    offer_of,
)

STATE_ATTRIBUTES = frozenset(
    {
        "printer-config-change-date-time", "printer-config-change-time", "printer-current-time",
        "printer-is-accepting-jobs", "printer-state", "printer-state-change-date-time",
        "printer-state-change-time", "printer-state-message", "printer-state-reasons",
        "printer-up-time", "queued-job-count",
    }
)  # fmt: skip
OPERATIONS = (
    Operation.PRINT_JOB, Operation.VALIDATE_JOB, Operation.CREATE_JOB, Operation.SEND_DOCUMENT,
    Operation.CANCEL_JOB, Operation.GET_JOB_ATTRIBUTES, Operation.GET_JOBS,
    Operation.GET_PRINTER_ATTRIBUTES, Operation.HOLD_JOB, Operation.RELEASE_JOB,
    Operation.GET_PRINTER_SUPPORTED_VALUES, Operation.CANCEL_MY_JOBS, Operation.CLOSE_JOB,
    Operation.IDENTIFY_PRINTER,
)  # fmt: skip
COMPRESSIONS = ("none", "gzip", "deflate")
WHICH_JOBS = ("completed", "not-completed")
OPERATION_WAIT_S = 120  # for the next document of a job
ANY_FORMAT = "application/octet-stream"
PDF, JPEG, PWG_RASTER, URF = "application/pdf", "image/jpeg", "image/pwg-raster", "image/urf"
_DATABASE = "media-col-database"
_TEXT_BYTES = 127
_LABEL_BYTES = 63  # DNS-SD (RFC 6763, 4.1.1)
_PDF_VERSIONS = ("adobe-1.3", "adobe-1.4", "adobe-1.5", "adobe-1.6", "iso-32000-1_2008")
_COMMANDS = {  # names in IEEE 1284 device ids
    PDF: "PDF", "application/postscript": "PS", PWG_RASTER: "PWGRaster", URF: "URF",
    JPEG: "JPEG", "image/png": "PNG", "text/plain": "TXT",
}  # fmt: skip
# A supply whose kind and level are unknown, as PWG 5100.13, 5.5.28 writes it (level -2: unknown).
# IPP Everywhere asks for at least one.
_SUPPLY = (
    b"index=1;class=supplyThatIsConsumed;type=other;unit=percent;maxcapacity=100;level=-2;"
    b"colorantname=unknown;"
)


@dataclass(frozen=True, slots=True)
class PrinterUri:
    """A way to a printer: uri-security-supported is `tls` or `none`, and uri-authentication-
    supported is `basic`, `requesting-user-name` or `none` (RFC 8011, 5.4.2 and 5.4.3)."""

    uri: str
    security: str = "none"
    authentication: str = "requesting-user-name"


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """The service's facts about one of its printers.

    Attributes:
        uris: the printer's URIs; at least one.
        more_info: the URI of the printer's page.
        icons: URIs of PNG images of 48, 128 and 512 pixels.
        document_formats: the MIME types of documents that the printer takes, best first.
        dns_sd_name: the name on the network; empty for the printer's own name.
        strings_uri: the URI of the texts (`printer_strings`); empty if there is none.
        organization, unit: whose printer this is, for people.
        max_document_bytes: the largest document.
        pages_per_minute: the speed; the cloud does not know it.
    """

    uris: Sequence[PrinterUri]
    more_info: str
    icons: Sequence[str]
    document_formats: Sequence[str]
    dns_sd_name: str = ""
    strings_uri: str = ""
    organization: str = ""
    unit: str = ""
    operations: Sequence[Operation] = OPERATIONS
    which_jobs: Sequence[str] = WHICH_JOBS
    max_document_bytes: int = 2**31 - 1
    pages_per_minute: int = 20


def description(printer: OfferedPrinter, service: ServiceFacts) -> Described:
    """All attributes of a printer except those in STATE_ATTRIBUTES."""
    what = printer.capabilities
    template = offer_of(printer).template
    return {
        **_names(printer, service),
        **_strings(service),
        **_protocol(service),
        **_documents(what, service),
        **_abilities(printer, service),
        **{name: values for name, values in template.items() if name not in _left_out(template)},
        "job-creation-attributes-supported": _keywords(*_creation(template)),
    }


def _left_out(template: Described) -> Collection[str]:
    """The attributes that a client is better off without.

    If multiple-document-handling-supported lacks what a job asks for, CUPS sends one copy and
    expects its filters to make the others, but these leave all copies to the printer
    (cups/ppd-cache.c of CUPS 2.4.2, _cupsConvertOptions). Without the attribute, it sends copies.
    """
    handling = "multiple-document-handling"
    choices = template[f"{handling}-supported"]
    return {f"{handling}-default", f"{handling}-supported"} if len(choices) == 1 else ()


def select(attributes: Mapping[str, Sequence[Value]], requested: Collection[str]) -> Described:
    """The requested attributes of a printer.

    Args:
        requested: names of attributes or of their groups (RFC 8011, 4.2.5.1); empty for all.
            media-col-database is not in any group, so it comes only by its name (PWG 5100.11).
    """
    names = set(requested) or {"all"}
    return {
        name: values
        for name, values in attributes.items()
        if name in names or (name != _DATABASE and names & {"all", _group(name)})
    }


def _group(name: str) -> str:
    return "job-template" if is_job_template(name) else "printer-description"


def _keywords(*words: str) -> list[Value]:
    return [Keyword(word) for word in words]


def _text(text: str) -> list[Value]:
    return [Text(fitting(text, _TEXT_BYTES))]


def _creation(template: Described) -> list[str]:
    """The names of what a job may ask for."""
    of_jobs = {name.removesuffix("-supported") for name in template if name.endswith("-supported")}
    inside = {"finishing-template", "job-password-repertoire"} | {
        name for name in of_jobs if name.startswith("media-")
    }
    return sorted(
        of_jobs - inside
        | {"compression", "document-format", "document-name", "ipp-attribute-fidelity"}
        | {"job-mandatory-attributes", "job-name", "media-col"}
    )


def _names(printer: OfferedPrinter, service: ServiceFacts) -> Described:
    dns_sd_name = service.dns_sd_name or printer.info
    return {
        "printer-uri-supported": [Uri(each.uri) for each in service.uris],
        "uri-security-supported": _keywords(*(each.security for each in service.uris)),
        "uri-authentication-supported": _keywords(*(each.authentication for each in service.uris)),
        "printer-name": [Name(printer.name)],
        "printer-info": _text(printer.info),
        "printer-location": _text(printer.location),
        "printer-geo-location": [OutOfBand.UNKNOWN],
        "printer-make-and-model": _text(printer.make_and_model),
        "printer-device-id": [Text(_device_id(printer, service))],
        "printer-dns-sd-name": [Name(fitting(dns_sd_name, _LABEL_BYTES))],
        "printer-uuid": [Uri(printer.uuid)],
        "device-uuid": [Uri(printer.uuid)],
        "printer-more-info": [Uri(service.more_info)],
        "printer-icons": [Uri(icon) for icon in service.icons],
        "printer-organization": _text(service.organization),
        "printer-organizational-unit": _text(service.unit),
        "printer-supply": [_SUPPLY],
        "printer-supply-description": [Text("Supplies")],
        "printer-supply-info-uri": [Uri(service.more_info)],
        "printer-kind": _keywords(*_kinds(printer.capabilities)),
        "mopria-certified": [Text("1.3")],
    }


def _strings(service: ServiceFacts) -> Described:
    if not service.strings_uri:
        return {}
    return {
        "printer-strings-languages-supported": _languages(),
        "printer-strings-uri": [Uri(service.strings_uri)],
    }


def _languages() -> list[Value]:
    return list(map(Language, ("en", *LANGUAGES)))


def _device_id(printer: OfferedPrinter, service: ServiceFacts) -> str:
    """The printer's names and languages for drivers (IEEE 1284, 7.6)."""
    make, _, model = printer.make_and_model.partition(" ")
    known = (_COMMANDS[each] for each in service.document_formats if each in _COMMANDS)
    return f"MFG:{make};MDL:{model};CMD:{','.join(known)};"


def _kinds(what: Capabilities) -> list[str]:
    found = ["document"]
    if any(paper.is_envelope for paper in what.papers):
        found.append("envelope")
    return found


def _protocol(service: ServiceFacts) -> Described:
    return {
        "charset-configured": [Charset("utf-8")],
        "charset-supported": [Charset("utf-8"), Charset("us-ascii")],
        "natural-language-configured": [Language("en")],
        "generated-natural-language-supported": _languages(),
        "ipp-versions-supported": _keywords("1.1", "2.0"),
        "ipp-features-supported": _keywords("ipp-everywhere"),
        "operations-supported": list(map(EnumValue, service.operations)),
        "which-jobs-supported": _keywords(*service.which_jobs),
        "job-ids-supported": [True],
        "multiple-document-jobs-supported": [False],
        "multiple-operation-time-out": [OPERATION_WAIT_S],
        "multiple-operation-time-out-action": _keywords("process-job"),
        "preferred-attributes-supported": [False],
        "printer-get-attributes-supported": _keywords("document-format"),
        "job-mandatory-attributes-supported": [True],
        "identify-actions-default": _keywords("display"),
        "identify-actions-supported": _keywords("display"),
    }


def _documents(what: Capabilities, service: ServiceFacts) -> Described:
    formats = list(dict.fromkeys((*service.document_formats, ANY_FORMAT)))
    kilobytes = Range(0, max(1, service.max_document_bytes // 1024))
    found: Described = {
        "compression-supported": _keywords(*COMPRESSIONS),
        "document-format-default": [MimeType(ANY_FORMAT)],
        "document-format-preferred": [MimeType(formats[0])],
        "document-format-supported": list(map(MimeType, formats)),
        "job-k-octets-supported": [kilobytes],
        "pdl-override-supported": _keywords("attempted"),
    }
    if PDF in formats:
        found["document-password-supported"] = [0]  # of an encrypted PDF: none
        found["pdf-k-octets-supported"] = [kilobytes]
        found["pdf-versions-supported"] = _keywords(*_PDF_VERSIONS)
    if JPEG in formats:
        found["jpeg-k-octets-supported"] = [kilobytes]
        for side in ("x", "y"):
            found[f"jpeg-{side}-dimension-supported"] = [Range(1, 65535)]
    if PWG_RASTER in formats:
        found["pwg-raster-document-resolution-supported"] = RESOLUTIONS
        # the back sides of sheets come as they are to be read, as in PDF
        found["pwg-raster-document-sheet-back"] = _keywords("normal")
        found["pwg-raster-document-type-supported"] = _keywords(
            "sgray_8", *(["srgb_8"] if what.color else [])
        )
    if URF in formats:
        found["urf-supported"] = _keywords(*urf(what))
    return found


def urf(what: Capabilities) -> list[str]:
    """The abilities of a device in AirPrint's words, for urf-supported and for DNS-SD."""
    dots = "-".join(str(each.across) for each in RESOLUTIONS)
    found = ["V1.4", "CP1", "W8"]  # the pages have no number of copies (OpenPrinting/cups#126)
    if what.color:
        found.append("SRGB24")
    found.append(f"RS{dots}")
    if what.duplex:
        found.append("DM1")  # backs as they are to be read
    return found


def _abilities(printer: OfferedPrinter, service: ServiceFacts) -> Described:
    what = printer.capabilities
    found: Described = {
        "color-supported": [what.color],
        "pages-per-minute": [service.pages_per_minute],
        "landscape-orientation-requested-preferred": [EnumValue(4)],
    }
    if what.color:
        found["pages-per-minute-color"] = [service.pages_per_minute]
    return found
