"""Removal of expired uploads, old documents and leftovers of a crash."""

from __future__ import annotations

from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.storage.documents import Documents
from cirrus_cloudlet.storage.previews import Previews
from cirrus_cloudlet.storage.uploads import Uploads

_HOUR_S = 3600.0
_DAY_S = 24 * _HOUR_S


def remove_leftovers(uploads: Uploads, documents: Documents, previews: Previews) -> None:
    """Remove files that no row names; call this only before the first request."""
    uploads.sweep()
    documents.sweep()
    previews.sweep(everything=True)


def remove_old(
    inventory: InventoryFile, uploads: Uploads, documents: Documents, previews: Previews
) -> None:
    """Remove expired uploads and documents; safe at any time."""
    limits = inventory.current().limits
    uploads.expire(limits.upload_hours * _HOUR_S)
    documents.prune(limits.document_days * _DAY_S)
    previews.sweep()
