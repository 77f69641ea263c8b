"""The operations of IPP: which part answers which request."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cirrus_bridge.ipp.message import Operation, Status
from cirrus_bridge.ipp_server.answering import Service
from cirrus_bridge.ipp_server.job_creation import JobCreation
from cirrus_bridge.ipp_server.job_operations import JobOperations
from cirrus_bridge.ipp_server.printer_operations import PrinterOperations
from cirrus_bridge.ipp_server.requests import Refusal, Request, Response


class Operations:
    """Answers valid requests. Any thread may use this object.

    Attributes:
        creation: takes documents.
    """

    def __init__(self, service: Service) -> None:
        self.creation = JobCreation(service)
        jobs, printers = JobOperations(service), PrinterOperations(service)
        self._answers: Mapping[Operation, Callable[[Request], Response]] = {
            Operation.VALIDATE_JOB: self.creation.validate_job,
            Operation.CREATE_JOB: self.creation.create_job,
            Operation.CLOSE_JOB: self.creation.close_job,
            Operation.CANCEL_JOB: jobs.cancel_job,
            Operation.CANCEL_MY_JOBS: jobs.cancel_my_jobs,
            Operation.HOLD_JOB: jobs.hold_job,
            Operation.RELEASE_JOB: jobs.release_job,
            Operation.GET_JOB_ATTRIBUTES: jobs.get_job_attributes,
            Operation.GET_JOBS: jobs.get_jobs,
            Operation.GET_PRINTER_ATTRIBUTES: printers.get_printer_attributes,
            Operation.GET_PRINTER_SUPPORTED_VALUES: printers.get_printer_attributes,
            Operation.IDENTIFY_PRINTER: printers.identify_printer,
            Operation.CUPS_GET_DEFAULT: printers.get_default,
            Operation.CUPS_GET_PRINTERS: printers.get_printers,
        }

    def answer(self, request: Request) -> Response:
        """Answer a request that has no document. Raises Refusal."""
        answer = self._answers.get(request.operation)
        if answer is None:
            raise Refusal(
                Status.OPERATION_NOT_SUPPORTED,
                f"This printer does not support {request.operation.name}.",
            )
        return answer(request)
