"""One API request: its path and fields decoded strictly, and who makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_to_bytes

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from cirrus_cloudlet.faults import StructuralFault
from cirrus_cloudlet.sites import Sites
from cirrus_cloudlet.store import Store
from cirrus_cloudlet.uploads import Uploads

FORM_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Cloud:
    """What the endpoints work on."""

    sites: Sites
    store: Store
    uploads: Uploads


@dataclass(frozen=True)
class Caller:
    """Who asks: the key's name, and the company that the request is about."""

    key: str
    company: str


class Call:
    """One API request: its path, its fields of query and form, and who makes it."""

    def __init__(self, request: Request, cloud: Cloud) -> None:
        self.request = request
        self.cloud = cloud
        self.query = _decoded(request.url.query)
        self.fields: Mapping[str, str] = self.query
        path = request.scope["raw_path"].partition(b"?")[0]
        self.path = [_text(unquote_to_bytes(part)) for part in path.split(b"/")[2:]]

    async def read_form(self) -> None:
        """Add the fields of an urlencoded body to those of the query."""
        body = b""
        async for chunk in self.request.stream():
            body += chunk
            if len(body) > FORM_BYTES:
                raise StructuralFault(413, "the form is too large")
        if body:
            self.fields = {**self.query, **_decoded(body.decode("ascii", "replace"))}

    async def caller(self, company: str | None = None) -> Caller:
        """Check the key; `company` is the one that the path names.

        Raises:
            StructuralFault: 401 without a valid key, 403 for another company, 400 without any.
        """
        scheme, _, key = self.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise StructuralFault(401, "an API key is needed: Authorization: Bearer KEY")
        entry = await run_in_threadpool(self.cloud.store.find_key, key.strip())
        if entry is None:
            raise StructuralFault(401, "the API key is not valid")
        wanted = company or self.fields.get("compid") or entry["company"]
        if wanted is None:
            raise StructuralFault(400, "compid is missing, and the API key is bound to no company")
        if entry["company"] not in (None, wanted):
            raise StructuralFault(403, f"the API key is not for company '{wanted}'")
        return Caller(entry["name"], wanted)

    def need(self, name: str) -> str:
        """A parameter that must be there."""
        if not self.fields.get(name):
            raise StructuralFault(400, f"{name} is missing")
        return self.fields[name]


def _decoded(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", encoding="utf-8")
    except ValueError:
        raise StructuralFault(400, "a parameter is not UTF-8") from None
    return dict(pairs)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise StructuralFault(400, "the path is not UTF-8") from None
