"""A PDF file of one page, byte by byte: small, without metadata, and the same each time."""

from __future__ import annotations


def one_page_pdf(
    content: bytes, kind: str, resource: bytes, size: tuple[float, float] = (595, 842)
) -> bytes:
    """A PDF of one page, by default in the size A4.

    Args:
        content: the page's content stream.
        kind: the kind of its only resource, such as `Font`; the stream uses the resource as F1.
        resource: the object of the resource.
        size: in points.
    """
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents 4 0 R"
        b"/Resources<</%b<</F1 5 0 R>>>>>>" % (*size, kind.encode()),
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        resource,
    ]
    data, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 6\n0000000000 65535 f \n"
    end = b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(data)
    return data + head + table + end
