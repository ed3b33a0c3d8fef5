"""What somebody uploads, examined in a process apart: whether it is what it says and does no harm
(`signing.upload_checks`), and who signed it (`signing.explain`).
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from keys.errors import Kind, VermilionError
from signing.apart import Apart, Emit, How
from signing.report import Explained
from signing.validator import LIMITS, Validator, load_validator, report_of

if TYPE_CHECKING:
    from keys.trust_list import TrustList
    from signing.report import Report

BUSY_SECONDS = 5
TAKEN = b"taken"
_WORDS = {
    "material_format": "the file is not, or not whole, what its media type says",
    "material_encrypted": "the file is encrypted",
    "material_active": "the file holds a script, an action, or something else that is no page",
    "material_embedded": "the file holds another file that is not plain text",
    "material_limits": "the file takes more to read than any material does",
}


@dataclass(frozen=True, slots=True)
class _Look:
    """What is to be looked at. Pickled by whoever asks; never unpickled from outside."""

    data: bytes
    media: str


@dataclass(frozen=True, slots=True)
class Examiner:
    """Safe between threads. `validator` asks the same process apart."""

    validator: Validator

    def require_harmless(self, data: bytes, media: str) -> None:
        """Raises VermilionError: INVALID with one of `signing.upload_checks.REASONS` for what is not taken as
        that media type; UNAVAILABLE (`examiner`) where nobody could look: nothing is taken unseen.
        """
        answer = self.validator.apart.run(pickle.dumps(_Look(data, media)))
        said = answer.emitted[-1] if answer.how is How.DONE and answer.emitted else b""
        if said == TAKEN:
            return
        reason = said.decode("ascii", "replace")
        if answer.how in {How.CPU, How.MEMORY, How.TIME}:
            reason = "material_limits"
        if reason in _WORDS:
            raise VermilionError(Kind.INVALID, _WORDS[reason], reason=reason)
        raise _nobody()

    def report(self, data: bytes, trust: TrustList | None, at: datetime) -> Report:
        """On the signatures of a PDF: ours, and those of the licensed authorities.

        Raises VermilionError(UNAVAILABLE, reason "examiner") where nobody could look.
        """
        from signing.check import check_file

        outcome = check_file(data, trust, None, None, at)
        report = report_of(data, outcome, trust, None, self.validator, at)
        if report.explained in {Explained.BUSY, Explained.AWAY}:
            raise _nobody()
        return report

    def close(self) -> None:
        self.validator.close()


def _nobody() -> VermilionError:
    return VermilionError(
        Kind.UNAVAILABLE, "nobody can examine the file now", reason="examiner", retry_after=BUSY_SECONDS
    )


def start_examiner(licensed: tuple[bytes, ...] = ()) -> Examiner:
    """Start the process that forks: before any thread is started. Raises what `load_validator` raises."""
    from signing import upload_checks

    load_validator()
    upload_checks.load()
    return Examiner(Validator(Apart(_work, LIMITS), licensed))


def _work(order: bytes, emit: Emit) -> None:
    """`signing.apart.Work`, for both."""
    from signing import explain, upload_checks

    wanted = pickle.loads(order)  # noqa: S301  (of our own process, which forked this one)
    if isinstance(wanted, _Look):
        emit((upload_checks.refusal_of(wanted.data, wanted.media) or TAKEN.decode()).encode())
    else:
        explain.work_on(wanted, emit)
