"""A minimal server of the API, so that measurements show the clients.

lean_server.py FOLDER ADDRESS [CERTIFICATE KEY]: prints its port. Uploads are files in FOLDER; each
submit adds a line "file cmp" to FOLDER/submitted. Every job is delivered at once, except at the
location Away, where jobs stay submitted. Each location has DEVICES devices: d0, d1 and so on.

For rclone, the server also takes S3's multipart upload of one object, in parts of PART_BYTES.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

CHUNK = 256 * 1024
PART_BYTES = 8 << 20
DEVICES = 100
_S3 = "/bucket/"


class Api(asyncio.BufferedProtocol):
    """One connection: heads are parsed, and bodies go to their files as they arrive."""

    folder: Path
    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = memoryview(bytearray(CHUNK))
        self._head = bytearray()
        self._left = 0  # of the body
        self._body = bytearray()
        self._file: int | None = None
        self._at = 0

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = self._buffer[:nbytes]
        while data:
            data = data[self._take_body(data) :] if self._left else self._take_head(data)

    def _take_head(self, data: memoryview) -> memoryview:
        before = len(self._head)
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return data[len(data) :]
        lines = self._head[:end].decode("latin-1").split("\r\n")
        self._method, target, _ = lines[0].split(" ", 2)
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        self._head.clear()
        self._url = urlsplit(target)
        self._query = {k: v[0] for k, v in parse_qs(self._url.query).items()}
        if part := self._query.get("partNumber"):
            index = (int(part) - 1) * PART_BYTES
            self._query |= {"file": self._query["uploadId"], "index": str(index)}
        self._left = self._size = int(headers.get("content-length", "0"))
        if headers.get("expect") == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._method == "PUT":
            name = self._query.get("file") or self._new_name()
            self._query["file"] = name
            self._file = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT)
            self._at = int(self._query.get("index", "0"))
        if not self._left:
            self._answer()
        return data[end + 4 - before :]

    def _take_body(self, data: memoryview) -> int:
        part = data[: self._left]
        if self._file is None:
            self._body += part
        else:
            os.pwrite(self._file, part, self._at)
            self._at += len(part)
        self._left -= len(part)
        if not self._left:
            self._answer()
        return len(part)

    def _new_name(self) -> str:
        Api.count += 1
        return f"f{Api.count}"

    def _answer(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        form = {k: v[0] for k, v in parse_qs(self._body.decode()).items()} | self._query
        self._body.clear()
        verb = self._url.path.removeprefix("/api/").partition("/")[0]
        if self._url.path.startswith(_S3):
            text = self._s3_answer()
        elif verb == "tempfile":
            text = self._new_name()
        elif verb == "putsegment":
            text = str(self._size)
        elif verb == "version":
            text = "1\n1\n1\n1"
        elif verb == "get" and "/location/" in self._url.path:
            devices = {f"d{number}": {"Name": f"D{number}"} for number in range(DEVICES)}
            text = json.dumps({"Name": "Office", "Devices": devices})
        elif verb == "get":
            text = '{"State": 0}' if "/Away/" in self._url.path else '{"State": 2}'
        else:
            self._note(form["file"], form.get("cmp", "0"))
            text = f"20260101000000-{form['file'][1:]}"
        # S3 has an ETag
        head = f'HTTP/1.1 200 OK\r\nETag: "0"\r\nContent-Length: {len(text)}\r\n\r\n'
        self._transport.write((head + text).encode())

    def _s3_answer(self) -> str:
        """Answer a request of S3's CreateMultipartUpload, UploadPart, CompleteMultipartUpload."""
        if self._method == "PUT":
            return ""
        if upload := self._query.get("uploadId"):
            self._note(upload, "0")
            return "<CompleteMultipartUploadResult><ETag>0</ETag></CompleteMultipartUploadResult>"
        upload = f"<UploadId>{self._new_name()}</UploadId>"
        return f"<InitiateMultipartUploadResult>{upload}</InitiateMultipartUploadResult>"

    def _note(self, name: str, compression: str) -> None:
        with (self.folder / "submitted").open("a") as submitted:
            submitted.write(f"{name} {compression}\n")


async def main(folder: Path, address: str, *tls: str) -> None:
    """Serve until killed."""
    Api.folder = folder
    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*tls)
    server = await asyncio.get_running_loop().create_server(Api, address, 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
