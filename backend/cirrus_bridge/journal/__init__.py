"""The journal: what was sent to the server, and what became of it, on disk.

After a crash, the journal answers one question: may this document have been printed?

Document
    What one submit sends: one file of a job, or the stream into which CUPS joined the job's files.
    A document has a row in the table `document` and a state (`lifecycle`).

Pass
    A job's way through its queue in one cupsd. A pass has a run for each document, and a file of
    notes about these runs (`run_notes`).

Run
    One process pair of the backend, which CUPS starts for one document. A document may need several
    runs, because a run may be killed, or end while the job is held.

Print
    One time that a job is to be printed. A person who restarts a finished job begins a new print. A
    print is identified by the time at which CUPS had last completed the job (`print_run`).

Delivery
    The way of a cloud job from the server to the device. A document has a delivery for each of its
    targets, with a row in the table `delivery`.

A document is *handed over* when its backend leaves it to the poller, and *taken back* when a
backend follows it again. An *orphan* is a document that neither a backend nor the poller has.

`submissions` is the backend's part, `deliveries` is for following documents, in the backend and the
poller, and `poller` is the poller's part. `health`, `history` and `statistics` only read.
"""
