"""A mail server on loopback, which does as it is told: SMTP by hand, on sockets, with TLS and sign-in."""

from __future__ import annotations

import base64
import contextlib
import email
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from tests.registry.test_webhook_sending import certified
from tests.registry.world import World, serve

HOST = "mail.example"
SENDER = "licences@yunxi.example"

Say = Callable[[str], str | None]
"""What a server says to a command, by the command's word and what it was told; None: what it usually does."""


@dataclass(frozen=True)
class Letter:
    """What a server has taken."""

    sender: str
    to: list[str]
    mail: EmailMessage
    data: bytes
    encrypted: bool
    account: str | None

    @property
    def text(self) -> str:
        return str(self.mail.get_content()).replace("\r\n", "\n")


@dataclass
class Server:
    """`say` may answer a command in another way than servers do, such as "450 later"; "" hangs up."""

    port: int = 0
    letters: list[Letter] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # what clients said, a line each; no letters
    connections: int = 0
    starttls: ssl.SSLContext | None = None
    implicit: ssl.SSLContext | None = None
    accounts: dict[str, str] = field(default_factory=dict)
    say: Say = lambda _line: None
    taken: Callable[[], str | None] = lambda: None  # asked once a letter is there for what is said then
    instead: Callable[[socket.socket], None] | None = None  # does all there is done with a connection
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextlib.contextmanager
def mail_server(**options: Any) -> Iterator[Server]:
    server = Server(**options)
    listening = socket.create_server(("127.0.0.1", 0))
    server.port = listening.getsockname()[1]
    open_now: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            open_now.append(connection)
            with server.lock:
                server.connections += 1
            threading.Thread(target=_talk, args=(server, connection), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for connection in open_now:
            connection.close()
        thread.join(5)


def _talk(server: Server, connection: socket.socket) -> None:
    connection.settimeout(10)
    with contextlib.suppress(OSError, ssl.SSLError, ValueError):
        if server.instead is not None:
            server.instead(connection)
            return
        if server.implicit is not None:
            connection = server.implicit.wrap_socket(connection, server_side=True)
        conversation = _Conversation(server, connection, encrypted=server.implicit is not None)
        try:
            conversation.run()
        finally:
            conversation.file.close()
            conversation.connection.close()
    with contextlib.suppress(OSError):
        connection.close()


class _Conversation:
    def __init__(self, server: Server, connection: socket.socket, *, encrypted: bool) -> None:
        self.server, self.connection, self.encrypted = server, connection, encrypted
        self.file = connection.makefile("rb")
        self.account: str | None = None
        self.sender, self.to = "", [""]

    def run(self) -> None:
        if not self.answer("220 mail.example ready", "CONNECT"):
            return
        while line := self.file.readline(4096):
            text = line.decode("latin-1").rstrip("\r\n")
            with self.server.lock:
                self.server.said.append(text)
            if not self.command(text):
                return

    def command(self, text: str) -> bool:
        word = text.split(" ", maxsplit=1)[0].upper()
        text = word + text[len(word) :]
        if word == "EHLO":
            offers = ["250-mail.example"]
            if self.server.starttls is not None and not self.encrypted:
                offers.append("250-STARTTLS")
            if self.server.accounts:
                offers.append("250-AUTH PLAIN")
            return self.answer("\r\n".join([*offers, "250 8BITMIME"]), text)
        if word == "STARTTLS" and self.server.starttls is not None:
            if not self.answer("220 go on", text):
                return False
            self.file.close()
            self.connection = self.server.starttls.wrap_socket(self.connection, server_side=True)
            self.file, self.encrypted = self.connection.makefile("rb"), True
            return True
        if word == "AUTH":
            _, name, password = base64.b64decode(text.split(" ")[2]).decode().split("\0")
            right = self.server.accounts.get(name) == password
            self.account = name if right else None
            return self.answer("235 welcome" if right else "535 no such account", "AUTH")
        if word == "MAIL":
            self.sender, self.to = text.split("<")[1].split(">", maxsplit=1)[0], []
            return self.answer("250 ok", text)
        if word == "RCPT":
            self.to.append(text.split("<")[1].split(">", maxsplit=1)[0])
            return self.answer("250 ok", text)
        if word == "DATA":
            return self.answer("354 go on", text) and self.letter()
        if word == "QUIT":
            self.answer("221 bye", text)
            return False
        return self.answer("250 ok" if word == "RSET" else "500 what", text)

    def letter(self) -> bool:
        lines: list[bytes] = []
        while (line := self.file.readline(4096)) != b".\r\n":
            if not line:
                return False
            lines.append(line.removeprefix(b"."))
        data = b"".join(lines)
        mail = email.message_from_bytes(data, policy=default)
        assert isinstance(mail, EmailMessage)
        refused = self.server.say("LETTER")
        if refused is None:
            with self.server.lock:
                self.server.letters.append(
                    Letter(self.sender, self.to, mail, data, self.encrypted, self.account)
                )
            said = self.server.taken()
            return self.send("250 taken" if said is None else said)
        return self.send(refused)

    def answer(self, usual: str, about: str) -> bool:
        said = self.server.say(about)
        return self.send(usual if said is None else said)

    def send(self, text: str) -> bool:
        if not text:
            return False
        self.connection.sendall(f"{text}\r\n".encode())
        return True


def server_and_authority(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS for these names, and a file with the authority that certified it."""
    server, _ = certified(folder, *names)
    pem = (folder / "tls.pem").read_text()
    authority = folder / "authority.pem"
    authority.write_text(pem[: pem.index("-----BEGIN PRIVATE")])
    return server, authority


def mailing(world: World, server: Server, **changes: Any) -> None:
    """From now on the world's operator has named this mail server; without TLS unless `changes` say so."""
    settings = world.ports.settings.model_copy(
        update={
            "smtp_host": "127.0.0.1",
            "smtp_port": server.port,
            "smtp_tls": "none",
            "smtp_from": SENDER,
            **changes,
        }
    )
    served = serve(
        replace(world.ports, settings=settings), world.codes, world.types, world.clients, world.people
    )
    world.ports, world.app, world.http = served.ports, served.app, served.http
