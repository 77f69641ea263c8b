"""A form with a file (RFC 7578), read while it arrives. The file is its last part."""

from __future__ import annotations

from collections.abc import AsyncIterator

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from cirrus_cloudlet.api.call import Call
from cirrus_cloudlet.compression import Compression
from cirrus_cloudlet.errors import RequestFault
from cirrus_cloudlet.translation import tr

MORE_BYTES = 64 * 1024  # of the form, besides its file
_FIELD_BYTES = 1024
_FIELDS = 16
_FILE = "file"


class FileForm:
    """The form of a request.

    Attributes:
        fields: the values of the fields before the file; of its parts, only these are kept.
        file_name: as the browser sent it.
        announced_bytes: the size of the whole form; 0 if it is not known.

    Raises:
        RequestFault: the body is no form with files.
    """

    def __init__(self, call: Call) -> None:
        kind, options = parse_options_header(call.headers.get("content-type", ""))
        if kind != "multipart/form-data" or call.content_coding() is not Compression.NONE:
            raise RequestFault(415, tr("Use this server's page to send this form."))
        self.fields: dict[str, str] = {}
        self.file_name = ""
        self.announced_bytes = int(call.headers.get("content-length") or 0)
        self._call = call
        self._field: tuple[str, bytearray] | None = None
        try:
            self._parser = PushMultipartParser(
                options.get("boundary", ""), max_segment_count=_FIELDS, strict=True
            )
        except MultipartError as error:
            raise _malformed() from error

    async def file(self) -> AsyncIterator[bytes | bytearray]:
        """Yield the pieces of the file; the fields are known before the first piece.

        Raises:
            RequestFault: the form is malformed or not complete, or a field is too long.
        """
        try:
            async for chunk in self._call.stream():
                if not chunk:
                    continue
                for event in self._parser.parse(chunk):
                    piece = self._take(event)
                    if piece:
                        yield piece
            self._parser.close()
        except MultipartError as error:
            raise _malformed() from error

    def _take(self, event: MultipartSegment | bytes | bytearray | None) -> bytes | bytearray | None:
        """Handle an event of the parser; return it if it is a piece of the file."""
        if isinstance(event, MultipartSegment):
            self._begin(event.name or "", event.filename)
        elif event is None:
            self._end()
        elif self._field is None:
            return event
        else:
            self._field[1].extend(event)
            if len(self._field[1]) > _FIELD_BYTES:
                raise RequestFault(400, tr("A field of the form is too long."))
        return None

    def _begin(self, name: str, file_name: str | None) -> None:
        if _FILE in self.fields or name in self.fields:
            raise _malformed()  # a part behind the file, or twice
        if name == _FILE:
            self.file_name = file_name or ""
            self.fields[_FILE] = ""
            self._field = None
        else:
            self._field = (name, bytearray())

    def _end(self) -> None:
        if self._field is None:
            return
        name, value = self._field
        try:
            self.fields[name] = value.decode()
        except UnicodeDecodeError as error:
            raise _malformed() from error


def _malformed() -> RequestFault:
    return RequestFault(400, tr("The form arrived incomplete. Send it again."))
