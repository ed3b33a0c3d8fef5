"""Messages by e-mail: handed to the one mail server that the operator has named (RFC 5321).

Its certificate is verified by its name; without TLS nothing is said but to a server for which the operator
has waived it. One connection a message, one limit of time for all of it, and of what the server says only its
code is looked at: its words may repeat the address.
"""

from __future__ import annotations

import contextlib
import io
import smtplib
import socket
import ssl
import time
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime
from functools import cached_property
from typing import Any

from keys.errors import VermilionError
from registry.notices.addresses import domain_of
from registry.notices.claims import Claimed
from registry.notices.words import said
from registry.outgoing.attempts import Outcome
from registry.outside_http import InTime
from registry.secret_files import read_secret
from registry.settings import Settings

TIMEOUT = 15.0  # seconds, for all of it: a service that is told to stop waits for what is under way
MAX_REPLIES = 64 * 1024  # bytes that a server may say
_TAGS = {"zh": "zh-Hans", "en": "en", "es": "es"}


class Smtp:
    """The mail server of the settings. Safe between threads."""

    def __init__(
        self, settings: Settings, *, timeout: float = TIMEOUT, tls: ssl.SSLContext | None = None
    ) -> None:
        self._settings, self._timeout, self._given = settings, timeout, tls

    def __call__(self, one: Claimed) -> Outcome:
        """One attempt. Raises nothing that a server can bring about."""
        settings = self._settings
        mail = mail_of(one, settings.smtp_from)
        try:
            password = self._password()
            session = _Session(settings, self._tls, time.monotonic() + self._timeout)
        except VermilionError as error:
            return Outcome(None, error.reason)
        except (OSError, smtplib.SMTPException) as error:
            return _failed(error)
        try:
            session.begin(password)
            session.sendmail(settings.smtp_from, [one.message.to], mail.as_bytes(policy=WIRE))
        except (OSError, smtplib.SMTPException) as error:
            return _failed(error)
        else:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                session.quit()  # what comes of it is no matter: the message was taken
            return Outcome(250, None)
        finally:
            session.close()

    def close(self) -> None:
        """No connection is kept."""

    @cached_property
    def _tls(self) -> ssl.SSLContext | None:
        """Raises OSError where the file of authorities cannot be read."""
        if self._settings.smtp_tls == "none":
            return None
        return self._given or ssl.create_default_context(cafile=self._settings.smtp_ca_file)

    def _password(self) -> str | None:
        """Raises VermilionError for a file that cannot be read, or that others can read."""
        path = self._settings.smtp_password_file
        return None if path is None else read_secret(path, "password").decode("utf-8", "replace")


def mail_of(one: Claimed, sender: str) -> EmailMessage:
    """The same at every attempt, under the message's own id."""
    words = said(one.kind, one.message.language, one.message.values)
    mail = EmailMessage(policy=WIRE)
    mail["From"] = sender
    mail["To"] = one.message.to
    mail["Subject"] = words.subject
    mail["Date"] = format_datetime(one.created_at)
    mail["Message-ID"] = f"<{one.id}@{domain_of(sender)}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834
    mail["Content-Language"] = _TAGS[one.message.language]
    mail.set_content(words.text, charset="utf-8", cte="base64")
    return mail


class _Session(smtplib.SMTP):
    """A connection whose every wait ends at `until`, and which hears so much and no more."""

    def __init__(self, settings: Settings, tls: ssl.SSLContext | None, until: float) -> None:
        self._until, self._user = until, settings.smtp_user
        self._implicit = tls if settings.smtp_tls == "implicit" else None
        self._starttls = tls if settings.smtp_tls == "starttls" else None
        domain = domain_of(settings.smtp_from)
        super().__init__(settings.smtp_host, settings.smtp_port, local_hostname=domain, timeout=self._left())

    def begin(self, password: str | None) -> None:
        """Raises OSError, smtplib.SMTPException."""
        if self._starttls is not None:
            self.ehlo()
            self._open.settimeout(self._left())
            self.starttls(context=self._starttls)
        self.ehlo_or_helo_if_needed()
        if password is not None:
            self.login(self._user, password)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            raw: Any = self._open.makefile("rb", buffering=0)
            self.file = io.BufferedReader(_Few(raw, self._open, self._left))
        return super().getreply()

    def send(self, s: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(self._left())
        super().send(s)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = socket.create_connection((host, port), timeout)
        if self._implicit is None:
            return sock
        try:
            sock.settimeout(self._left())
            return self._implicit.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise

    @property
    def _open(self) -> socket.socket:
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("closed")
        return self.sock

    def _left(self) -> float:
        """Seconds. Raises TimeoutError where there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is over")
        return left


class _Few(InTime):
    """What a server says, as far as anybody listens."""

    heard = 0

    def readinto(self, buffer: Any) -> int | None:
        count = super().readinto(buffer)
        self.heard += count or 0
        if self.heard > MAX_REPLIES:
            raise OSError("the server says too much")
        return count


def _failed(error: Exception) -> Outcome:
    """What a failure comes to: what is refused for good is so of the person's address, or of the message."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            ((code, _words),) = error.recipients.values()
            return Outcome(_code(code), "recipient_refused", final=code >= 500)
        case smtplib.SMTPDataError():
            return Outcome(_code(error.smtp_code), "message_refused", final=error.smtp_code >= 500)
        case smtplib.SMTPAuthenticationError():
            return Outcome(_code(error.smtp_code), "sign_in_refused")
        case smtplib.SMTPResponseException():
            reply = _code(error.smtp_code)
            return Outcome(reply, "no_smtp" if reply is None else "status")
        case smtplib.SMTPNotSupportedError():
            return Outcome(None, "no_tls_or_sign_in")
        case ssl.SSLError():
            return Outcome(None, "tls")
        case _ if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
            return Outcome(None, "timeout")
        case smtplib.SMTPServerDisconnected() | OSError():
            return Outcome(None, "unreachable")
        case _:
            return Outcome(None, "no_smtp")


def _code(told: int) -> int | None:
    """What a server said, if it was a reply at all."""
    return told if told >= 200 else None
