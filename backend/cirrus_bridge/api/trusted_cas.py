"""The CAs that may have issued a server's certificate.

OpenSSL parses every CA of a file at once, 145 CAs in 60 ms. From a hashed folder, it reads only the
CA that it needs (openssl-rehash(1)). Debian's update-ca-certificates(8) and Fedora's
update-ca-trust(8) write both, but not every folder is hashed, and people add CAs to one of them.
"""

from __future__ import annotations

import contextlib
import os
import re
import ssl
from pathlib import Path

from cirrus_bridge.config.servers import Server

_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"  # if OpenSSL's own file is missing
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END"  # RFC 7468


def trusted_cas(server: Server, paths: ssl.DefaultVerifyPaths | None = None) -> str | bool:
    """The file or folder of the CAs for a server: `ca_file`, or the CAs of this machine, to which
    administrators add their own. If the machine has none, the result is True, and requests uses the
    CAs of certifi. `paths` are OpenSSL's own, unless they are given."""
    return server.ca_file or _cas_of_machine(paths or ssl.get_default_verify_paths())


def _cas_of_machine(paths: ssl.DefaultVerifyPaths) -> str | bool:
    file = next((path for path in (paths.cafile, _BUNDLE) if path and Path(path).exists()), "")
    if file and os.environ.get(paths.openssl_cafile_env):
        return file  # an administrator may trust less than the machine's CAs
    in_folder = _hashed_cas(paths.capath)
    if paths.capath and in_folder and (not file or _cas(file) <= in_folder):
        return paths.capath
    return file or True


def _hashed_cas(folder: str | None) -> set[bytes]:
    """The CAs that OpenSSL finds in a folder. It looks for the hash of one CA in a file's name."""
    with contextlib.suppress(OSError), os.scandir(folder or "") as entries:
        files = [_cas(entry.path) for entry in entries if _HASHED.fullmatch(entry.name)]
        return {ca for cas in files if len(cas) == 1 for ca in cas}
    return set()


def _cas(file: str) -> set[bytes]:
    """The certificates of a PEM file, without the text between them. A link may have no target."""
    with contextlib.suppress(OSError), open(file, "rb") as opened:  # noqa: PTH123 - many files
        return {part.partition(_END)[0] for part in opened.read().split(_BEGIN)[1:]}
    return set()
