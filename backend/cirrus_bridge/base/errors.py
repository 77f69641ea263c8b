"""Everything that can go wrong, as one tree of classes.

    CirrusError
    ├── UsageError              CB-101  the program was called wrongly
    ├── QueueError                      the queue can print nothing until an administrator acts
    │   ├── BadQueueUri         CB-201
    │   ├── BadConfiguration    CB-202
    │   ├── ExposedKey          CB-203
    │   └── UnknownServer       CB-204
    ├── DocumentError                   this job can not be printed as it is
    │   ├── BadOption           CB-301
    │   ├── EmptyDocument       CB-302
    │   ├── UnreadableDocument  CB-303
    │   └── JoinedDocuments     CB-304
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
    │   │   └── ShortSegment    CB-414
    │   └── SubmitUnanswered    CB-421  ambiguous: the server may or may not have the job
    │       └── RepeatedId      CB-422  the server gave the job an id that another job has
    ├── ServerAway              CB-431  `contimeout` is over
    ├── WaitsForServer          CB-434  the job is held until its server works again
    ├── TryOtherMember          CB-432  the job came through a class that may have other members
    ├── SubmitDropped           CB-433  an ambiguous submit of a queue with onambiguous=drop
    ├── JournalError            CB-501
    │   ├── JournalBusy         CB-502
    │   ├── JournalReplaced     CB-503
    │   └── JournalDamaged      CB-504
    ├── JobForgotten            CB-505  the journal that knew of the job is gone
    ├── JobUnidentified         CB-511  cupsd does not identify the job
    ├── Interrupted             CB-601  a signal asked the program to stop
    │   └── TimeIsOver          CB-604  CUPS would cancel the job soon; it runs again
    ├── UploadNeverEnds         CB-605  one upload after the other starts over
    ├── StartOver               CB-602  an earlier run's upload can not be continued
    ├── KeepsBreaking           CB-603  one run after the other came to no end
    ├── DeliveryEnded           CB-701  the cloud ended the job without delivering it
    ├── DeliveryUnknown         CB-702  the server has forgotten the job
    ├── StatusMismatch          CB-703  the server's job is not the document that was sent
    ├── CupsAway                CB-711  the local cupsd does not answer, or not now
    └── CupsRefused             CB-712  the local cupsd says no
        ├── CupsGone            CB-713  it has no such job or printer
        └── CupsNotPossible     CB-714  the job's state does not allow it

An error carries what people are to read (`text`: what happened and what to do; `str(error)` is
English, for logs), a stable `code`, a `kind`: what ends the fault, and a `disposition`: what is to
become of the job. It never carries a key.
"""

from __future__ import annotations

import enum
from typing import ClassVar

from cirrus_bridge.base.distrust import Distrust
from cirrus_bridge.base.text import one_line
from cirrus_bridge.base.translation import changed


class Disposition(enum.Enum):
    """What is to become of the job; `cups/status_lines` maps each to an exit code of backend(7)."""

    DONE = "done"
    FAIL = "fail"
    HOLD = "hold"
    STOP_QUEUE = "stop-queue"
    CANCEL = "cancel"
    RETRY_LATER = "retry-later"
    RUN_AGAIN = "run-again"


class Kind(enum.Enum):
    """What ends a fault."""

    CONFIGURATION = "configuration"
    """An administrator's act, here or at the server: other jobs meet the same fault until then."""
    JOB = "job"
    """A decision on this one job; other jobs are not affected."""
    PASSING = "passing"
    """Time: the same request works later."""


class CirrusError(Exception):
    """The root: `code`, `kind` and `disposition` belong to the class, the text to the instance.

    Args:
        message: for people: what happened, and what to do about it (`words.tr`).
        detail: for the log only (one line, no secrets).

    `consequence` is one more sentence, for those who know what else hangs on the job.
    """

    code: ClassVar[str] = ""
    kind: ClassVar[Kind]
    disposition: ClassVar[Disposition]

    def __init__(self, message: str, *, detail: str = "") -> None:
        self.text = changed(message, one_line)  # it may quote what somebody else has written
        super().__init__(self.text)
        self.detail = one_line(detail)
        self.consequence = ""


class UsageError(CirrusError):
    """The program was called with arguments that backend(7) does not know."""

    code = "CB-101"
    kind = Kind.CONFIGURATION
    disposition = Disposition.FAIL


class QueueError(CirrusError):
    """The queue's own set-up is wrong, so each of its jobs would fail: jobs stay pending."""

    kind = Kind.CONFIGURATION
    disposition = Disposition.STOP_QUEUE


class BadQueueUri(QueueError):
    """DEVICE_URI is not a queue URI as cirrus(8) defines it."""

    code = "CB-201"


class BadConfiguration(QueueError):
    """A configuration file can not be read or says something that has no meaning."""

    code = "CB-202"


class ExposedKey(QueueError):
    """A file that holds an API key can be read by others than its owner."""

    code = "CB-203"


class UnknownServer(QueueError):
    """No `[[server]]` entry matches the queue's host and company."""

    code = "CB-204"


class DocumentError(CirrusError):
    """This one job can not be printed as it is; other jobs of the queue can."""

    kind = Kind.JOB
    disposition = Disposition.HOLD


class BadOption(DocumentError):
    """A job option has a value that no job property can carry."""

    code = "CB-301"


class EmptyDocument(DocumentError):
    """There is nothing to print: the filters or the application produced no byte."""

    code = "CB-302"


class UnreadableDocument(DocumentError):
    """The spool file can not be opened or read to its end."""

    code = "CB-303"


class JoinedDocuments(DocumentError):
    """CUPS joined files or copies of a format that cannot be joined."""

    code = "CB-304"


class ApiError(CirrusError):
    """An exchange with the server went wrong."""

    disposition = Disposition.HOLD


class Definitive(ApiError):
    """The same request gets the same answer until somebody acts."""


class Refused(Definitive):
    """The server answered `Error: …`, or with a 4xx status."""

    code = "CB-401"
    kind = Kind.JOB


class KeyRefused(Definitive):
    """The server does not accept the API key (401)."""

    code = "CB-402"
    kind = Kind.CONFIGURATION


class NotPermitted(Definitive):
    """The server accepts the API key, but not for this company, location or device (403)."""

    code = "CB-404"
    kind = Kind.CONFIGURATION


class ServerMisconfigured(Definitive):
    """The connection to the server is misconfigured: port, certificate, proxy, or another host.

    Args:
        distrust: why TLS was not possible, if it was not.
    """

    code = "CB-405"
    kind = Kind.CONFIGURATION

    def __init__(self, message: str, *, detail: str = "", distrust: Distrust | None = None) -> None:
        super().__init__(message, detail=detail)
        self.distrust = distrust


class TooLarge(Definitive):
    """The server, or a proxy in front of it, accepts no request of this size (413, 414)."""

    code = "CB-406"
    kind = Kind.JOB


class Retryable(ApiError):
    """Nothing was accepted, so the same request can be made again."""

    kind = Kind.PASSING
    retry_after_s: float | None = None


class UnexpectedAnswer(Retryable):
    """What answered is not the API: a login page, a damaged answer, a wrong type."""

    code = "CB-403"


class Unreachable(Retryable):
    """No connection, or it broke before the request could have any effect."""

    code = "CB-411"


class NotTrusted(Retryable):
    """The server's certificate has expired or is not yet valid; it may be renewed meanwhile."""

    code = "CB-412"


class ServerFault(Retryable):
    """The server is there but can not answer now (429, 5xx).

    Args:
        retry_after_s: seconds from a `Retry-After` header (RFC 9110, 10.2.3), if it gave any.
    """

    code = "CB-413"

    def __init__(
        self, message: str, *, detail: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, detail=detail)
        self.retry_after_s = retry_after_s


class ShortSegment(Retryable):
    """The server wrote another number of bytes than it was sent."""

    code = "CB-414"


class SubmitUnanswered(ApiError):
    """A submit was sent and its answer is lost or useless: the job may be printed already."""

    code = "CB-421"
    kind = Kind.JOB


class RepeatedId(SubmitUnanswered):
    """A submit was answered with the id of another job: nobody knows what the server has done."""

    code = "CB-422"


class ServerAway(CirrusError):
    """The server could not be used for as long as the queue's `contimeout` allows."""

    code = "CB-431"
    kind = Kind.PASSING
    disposition = Disposition.HOLD


class WaitsForServer(CirrusError):
    """The server does not work. CUPS holds the job, and the poller releases it."""

    code = "CB-434"
    kind = Kind.PASSING
    disposition = Disposition.HOLD


class TryOtherMember(CirrusError):
    """The server can not be used and the job came through a class: CUPS has other members."""

    code = "CB-432"
    kind = Kind.PASSING
    disposition = Disposition.FAIL


class SubmitDropped(CirrusError):
    """The queue wants an unanswered submit to be given up (onambiguous=drop)."""

    code = "CB-433"
    kind = Kind.JOB
    disposition = Disposition.CANCEL


class JournalError(CirrusError):
    """The journal can not be written, so a job could be printed twice: nothing is sent."""

    code = "CB-501"
    kind = Kind.CONFIGURATION
    disposition = Disposition.HOLD


class JournalBusy(JournalError):
    """Another process holds the journal's lock for longer than a write ever takes."""

    code = "CB-502"
    kind = Kind.PASSING


class JobForgotten(CirrusError):
    """The job is older than the journal, which was deleted or restored: it may be printed."""

    code = "CB-505"
    kind = Kind.JOB
    disposition = Disposition.HOLD


class JobUnidentified(CirrusError):
    """cupsd does not identify the job, which could therefore be printed twice."""

    code = "CB-511"
    kind = Kind.PASSING
    disposition = Disposition.HOLD


class JournalReplaced(JournalError):
    """The journal's files were deleted or replaced while they were open; there are others now."""

    code = "CB-503"
    kind = Kind.PASSING
    disposition = Disposition.RUN_AGAIN


class JournalDamaged(JournalError):
    """The journal is not reliable, so a job could be printed twice."""

    code = "CB-504"


class Interrupted(CirrusError):
    """A signal asked for an end before the job was submitted.

    CUPS sets the job's state before it sends the signal, and then looks at the exit code no more.
    A signal from somebody else (a machine that shuts down) must not lose the job: it runs again.
    """

    code = "CB-601"
    kind = Kind.PASSING
    disposition = Disposition.RUN_AGAIN


class TimeIsOver(Interrupted):
    """CUPS would cancel the job soon (MaxJobTime, job-cancel-after): a new run has new time."""

    code = "CB-604"


class StartOver(CirrusError):
    """The server has forgotten what an earlier run uploaded, or the data has changed since."""

    code = "CB-602"
    kind = Kind.PASSING
    disposition = Disposition.RUN_AGAIN


class UploadNeverEnds(CirrusError):
    """The document is another one in each run, and no run has the time to upload all of it."""

    code = "CB-605"
    kind = Kind.JOB
    disposition = Disposition.HOLD


class KeepsBreaking(CirrusError):
    """Runs of the backend for this document were killed or crashed, again and again."""

    code = "CB-603"
    kind = Kind.JOB
    disposition = Disposition.HOLD


class DeliveryEnded(CirrusError):
    """The cloud or its recipient deleted the job, so it will never be delivered."""

    code = "CB-701"
    kind = Kind.JOB
    disposition = Disposition.CANCEL


class DeliveryUnknown(CirrusError):
    """The server does not know the job any more, so what became of it can not be known."""

    code = "CB-702"
    kind = Kind.JOB
    disposition = Disposition.FAIL


class StatusMismatch(CirrusError):
    """The server's job has another size or name than the document, so what came out is unknown."""

    code = "CB-703"
    kind = Kind.JOB
    disposition = Disposition.HOLD


class CupsAway(CirrusError):
    """The local cupsd is stopped, restarting or busy: the same request can be made again."""

    code = "CB-711"
    kind = Kind.PASSING
    disposition = Disposition.RETRY_LATER


class CupsRefused(CirrusError):
    """The local cupsd said no to a request of ours."""

    code = "CB-712"
    kind = Kind.CONFIGURATION
    disposition = Disposition.HOLD


class CupsGone(CupsRefused):
    """CUPS has no such job or printer (client-error-not-found)."""

    code = "CB-713"
    kind = Kind.JOB


class CupsNotPossible(CupsRefused):
    """The job's state does not allow that (client-error-not-possible), as after its end."""

    code = "CB-714"
    kind = Kind.JOB
