"""The three custodians, real each: key files, a token of SoftHSM2's, and a signer behind a socket."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from keys.custodian import Kind, Policy, Purpose
from keys.remote import RemoteCustodian
from keys.signer import Entitlement, Signer
from keys.software import SoftwareCustodian
from keys.wrapping import Ledger, WrappingCustodian
from tests.authority import CHEAP, PASSPHRASE
from tests.tools import need

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
TOKEN = "vermilion tests"
PIN = b"a PIN for tests"
# Pairs that no custodian takes among them: it is for the custodian to say so.
EVERYTHING = Entitlement(
    frozenset(product(Purpose, Kind)), frozenset(Purpose), wraps=True, makes_wrapping_keys=True
)

MakeCustodian = Callable[[Path, Policy, Ledger], WrappingCustodian]


def softhsm_module() -> str:
    """The module beside `softhsm2-util`. Skips by name without them."""
    need("softhsm2-util")
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed (extra pkcs11)")
    found = next((path for path in MODULES if Path(path).exists()), None)
    if found is None:
        pytest.skip("libsofthsm2.so is not installed (Debian package softhsm2)")
    return found


def make_token(directory: Path, label: str, pin: bytes) -> None:
    """A new token in a directory of its own, and the environment by which SoftHSM2 finds it: one for the whole
    process, because the module reads it once.
    """
    (directory / "tokens").mkdir()
    configuration = directory / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {directory}/tokens\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    subprocess.run(
        [need("softhsm2-util"), "--init-token", "--free", "--label", label,
         "--pin", pin.decode(), "--so-pin", "an SO PIN for tests"],
        check=True, capture_output=True,
    )  # fmt: skip


@cache
def token_module() -> str:
    """The module, with the tests' token in it."""
    import atexit

    module = softhsm_module()
    directory = Path(tempfile.mkdtemp(prefix="softhsm"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    make_token(directory, TOKEN, PIN)
    return module


def software(place: Path, policy: Policy, ledger: Ledger) -> WrappingCustodian:
    return SoftwareCustodian(place / "keys", PASSPHRASE, policy=policy, ledger=ledger, cost=CHEAP)


def on_token(_place: Path, policy: Policy, ledger: Ledger) -> WrappingCustodian:
    module = token_module()
    from keys.pkcs11 import Pkcs11Custodian

    return Pkcs11Custodian(module, TOKEN, PIN, policy=policy, ledger=ledger)


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        yield listener


@contextmanager
def serving(signer: Signer, path: Path) -> Iterator[None]:
    """The signer in a thread, at a socket in a directory that is its alone."""
    path.parent.mkdir(mode=0o711, exist_ok=True)
    with listening(path) as listener:
        thread = threading.Thread(target=signer.serve, args=(listener,))
        thread.start()
        try:
            yield
        finally:
            signer.stop()
            thread.join()


class Custodians:
    """Makes custodians of one sort, and ends what they need at the end of the test."""

    def __init__(self, make: MakeCustodian, *, remote: bool) -> None:
        self._make, self._remote = make, remote
        self._stack = ExitStack()

    def __call__(self, place: Path, policy: Policy, ledger: Ledger) -> WrappingCustodian:
        custodian = self._make(place, policy, ledger)
        if not self._remote:
            return custodian
        callers: dict[int, Entitlement] = {os.geteuid(): EVERYTHING}
        path = (
            Path(self._stack.enter_context(tempfile.TemporaryDirectory())) / "s"
        )  # a socket's path is short
        self._stack.enter_context(serving(Signer(custodian, callers), path))
        asking = RemoteCustodian(path)
        self._stack.callback(asking.close)
        return asking

    def close(self) -> None:
        self._stack.close()


CUSTODIANS: dict[str, tuple[MakeCustodian, bool]] = {
    "software": (software, False),
    "pkcs11": (on_token, False),
    "remote": (software, True),
    "remote-pkcs11": (on_token, True),
}
