"""Printing a file from the page, by forms as browsers send them."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudlet_server import CloudletServer
from curl import Answer, Curl
from paths import WELCOME
from visitor import Visitor

PATH = "/print/Office/Folder"


def _person(server: CloudletServer, name: str, *arguments: str, company: str = "ACME") -> Visitor:
    visitor = Visitor(server.url)
    password = server.cli("account", "add", name, "--company", company, *arguments)
    assert visitor.sign_in(name, password).status == 303
    return visitor


def _print(
    visitor: Visitor, file: Path, *options: str, path: str = PATH, token: str | None = None
) -> Answer:
    fields = ("-F", f"token={visitor.token if token is None else token}")
    return visitor.get(path, *fields, *options, "-F", f"file=@{file}")


def _job(server: CloudletServer, answer: Answer) -> str:
    assert answer.status == 303, answer.text
    return answer.headers["location"].removeprefix("/jobs/")


@pytest.fixture(scope="module")
def anna(shared: CloudletServer) -> Iterator[Visitor]:
    """A person of ACME."""
    visitor = _person(shared, "anna of the page")
    shared.cli("device", "add", "ACME/Office/MFP", "--kind", "color-mfp", "--name", "Copier")
    yield visitor


def test_a_file_is_printed(shared: CloudletServer, anna: Visitor) -> None:
    """The file arrives as it is, with its name as the title and the person as the owner."""
    done = _job(shared, _print(anna, WELCOME, "-F", "copies=2"))
    job = shared.wait_for_job(done, 2)
    assert job["title"] == WELCOME.name
    assert job["props"] == {"copies": "2", "job-originating-user-name": "anna of the page"}
    assert Path(job["delivered_path"]).read_bytes() == WELCOME.read_bytes()
    assert anna.get(f"/jobs/{done}").status == 200


def test_a_form_that_is_sent_again(shared: CloudletServer, anna: Visitor, tmp_path: Path) -> None:
    """A form whose response was lost prints once; another file, choice or form is another job."""
    file, other = tmp_path / "plan.pdf", tmp_path / "other" / "plan.pdf"
    other.parent.mkdir()
    file.write_bytes(b"%PDF-1.4 one")
    other.write_bytes(b"%PDF-1.4 two")
    (form,) = re.findall(r'name="form" value="([^"]+)"', anna.get(PATH).text)
    same = ("-F", f"form={form}")
    job_id = _job(shared, _print(anna, file, *same))
    assert _job(shared, _print(anna, file, *same)) == job_id
    (next_form,) = re.findall(r'name="form" value="([^"]+)"', anna.get(PATH).text)
    others = [
        _job(shared, _print(anna, other, *same)),
        _job(shared, _print(anna, file, *same, "-F", "copies=2")),
        _job(shared, _print(anna, file, "-F", f"form={next_form}")),
    ]
    assert len({job_id, *others}) == 4


def test_large_files(shared: CloudletServer, anna: Visitor, tmp_path: Path) -> None:
    """A large file, with what looks like the end of the form in it, arrives as it is."""
    large = tmp_path / "large.pdf"
    large.write_bytes(b"%PDF-1.4\r\n--\r\n-----" + bytes(range(256)) * 40_000)
    job = shared.wait_for_job(_job(shared, _print(anna, large)), 2)
    assert Path(job["delivered_path"]).read_bytes() == large.read_bytes()


def test_what_the_device_has(shared: CloudletServer, anna: Visitor) -> None:
    """The form of a device offers what the inventory says of the device, and no more."""
    page = anna.get("/print/Office/MFP").text
    assert "<h2><bdi>Copier</bdi>" in page
    for text in ("two-sided, short edge", "Bypass Tray", "B4 (JIS)", "gray"):
        assert text in page
    options = ("duplex=2", "color=1", "size=B4 (JIS)", "tray=Bypass Tray", "copies=3")
    chosen = [part for each in options for part in ("-F", each)]
    job = shared.wait_for_job(
        _job(shared, _print(anna, WELCOME, *chosen, path="/print/Office/MFP")), 2
    )
    assert {name: job["props"][name] for name in ("duplex", "color", "size", "tray", "copies")} == {
        "duplex": "2", "color": "1", "size": "B4 (JIS)", "tray": "Bypass Tray", "copies": "3",
    }  # fmt: skip
    assert "<select" not in anna.get(PATH).text
    for odd in ("tray=Tray 9", "tray=Tray 1\ncopies=9", "color=3", "copies=100", "copies=0",
                "copies=²"):  # fmt: skip
        refused = _print(anna, WELCOME, "-F", odd, path="/print/Office/MFP")
        assert refused.status == 400 and 'id="problem">' in refused.text
    assert _print(anna, WELCOME, "-F", "duplex=2").status == 400


def _problem(answer: Answer) -> str:
    found = re.search('id="problem">([^<]*)<', answer.text)
    assert found
    return found[1]


def test_refused_files(shared: CloudletServer, anna: Visitor, tmp_path: Path) -> None:
    """A person reads in one sentence why a file is not printed, in the page's language."""
    before = len(shared.jobs())
    text, empty = tmp_path / "a.txt", tmp_path / "empty.pdf"
    text.write_text("a text\n")
    empty.touch()
    refused = _print(anna, text, path="/print/Office/PDF%20only")
    assert refused.status == 400
    assert _problem(refused) == "\u2068PDF only\u2069 takes pdf, but this file is txt."
    german = _print(anna, text, "-H", "Accept-Language: de", path="/print/Office/PDF%20only")
    assert _problem(german) == "\u2068PDF only\u2069 nimmt pdf an, aber diese Datei ist txt."
    assert _problem(_print(anna, empty)) == "The file is empty. Choose another file."
    unchosen = Path(f'{empty};filename=""')
    assert _problem(_print(anna, unchosen)) == "Choose a file."
    assert _print(anna, text, path="/print/Office/None").status == 404
    assert _print(anna, text, path="/print/Nowhere/Folder").status == 404
    assert len(shared.jobs()) == before


def test_limits(own: CloudletServer, tmp_path: Path) -> None:
    """A file above the limit or the quota is refused, as by the API, and leaves nothing behind."""
    inventory = own.data / "cloudlet.toml"
    limits = "[limits]\ndocument_bytes = 1_000_000\ncompany_bytes = 4_000_000\n"
    inventory.write_text(limits + inventory.read_text())
    anna = _person(own, "anna")
    large = tmp_path / "large.pdf"
    large.write_bytes(b"%PDF-1.4" + b"x" * 2_000_000)
    for options in ((), ("-H", "Transfer-Encoding: chunked")):
        answer = _print(anna, large, *options)
        assert answer.status == 413
        assert _problem(answer) == "The file is too large. The limit is 1.0 MB."
    own.cli("location", "offline", "Office")
    small = tmp_path / "small.pdf"
    small.write_bytes(b"%PDF-1.4" + b"x" * 900_000)
    answers = [_print(anna, small) for _ in range(4)]
    assert [answer.status for answer in answers] == [303, 429, 429, 429]
    assert _problem(answers[-1]).startswith("There is no room for more files now.")
    assert not list((own.data / "uploads").iterdir())
    assert Curl(own.url, own.key).submit(targets="Office:Folder")  # keys have their own half


def test_a_device_that_holds(own: CloudletServer) -> None:
    """A job from the page waits for its owner's release, too."""
    own.cli("location", "hold", "ACME/Office")
    anna = _person(own, "anna")
    assert "until you release it" in anna.get(PATH).text
    job = _job(own, _print(anna, WELCOME))
    assert own.jobs()[0]["held_for"] == "anna"
    assert anna.post(f"/jobs/{job}/release").status == 303
    own.wait_for_job(job, 2)


def test_which_devices(own: CloudletServer) -> None:
    """People print to the active devices of their company; location accounts to their own."""
    own.cli("location", "add", "ACME/Anna", "--browser")
    anna, mailbox = _person(own, "anna"), _person(own, "mailbox", "--location", "ACME/Anna")
    assert 'href="/print/Office/Folder"' in anna.get("/print").text
    assert 'href="/print/Anna/browser"' in anna.get("/print").text
    assert "There is no device" in mailbox.get("/print").text
    assert mailbox.get("/print/Anna/browser").status == 404
    assert mailbox.get(PATH).status == 404
    assert _print(mailbox, WELCOME).status == 404
    own.cli("device", "disable", "Anna/browser")
    assert anna.get("/print").headers["location"] == PATH
    own.cli("location", "disable", "Office")
    assert anna.get(PATH).status == 404


def test_malformed_forms(shared: CloudletServer, anna: Visitor, tmp_path: Path) -> None:
    """A form that is damaged, cut short or of another kind prints nothing."""
    before = len(shared.jobs())
    head = f'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\n{anna.token}\r\n'
    file = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n%PDF\r\n'
    field = '--b\r\nContent-Disposition: form-data; name="copies"\r\n\r\n{}\r\n'
    kind = "Content-Type: multipart/form-data; boundary=b"
    body = tmp_path / "body"
    for text, header, status in (
        (head + file, kind, 400),
        (head + file + field.format(2) + "--b--\r\n", kind, 400),
        (head + head + file + "--b--\r\n", kind, 400),
        (head + file + file + "--b--\r\n", kind, 400),
        (head + field.format("9" * 2000) + file + "--b--\r\n", kind, 400),
        (head + "".join(field.replace("copies", f"x{n}").format(1) for n in range(40)), kind, 400),
        (head + "--b--\r\n", kind, 400),
        ("", kind, 400),
        (head + file + "--b--\r\n", "Content-Type: multipart/form-data", 400),
        (head + file + "--b--\r\n", "Content-Type: text/plain", 415),
        (f"token={anna.token}", "Content-Type: application/x-www-form-urlencoded", 415),
    ):
        body.write_bytes(text.encode())
        answer = anna.get(PATH, "-X", "POST", "-H", header, "--data-binary", f"@{body}")
        assert answer.status == status, text
    assert len(shared.jobs()) == before
    assert "Traceback" not in shared.log_text


@pytest.mark.attacker("page account")
def test_forms_of_other_sites(shared: CloudletServer, anna: Visitor) -> None:
    """Have a person's browser print a file, by a form of another site or with a token of another
    session: nothing is printed, and nothing of the file is kept."""
    before = len(shared.jobs())
    uploads = set((shared.data / "uploads").iterdir())  # of other tests
    for said in ("Origin: http://evil.example", "Sec-Fetch-Site: cross-site"):
        assert _print(anna, WELCOME, "-H", said).status == 403
    other = _person(shared, "another")
    for token in ("", "wrong", other.token):
        assert _print(anna, WELCOME, token=token).status == 403
    late = anna.get(PATH, "-F", f"file=@{WELCOME}", "-F", f"token={anna.token}")
    assert late.status == 403
    assert len(shared.jobs()) == before
    assert set((shared.data / "uploads").iterdir()) <= uploads
    assert Curl(shared.url, shared.key).run(PATH, "-F", f"file=@{WELCOME}").status == 303
    assert len(shared.jobs()) == before


def test_a_cancelled_upload(own: CloudletServer) -> None:
    """A connection that ends during an upload leaves no file, and the quota is free again."""
    anna = _person(own, "anna")
    head = (
        f'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\n{anna.token}\r\n--b\r\n'
        'Content-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
    )
    request = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{own.port}\r\nCookie: {anna.cookie}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", own.port)) as client:
        client.sendall((request + head).encode() + b"x" * 2_000_000)
    _job(own, _print(anna, WELCOME))
    assert not [path for path in (own.data / "uploads").iterdir() if path.stat().st_size]
    assert len(own.jobs()) == 1
