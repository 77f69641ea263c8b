"""Everything that can go wrong, as one tree of classes.

    CirrusError
    ├── UsageError              CB-101  the program has wrong arguments
    ├── QueueError                      the queue can print nothing until an administrator acts
    │   ├── BadQueueUri         CB-201
    │   ├── BadConfiguration    CB-202
    │   ├── ExposedKey          CB-203
    │   └── UnknownServer       CB-204
    ├── BadOption               CB-301
    ├── EmptyDocument           CB-302
    ├── UnreadableDocument      CB-303
    ├── JoinedDocuments         CB-304
    ├── BadDocument             CB-305  the document is damaged, protected or too large
    ├── NoUsableFormat          CB-306  the device takes nothing that can be made from the document
    ├── ApiError
    │   ├── Definitive                  the same request gets the same answer
    │   │   ├── Refused         CB-401
    │   │   ├── KeyRefused      CB-402
    │   │   ├── NotPermitted    CB-404
    │   │   ├── ServerMisconfigured CB-405
    │   │   └── TooLarge        CB-406
    │   ├── Retryable                   nothing was accepted: asking again is safe
    │   │   ├── UnexpectedAnswer CB-403
    │   │   ├── Unreachable     CB-411
    │   │   ├── NotTrusted      CB-412
    │   │   ├── ServerFault     CB-413
    │   │   ├── ShortSegment    CB-414
    │   │   └── WrongUser       CB-415
    │   └── SubmitUnanswered    CB-421  ambiguous: the server may or may not have the job
    │       └── RepeatedId      CB-422  the server gave the job an id that another job has
    ├── ServerAway              CB-431  `contimeout` is over
    ├── WaitsForServer          CB-434  the job is held until its server works again
    ├── TryOtherMember          CB-432  the job came through a class that may have other members
    ├── SubmitDropped           CB-433  an ambiguous submit of a queue with onambiguous=drop
    ├── JournalError            CB-501
    │   ├── JournalBusy         CB-502
    │   ├── JournalReplaced     CB-503
    │   ├── JournalDamaged      CB-504
    │   └── JournalNewer        CB-506  a newer version of this program has written the journal
    ├── JobForgotten            CB-505  the job is older than the journal
    ├── JobUnidentified         CB-511  cupsd does not identify the job
    ├── Interrupted             CB-601  a signal asked the program to stop
    │   └── TimeIsOver          CB-604  CUPS would soon cancel the job; the job runs again
    ├── ProgramRemoved          CB-606  Cirrus Bridge is being removed from this machine
    ├── UploadNeverEnds         CB-605  the upload starts over in each run
    ├── StartOver               CB-602  an earlier run's upload cannot be continued
    ├── KeepsBreaking           CB-603  the runs were killed one after the other
    ├── DeliveryEnded           CB-701  the cloud ended the job without delivering it
    ├── DeliveryUnknown         CB-702  the server no longer has a record of the job
    ├── StatusMismatch          CB-703  the server's job is not the document that was sent
    ├── DeliveryFailing         CB-704  the location has the job and reports an error
    ├── CupsAway                CB-711  the local cupsd does not answer
    ├── CupsRefused             CB-712  the local cupsd refuses a request
    │   ├── CupsGone            CB-713  cupsd has no such job or queue
    │   └── CupsNotPossible     CB-714  the job's state does not allow it
    └── InternalError           CB-900  a fault of Cirrus Bridge

The line of a class says what all its errors share, and its base has what the line leaves out. Under
`code`, `cirrusctl explain` and cirrus-bridge-codes(7) have `title` and `advice`, which are parts of
sentences, and `meaning`. None of them says what becomes of the job: `explain` adds that, and only
the disposition decides it. They are plain literals: `explain` lays them out and translates them, so
they add no time to a job's start.
"""

from __future__ import annotations

import enum
from typing import ClassVar

from cirrus_bridge.base.distrust import Distrust
from cirrus_bridge.base.text import one_line
from cirrus_bridge.base.translation import changed, joined, tr


class Disposition(enum.Enum):
    """The fate of the job. `cups/status_lines` gives each member an exit code of backend(7). A job
    that waits (`WAIT`) is retried or held for a while, and continues without a person's help."""

    DONE = "done"
    FAIL = "fail"
    HOLD = "hold"
    STOP_QUEUE = "stop-queue"
    CANCEL = "cancel"
    WAIT = "wait"
    RETRY_LATER = "retry-later"
    RUN_AGAIN = "run-again"


class Kind(enum.Enum):
    """The kinds of faults, by what ends them."""

    CONFIGURATION = "configuration"
    """An administrator's action, here or at the server. Until then, other jobs fail as well."""
    JOB = "job"
    """A decision about this job. Other jobs are not affected."""
    PASSING = "passing"
    """Time. The same request works later."""


class CirrusError(Exception):
    """The root of the tree. `str(error)` is English, for logs. No text contains a key.

    An error has two readers. The administrator reads `text`: what happened (`message`) and what to
    do (`hint`), and `detail` in the log. The person who printed reads `for_person` on the job: what
    happened and whom to tell, without paths, commands and names of services. This is `person` of
    the class, which may quote `{message}`; without it, `text` is for both readers. A caller may
    replace it (`told_to_person`), and add `consequence`, one more sentence for both, and
    `afterwards`, one more step for the administrator. All these texts are made by `translation.tr`.
    """

    code: ClassVar[str] = ""
    kind: ClassVar[Kind] = Kind.JOB
    disposition: ClassVar[Disposition] = Disposition.HOLD
    person: ClassVar[str] = ""
    title: ClassVar[str] = ""
    advice: ClassVar[str] = ""
    meaning: ClassVar[str] = ""

    def __init_subclass__(
        cls, code: str = "", kind: Kind | None = None, disposition: Disposition | None = None
    ) -> None:
        cls.code = code or cls.code
        cls.kind = kind or cls.kind
        cls.disposition = disposition or cls.disposition

    def __init__(self, message: str, hint: str = "", *, detail: str = "") -> None:
        self.message = changed(message, one_line)  # may quote a stranger's text
        self.hint = changed(hint, one_line)
        self.detail = one_line(detail)
        self.consequence = ""
        self.afterwards = ""
        self.told_to_person = ""
        super().__init__(self.text)

    @property
    def text(self) -> str:
        """The message and the hint, for the administrator."""
        return joined(" ", (self.message, self.hint)) if self.hint else self.message

    @property
    def for_person(self) -> str:
        """The text for the person who printed, without the consequence and the code."""
        if self.told_to_person or not self.person:
            return self.told_to_person or self.text
        return tr(self.person, message=self.message)


NOT_SET_UP = "This printer is not set up correctly. Tell your administrator."
BUSY = "The print system of this computer is busy. The job is held and continues by itself."


class UsageError(CirrusError, code="CB-101", kind=Kind.CONFIGURATION, disposition=Disposition.FAIL):
    person = NOT_SET_UP
    title = "called with wrong arguments"
    advice = "run `cirrus JOB-ID USER TITLE COPIES OPTIONS [FILE]`"
    meaning = """Only a run by hand ends with this error. CUPS itself always gives the right
    arguments."""


class QueueError(CirrusError, kind=Kind.CONFIGURATION, disposition=Disposition.STOP_QUEUE):
    """A fault of the queue's configuration. Each job would fail, so jobs stay pending."""

    person = NOT_SET_UP


class BadQueueUri(QueueError, code="CB-201"):
    title = "the queue's URI is wrong"
    advice = "correct it with `lpadmin -v`, then `cupsenable`"
    meaning = """The message names the part of the URI that is wrong. `cirrusctl queues` shows the
    URI."""


class BadConfiguration(QueueError, code="CB-202"):
    title = "a configuration file cannot be read, or contains a mistake"
    advice = "correct the file that the message names, then `cupsenable`"
    meaning = """The message names the file, the table and the setting. Each job reads bridge.toml,
    and the files of servers.d that name its server. Other queues print."""


class ExposedKey(QueueError, code="CB-203"):
    title = "others can read a file that holds a key"
    advice = "`chmod 600` the file, replace the key if others may have read it, then `cupsenable`"
    meaning = """Keys belong in files that root owns and that have mode 0600. Anyone who could read
    the file may know the key. Ask the server's administrator for a new key."""


class UnknownServer(QueueError, code="CB-204"):
    title = "no `[[server]]` entry for the queue's host and company"
    advice = "add one, then `cupsenable`"
    meaning = """Host and company of the queue's URI must be those of an entry, with the same port.
    `cirrusctl servers` lists the entries."""


class BadOption(CirrusError, code="CB-301"):
    title = "an option has a value that no prop can carry"
    advice = "print again with another value"
    meaning = "The message names the option. Line breaks and `;` cannot be sent to the cloud."


class EmptyDocument(CirrusError, code="CB-302"):
    title = "the document is empty"
    advice = """check the page range, and print the document again; look for a failed filter in the
    error log"""
    meaning = """The application or a filter of CUPS produced no data, so there is nothing to send.
    The document may have none of the pages that the job asks for (`lp -P`).
    `grep 'Job N]' /var/log/cups/error_log` shows the messages of the filters."""


class UnreadableDocument(CirrusError, code="CB-303"):
    title = "the spool file cannot be read to its end"
    advice = "release the job, or print again"
    meaning = """The disk of the spool is broken, or somebody has removed the job's file. The spool
    is that of CUPS or, for printers without drivers, that of cirrus-printers."""


class JoinedDocuments(CirrusError, code="CB-304"):
    title = """CUPS joined several files or copies of a format that cannot be joined, on a queue
    without a driver"""
    advice = "print them one by one; or give the queue the driver, and release or restart the job"
    meaning = """CUPS can join plain text, PostScript and PCL. Any other format, such as PDF or
    JPEG, is refused. With the driver, the queue prints each file separately, and the device makes
    the copies."""


class BadDocument(CirrusError, code="CB-305", disposition=Disposition.FAIL):
    title = """the document is damaged, protected, too large, or not in the format that the
    application named"""
    advice = "print the document from another application, in parts, or as PDF"
    meaning = """The message says what is wrong with the document, and the log of cirrus-printers
    has the details. Documents that need a password cannot be printed."""


class NoUsableFormat(CirrusError, code="CB-306", kind=Kind.CONFIGURATION):
    person = NOT_SET_UP
    title = "the device takes no format that can be made from the document"
    advice = """install what the message names, or have the device's formats corrected; then release
    the job"""
    meaning = """The device was offered as a printer without a driver when the job came. Since then,
    the device's formats have changed, or pdftops and ghostscript, which make PostScript, were
    removed. `cirrusctl printers` shows why a device is not offered."""


class ApiError(CirrusError):
    """A failed exchange with the server."""


class Definitive(ApiError):
    """A fault for which the same request gets the same answer until somebody acts."""


class Refused(Definitive, code="CB-401"):
    """A refusal; `of_format` if the device does not take the document's format."""

    of_format = False
    person = "{message} Tell your administrator."
    title = "the server refused the request; the message quotes the server"
    advice = """fix what the message reports (for an unknown location or device: `lpadmin -v`), then
    release the job"""
    meaning = """Often the location or device in the queue's URI does not exist or is not active.
    `cirrusctl devices` lists the devices of the server."""


class KeyRefused(Definitive, code="CB-402", kind=Kind.CONFIGURATION):
    person = "The print server did not accept this printer's key. Tell your administrator."
    title = "the server refused the key"
    advice = "put a valid key into servers.d"
    meaning = """The server answered 401. The key may have been revoked or mistyped. `cirrusctl
    servers` tries each key."""


class NotPermitted(Definitive, code="CB-404", kind=Kind.CONFIGURATION):
    person = "The print server does not allow this printer to print. Tell your administrator."
    title = "the key is valid, but does not permit this request"
    advice = """ask the server's administrator to grant the right, or correct the queue's company
    and target (`lpadmin -v`)"""
    meaning = """The server answered 403. The key may belong to another company, or may not be valid
    for this location or device. `cirrusctl doctor` tries each location."""


class ServerMisconfigured(Definitive, code="CB-405", kind=Kind.CONFIGURATION):
    """A fault of the connection to the server; `distrust` is the reason if TLS failed."""

    distrust: Distrust | None = None
    person = "The connection to the print server is not set up correctly. Tell your administrator."
    title = "the connection to the server is misconfigured (port, certificate, proxy or address)"
    advice = "follow the advice in the message"
    meaning = """The port may not speak TLS, or the certificate may be for another name or from an
    unknown CA. The server may require a client certificate or redirect to another host. The proxy
    may refuse the connection. Waiting does not help. `cirrusctl doctor` checks name, port, proxy
    and TLS in turn."""


class TooLarge(Definitive, code="CB-406"):
    person = (
        "The document is too large for the print server. Print it in parts, or tell your "
        "administrator."
    )
    title = "the server, or a proxy in front of it, does not accept requests of this size"
    advice = """have the size limit raised, or lower `segment_bytes` in bridge.toml; then release
    the job"""
    meaning = """The server answered 413 or 414. Segments that are too large are sent again in
    smaller pieces, down to 64 KiB. If even these pieces are refused, the whole document may be
    larger than the server allows."""


class Retryable(ApiError, kind=Kind.PASSING, disposition=Disposition.WAIT):
    """A fault in which the server accepted nothing, so the request can be made again after
    `retry_after_s`, which is from `Retry-After` (RFC 9110, 10.2.3), or None."""

    def __init__(self, *texts: str, detail: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(*texts, detail=detail)
        self.retry_after_s = retry_after_s


class UnexpectedAnswer(Retryable, code="CB-403"):
    person = "The print server sent an unexpected response."
    title = "something other than the API answered"
    advice = "if the error persists, check what is in front of the server"
    meaning = """A proxy, a login page or another web server answers at the server's address.
    `cirrusctl servers` shows what each address says."""


class Unreachable(Retryable, code="CB-411"):
    person = "The print server cannot be reached."
    title = "the server, or the proxy to the server, cannot be reached"
    advice = "check the address, the port and the proxy"
    meaning = "`cirrusctl doctor` checks name, address, port and TLS in turn."


class NotTrusted(Retryable, code="CB-412"):
    person = "The print server's certificate is not valid right now."
    title = "the server's certificate has expired or is not yet valid"
    advice = "have the certificate renewed; check this machine's clock"
    meaning = "If this machine's clock is wrong, set the clock."


class ServerFault(Retryable, code="CB-413"):
    person = "{message}"
    title = "the server cannot answer now"
    meaning = """The server answered 429 or 5xx. If the message says that a quota or disk is full,
    the server's administrator has to make room."""


class ShortSegment(Retryable, code="CB-414"):
    person = "The print server did not receive the document correctly."
    title = "the server stored a different number of bytes"
    meaning = """If this happens repeatedly, something between this machine and the server changes
    the data."""


class WrongUser(Retryable, code="CB-415"):
    """A connection that `user` has accepted: a name, a number, or empty if unknown."""

    user = ""
    person = "Another program answers in place of the print server."
    title = "a program of another user answers at the server's port on this machine"
    advice = """start the server again, or name its user as `local_user` in servers.d"""
    meaning = """Without TLS, the key and documents go only to a server on this machine that runs as
    root, as `cirrus-cloudlet`, or as the entry's `local_user`. Any user can listen on the port
    while the server is not running. Nothing was sent. `ss -tlpn` shows the program that
    listens. A server in a container needs TLS or `allow_plaintext = true`."""


class SubmitUnanswered(ApiError, code="CB-421"):
    """A submit without an answer; `message` is what happened to the answer."""

    title = "the response to a submit was lost: the document may be printed"
    advice = "look at the printer; cancel the job, or release it to print (again)"
    meaning = """The API cannot tell whether such a submit was accepted, and the server does not
    support Idempotency-Key. `onambiguous` in the queue's URI decides for all jobs of the queue."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        hint = tr("Look at the printer; then cancel this job, or release it to print (again).")
        doubt = tr(
            "The document was sent, and it is not known whether the cloud accepted it. The "
            "document may be printed already."
        )
        super().__init__(joined(" ", (message, doubt)), hint, detail=detail)


class RepeatedId(SubmitUnanswered, code="CB-422"):
    title = "the server gave the job an id that belongs to another job"
    advice = "look at the printer; then cancel the job, or release it to print (again)"
    meaning = """The document was sent, but the server may not have accepted it, because the id
    leads to the other job. Such a submit is never repeated, whatever `onambiguous` says. Ask
    the server's administrator whether the server was restored from a backup."""


class ServerAway(CirrusError, code="CB-431", kind=Kind.PASSING):
    person = (
        "The print server was unavailable for too long, so the job is held. Tell your "
        "administrator."
    )
    title = "`contimeout` is over"
    advice = "when the server is back, release the job"
    meaning = "The server could not be used for `contimeout` seconds."


class WaitsForServer(CirrusError, code="CB-434", kind=Kind.PASSING, disposition=Disposition.WAIT):
    title = "the server has not worked for a while, so the job no longer blocks its queue"
    meaning = """The message names the cause. cirrus-statusd checks the server, and releases the job
    when the server works. `cirrusctl doctor` gives more details."""


class TryOtherMember(CirrusError, code="CB-432", kind=Kind.PASSING, disposition=Disposition.FAIL):
    person = "{message}"
    title = "the server is away, and the job's class has other members"
    meaning = "The server has accepted nothing of the job, so another member can print it."


class SubmitDropped(CirrusError, code="CB-433", disposition=Disposition.CANCEL):
    title = "the response to a submit was lost on a queue with `onambiguous=drop`"
    advice = "restart the job if nothing prints"
    meaning = "The queue is set to drop such jobs, so that none is printed twice."


class JournalError(CirrusError, code="CB-501", kind=Kind.CONFIGURATION):
    person = "This computer cannot print right now. Tell your administrator."
    title = "the journal cannot be written, so nothing is sent"
    advice = "check the disk, then release the job"
    meaning = """Without the journal, a job could be printed twice. The message names the path and
    the reason, such as a full disk or a folder of another user."""


class JournalBusy(JournalError, code="CB-502", kind=Kind.PASSING, disposition=Disposition.WAIT):
    person = BUSY
    title = "the journal is in use"
    advice = ""  # of the base, which is about disks
    meaning = "No action is needed. cirrus-statusd notices when the journal is free."


class JobForgotten(CirrusError, code="CB-505"):
    person = (
        "It is not known whether this job was printed already. Look at the printer; then cancel "
        "this job, or release it to print (again)."
    )
    title = "the job is older than the journal, which was deleted, replaced or restored"
    advice = "look at the printer; then cancel the job, or release it to print (again)"
    meaning = """The old journal may have known that the job was sent. Only a person can decide
    whether to print the job again."""


class JobUnidentified(CirrusError, code="CB-511", kind=Kind.PASSING, disposition=Disposition.WAIT):
    person = BUSY
    title = "CUPS does not identify the job, so nothing is sent"
    advice = "check that cupsd answers (`lpstat -r`)"
    meaning = """Without its identity, the job could be printed twice. cirrus-statusd notices when
    CUPS answers."""


class JournalReplaced(
    JournalError, code="CB-503", kind=Kind.PASSING, disposition=Disposition.RUN_AGAIN
):
    person = "Printing was interrupted. The job starts again by itself."
    title = "the journal was deleted or replaced while it was in use"
    advice = "look at the printer before you release older jobs that are missing from the journal"
    meaning = """Cirrus Bridge uses the new journal, which may not know which older jobs were
    printed. A person decides about such jobs (CB-505)."""


class JournalDamaged(JournalError, code="CB-504"):
    title = "the journal is damaged, so the job is not sent"
    advice = """check the disk, stop cirrus-statusd, move the journal aside (journal.db,
    journal.db-wal and journal.db-shm), start cirrus-statusd again, then release the job"""
    meaning = """With a damaged journal, a job could be printed twice. Leave jobs.lock in place:
    that file shows whether the journal is new or restored. Jobs that are missing from the journal
    are then held. Look at the printer before you release them."""


class JournalNewer(JournalError, code="CB-506"):
    title = "the journal was written by a newer version of Cirrus Bridge, so the job is not sent"
    advice = "install that version again, or a newer one, then release the job"
    meaning = """After a downgrade, the older version cannot read the journal. To keep the older
    version, stop cirrus-statusd and cirrus-workerd, move the journal aside (journal.db,
    journal.db-wal and journal.db-shm), and start both services again. Leave jobs.lock in place.
    Jobs that are missing from the new journal are then held. Look at the printer before you release
    them."""


class Interrupted(CirrusError, code="CB-601", kind=Kind.PASSING, disposition=Disposition.RUN_AGAIN):
    # CUPS sets the job's state before it sends the signal, and then ignores the exit code. The job
    # must survive a signal from elsewhere, for example when the machine shuts down.
    title = "stopped by a signal before anything was submitted"
    meaning = "No action is needed. This happens when a machine shuts down."


class TimeIsOver(Interrupted, code="CB-604"):
    person = "The job takes a long time, and continues at once."
    title = "the time that CUPS allows for the job is nearly over (MaxJobTime, job-cancel-after)"
    meaning = "No action is needed. The next run continues where this run stopped."


class StartOver(CirrusError, code="CB-602", kind=Kind.PASSING, disposition=Disposition.RUN_AGAIN):
    person = "The document is sent again from the beginning."
    title = "an earlier run's upload cannot be continued"
    meaning = "No action is needed. Servers delete uploads that are not submitted for a while."


class ProgramRemoved(CirrusError, code="CB-606"):
    person = "{message} Cancel this job, or move it to another printer."
    title = "Cirrus Bridge was removed from this machine before the job was printed"
    advice = "move the job to another printer and release it, or cancel it"
    meaning = """The message says whether the job was sent. Without Cirrus Bridge, its queue prints
    nothing. To move job 7: `lpmove 7 QUEUE`, then `lp -i 7 -H resume`."""


class UploadNeverEnds(CirrusError, code="CB-605"):
    person = (
        "The document cannot be sent in the time that is allowed for a job. Tell your "
        "administrator."
    )
    title = "the upload of the document starts over in each run, so it never ends"
    advice = """raise MaxJobTime in cupsd.conf, or the queue's job-cancel-after-default, then
    release the job"""
    meaning = """Some filters write the time into a document, so each run has another document and
    cannot continue the upload. CUPS stops each run after MaxJobTime."""


class KeepsBreaking(CirrusError, code="CB-603"):
    person = "Printing was interrupted repeatedly, so the job is held. Tell your administrator."
    title = "the job's process was killed or crashed five times in a row"
    advice = """find the cause (not enough memory?), then release the job; it resumes where it
    stopped"""
    meaning = "The kernel kills programs when memory runs out; `journalctl -k` shows this."


class DeliveryEnded(CirrusError, code="CB-701", disposition=Disposition.CANCEL):
    title = "the cloud ended the job without delivering it"
    meaning = """Somebody deleted the job in the cloud, or the recipient discarded it. If that was a
    mistake, print again."""


class DeliveryUnknown(CirrusError, code="CB-702", disposition=Disposition.FAIL):
    title = "the server no longer has a record of the job, so its outcome is unknown"
    advice = "look at the printer; print again if nothing was printed"
    meaning = "Servers delete old jobs. The server may also have been restored from a backup."


class StatusMismatch(CirrusError, code="CB-703"):
    title = "the server's job is not the document that was sent"
    advice = "look at the printer; cancel the job, and print the missing pages again"
    meaning = """For several minutes, the server reported a size or name that differs from the
    document's. The server may have been restored from a backup, have lost part of the upload, or
    have given one id to two jobs. Nothing is printed a second time, whatever `onfailure` says. Ask
    the server's administrator what became of the job's id."""


class DeliveryFailing(CirrusError, code="CB-704"):
    title = "the location has the job, but reports an error"
    advice = """fix the cause at the location, then have the job delivered again, on the cloud's web
    page or with `cirrus-cloudlet job retry`"""
    meaning = """`cirrusctl job N` quotes the location. Nothing reaches the device until somebody at
    the cloud decides. If the job is not needed, delete it there."""


class CupsAway(CirrusError, code="CB-711", kind=Kind.PASSING, disposition=Disposition.RETRY_LATER):
    person = "The print system of this computer does not answer. Tell your administrator."
    title = "the local CUPS does not answer"
    advice = "check that cupsd is running"
    meaning = "The poller continues as soon as CUPS answers again."


class CupsRefused(CirrusError, code="CB-712", kind=Kind.CONFIGURATION):
    person = "The print system of this computer refused a request. Tell your administrator."
    title = "the local CUPS refuses a request"
    advice = """the user must be root, or in a group that SystemGroup in cups-files.conf names
    (Debian: `lpadmin`, Fedora: `sys`)"""
    meaning = """CUPS's policies must let this user change jobs and queues over the socket.
    cirrus-statusd(8) lists the rights that the poller needs."""


class CupsGone(CupsRefused, code="CB-713", kind=Kind.JOB):
    title = "the local CUPS no longer has this job or queue"
    advice = ""  # more rights do not help
    meaning = """If the job or queue was removed meanwhile, no action is needed. Otherwise, check
    the name."""


class CupsNotPossible(CupsRefused, code="CB-714", kind=Kind.JOB):
    title = "the job's state in CUPS does not allow the change"
    advice = ""
    meaning = "The job has ended meanwhile, so no action is needed."


class InternalError(CirrusError, code="CB-900"):
    person = "Printing failed because of an internal error. Tell your administrator."
    title = "internal error in Cirrus Bridge"
    advice = "report the error, with the error log"
    meaning = "The error log has a traceback. Other jobs of the queue are not affected."
