"""The PKCS#11 custodian: keys made on a token, which never leave it (PKCS #11, v2.40 and later).

What is bound to a key is written into its objects when they are made, and may not be changed after: CKA_ID is
the reference's id, CKA_LABEL names purpose and suite. Each time a key is found its attributes are asked for
again, and one that could have left the token, or came to it from outside, is refused; and each signature is
verified under the public key before it leaves, so that two objects that do not belong together sign nothing.

Sessions come and go: a token is reset, a module is finalised by somebody else, a user is logged out. A lost
session is replaced and the work done again, once, where the answer proves that nothing was signed. Any
other failure while a signature is made leaves its outcome unknown, and nothing is repeated.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import new as new_hash
from typing import Any, TypeVar

import pkcs11
from asn1crypto import core
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import (
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    FunctionFailed,
    GeneralError,
    KeyHandleInvalid,
    ObjectHandleInvalid,
    PinExpired,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    SessionHandleInvalid,
    TokenNotPresent,
    UserNotLoggedIn,
)
from pkcs11.util.ec import encode_named_curve_parameters

from keys.custodian import KeyRef, Policy, Purpose, SignRequest, require_suite
from keys.errors import Kind, VermilionError
from keys.signing_order import SignAll, sign_in_order
from keys.suite import (
    RSA_EXPONENT,
    SUITES,
    Ecdsa,
    PublicKey,
    Rsa,
    Suite,
    SuiteName,
    signature_from_raw,
    suite_of,
    verifies,
)
from keys.wrapping import (
    KEY_BYTES,
    TAG_BYTES,
    Ledger,
    associated,
    not_wrapped_here,
    parts_of,
    recorded,
    wrap_with,
)

POOL_SIZE = 8
WAIT_SECONDS = 10.0  # for a session, where all are in use
MAX_PIN_BYTES = 255

# The call was turned away as it came: whatever it was to do has not been done.
_TURNED_AWAY = (
    SessionHandleInvalid, KeyHandleInvalid, ObjectHandleInvalid, UserNotLoggedIn, TokenNotPresent,
)  # fmt: skip

# What a private key of ours says of itself.
_PRIVATE = {
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.MODIFIABLE: False,
    Attribute.SIGN: True,
    Attribute.DECRYPT: False,
    Attribute.UNWRAP: False,
    Attribute.DERIVE: False,
}
_PUBLIC = {Attribute.TOKEN: True, Attribute.PRIVATE: False, Attribute.MODIFIABLE: False}
# And what the token alone writes down: that the pair was made on it, and never was otherwise.
_OF_PRIVATE = {
    **_PRIVATE,
    Attribute.LOCAL: True,
    Attribute.ALWAYS_SENSITIVE: True,
    Attribute.NEVER_EXTRACTABLE: True,
}
_OF_PUBLIC = {**_PUBLIC, Attribute.LOCAL: True}
# A wrapping key encrypts and decrypts, because C_UnwrapKey gives no octets but another object on the token.
_WRAPPING = {
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.MODIFIABLE: False,
    Attribute.ENCRYPT: True,
    Attribute.DECRYPT: True,
    Attribute.SIGN: False,
    Attribute.WRAP: False,
    Attribute.UNWRAP: False,
    Attribute.DERIVE: False,
}
_OF_WRAPPING = {
    **_WRAPPING,
    Attribute.LOCAL: True,
    Attribute.ALWAYS_SENSITIVE: True,
    Attribute.NEVER_EXTRACTABLE: True,
}
_WRAPPING_LABEL = "vermilion:wrapping:aes256-gcm"

_T = TypeVar("_T")


class _SessionLostError(Exception):
    """Nothing was done that a second attempt would do twice."""


class Pkcs11Custodian:
    """Keys on the token `token_label` of the module at `module_path`. Safe between threads; belongs to the
    process that made it, because a module is lost to a forked child (PKCS #11, "Applications and processes").
    """

    def __init__(
        self,
        module_path: str,
        token_label: str,
        pin: bytes,
        *,
        policy: Policy,
        ledger: Ledger,
        random: Callable[[int], bytes] = secrets.token_bytes,
        on_unusable: Callable[[str, VermilionError], None] = lambda _key_id, _error: None,
        pool_size: int = POOL_SIZE,
    ) -> None:
        """`on_unusable` is told which key cannot be used, and why; a caller hears UNAVAILABLE alone.

        Nothing is asked of the token yet. Raises VermilionError: INVALID for no PIN, UNAVAILABLE for a module
        that cannot be loaded, or that several threads may not use at once.
        """
        if not 0 < len(pin) <= MAX_PIN_BYTES:
            raise VermilionError(Kind.INVALID, "a token's PIN has 1 to 255 bytes", reason="pin")
        self._module = _module(module_path)
        self._token_label = token_label
        self._pin = pin
        self._policy = policy
        self._ledger = ledger
        self._random = random
        self._on_unusable = on_unusable
        self._process = os.getpid()
        self._room = threading.BoundedSemaphore(pool_size)
        self._idle: list[_Session] = []
        self._lock = threading.Lock()
        self._pin_refused = False

    def generate(self, purpose: Purpose, suite: SuiteName) -> KeyRef:
        """Make a key pair on the token. An attempt that fails is not repeated: it may have left a pair there,
        under an id that nobody knows.
        """
        require_suite(purpose, suite)
        ref = KeyRef(self._random(16).hex(), purpose, suite)
        with (
            self._answered(ref.id),
            self._room_for_one(),
            self._module.in_use(),
            contextlib.closing(self._open(writing=True)) as session,
        ):
            objects = _generate(session.inner, ref)
            try:
                session.key(ref)
            except VermilionError:
                for made in objects:
                    made.destroy()
                raise
        return ref

    def public_key(self, ref: KeyRef) -> PublicKey:
        """See `keys.custodian.Custodian.public_key`."""
        with self._answered(ref.id):
            return self._with_session(lambda session: session.key(ref).public)

    def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        """See `keys.custodian.Custodian.sign`."""
        return sign_in_order(ref, requests, self._signer, policy=self._policy, ledger=self._ledger)

    def make_wrapping_key(self) -> str:
        """See `keys.wrapping.KeyWrapper`. An attempt that fails is not repeated, as in `generate`."""
        key_id = self._random(16).hex()
        with (
            self._answered(key_id),
            self._room_for_one(),
            self._module.in_use(),
            contextlib.closing(self._open(writing=True)) as session,
        ):
            made = session.inner.generate_key(
                KeyType.AES,
                8 * KEY_BYTES,
                id=bytes.fromhex(key_id),
                label=_WRAPPING_LABEL,
                store=True,
                capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
                template=_WRAPPING,
            )
            try:
                session.wrapping_key(key_id)
            except VermilionError:
                made.destroy()
                raise
        return key_id

    def wrap(self, key_id: str, data_key: bytes, record: str) -> bytes:
        """See `keys.wrapping.KeyWrapper`."""

        def encrypt(nonce: bytes, plaintext: bytes, bound_to: bytes) -> bytes:
            parameters = pkcs11.GCMParams(nonce, bound_to, 8 * TAG_BYTES)
            return self._with_wrapping_key(key_id, lambda key: bytes(key.encrypt(
                plaintext, mechanism=Mechanism.AES_GCM, mechanism_param=parameters,
            )))  # fmt: skip

        return wrap_with(encrypt, data_key, record, self._random)

    def unwrap(self, key_id: str, wrapped: bytes, record: str) -> bytes:
        """See `keys.wrapping.KeyWrapper`. Tokens say in many ways that a tag is wrong: where the key is there
        and the call was not turned away, a failure to decrypt is that.
        """
        (nonce, sealed), bound_to = parts_of(wrapped), associated(record)
        parameters = pkcs11.GCMParams(nonce, bound_to, 8 * TAG_BYTES)

        def decrypt(key: Any) -> bytes:
            try:
                return bytes(key.decrypt(sealed, mechanism=Mechanism.AES_GCM, mechanism_param=parameters))
            except (EncryptedDataInvalid, EncryptedDataLenRange, FunctionFailed, GeneralError):
                raise not_wrapped_here() from None

        self._with_wrapping_key(key_id, lambda _key: None)  # a token that is out is found out before the use
        with recorded(self._ledger, key_id, record, wrapped):
            return self._with_wrapping_key(key_id, decrypt)

    def _with_wrapping_key(self, key_id: str, work: Callable[[Any], _T]) -> _T:
        """Work that may be done again in another session, because it changes nothing."""

        def in_session(session: _Session) -> _T:
            try:
                return work(session.wrapping_key(key_id))
            except _TURNED_AWAY as error:
                raise _SessionLostError from error

        with self._answered(key_id):
            return self._with_session(in_session)

    def _signer(self, ref: KeyRef) -> SignAll:
        self.public_key(ref)  # a token that is out is found out before the record is used up

        def sign_all(messages: Sequence[bytes]) -> list[bytes]:
            done: list[bytes] = []

            def sign_rest(session: _Session) -> None:
                key = session.key(ref)
                while len(done) < len(messages):
                    done.append(_signature(key, SUITES[ref.suite], messages[len(done)]))

            with self._answered(ref.id):
                self._with_session(sign_rest)
            return done

        return sign_all

    @contextlib.contextmanager
    def _answered(self, key_id: str) -> Iterator[None]:
        """Whatever the token says, who asks for a key hears that it cannot be used; its keeper hears why."""
        try:
            yield
        except (PKCS11Error, _SessionLostError) as error:
            answer = type(error.__cause__ or error).__name__
            told = VermilionError(Kind.UNAVAILABLE, f"the token answered {answer}", reason="token")
        except VermilionError as error:
            if error.kind in (Kind.KEY_REFUSED, Kind.UNAUTHENTICATED):
                raise
            told = error
        else:
            return
        self._on_unusable(key_id, told)
        raise VermilionError(
            Kind.UNAVAILABLE, "a key of the registry cannot be used now", reason="key_unusable"
        ) from told

    def _with_session(self, work: Callable[[_Session], _T]) -> _T:
        """Do work in a session of the pool. Where that was lost and did none: in a new one; and where no new
        one works either, in one of the module initialised anew, which some need to find their token again.
        """
        with self._room_for_one():
            with self._lock:
                session = self._idle.pop() if self._idle else None
            with contextlib.suppress(_SessionLostError):
                return self._work_in(session, work)
            self._forget_idle()  # they were lost with it, more likely than not
            generation = self._module.generation
            with contextlib.suppress(_SessionLostError):
                return self._work_in(None, work)
            self._module.renew(generation)
            return self._work_in(None, work)

    @contextlib.contextmanager
    def _room_for_one(self) -> Iterator[None]:
        """Room for one more session among the few that a token is asked for at once."""
        if os.getpid() != self._process:
            raise VermilionError(
                Kind.UNAVAILABLE, "the token's module was loaded before this process forked", reason="forked"
            )
        if not self._room.acquire(timeout=WAIT_SECONDS):
            raise VermilionError(Kind.UNAVAILABLE, "all sessions are in use", reason="sessions")
        try:
            yield
        finally:
            self._room.release()

    def _work_in(self, session: _Session | None, work: Callable[[_Session], _T]) -> _T:
        with self._module.in_use():
            session = session or self._open(writing=False)
            sound = False
            try:
                result = work(session)
                sound = True
            except VermilionError:
                sound = True  # an answer about the key: the session gave it
                raise
            finally:
                if sound:
                    with self._lock:
                        self._idle.append(session)
                else:
                    session.close()
            return result

    def _open(self, *, writing: bool) -> _Session:
        """A session of the logged-in user. The module is asked each time whether it is still initialised:
        anybody in this process may have finalised it.
        """
        if self._pin_refused:
            raise VermilionError(Kind.UNAVAILABLE, "the token refused the PIN", reason="pin")
        generation = self._module.initialise()
        try:
            token = self._module.library.get_token(token_label=self._token_label)
            session = _Session(token.open(rw=writing), self._module, generation)
        except PKCS11Error as error:
            raise _SessionLostError from error
        try:
            self._module.log_in(session.inner.handle, self._pin)
        except PKCS11Error as error:
            session.close()
            if isinstance(error, tuple(_CKR_PIN.values())):
                self._pin_refused = True  # a second attempt, and a third, would lock the token
                raise VermilionError(Kind.UNAVAILABLE, "the token refused the PIN", reason="pin") from error
            raise _SessionLostError from error
        return session

    def _forget_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        with self._module.in_use():
            for session in idle:
                session.close()

    def close(self) -> None:
        """Close the idle sessions; with the last one of the process the token logs the user out."""
        if os.getpid() == self._process:
            self._forget_idle()


@dataclass(frozen=True, slots=True)
class _Key:
    """A private key's object, and the public key beside it."""

    private: Any
    public: PublicKey


@dataclass(slots=True)
class _Session:
    """One session, and the keys that were found in it: handles last as long as it does."""

    inner: Any
    module: _Module
    generation: int
    found: dict[KeyRef, _Key] = field(default_factory=dict)

    def key(self, ref: KeyRef) -> _Key:
        """Raises VermilionError: KEY_REFUSED for a key made for something else; INVALID, NOT_FOUND."""
        self._require_user()
        try:
            if ref in self.found:
                # A handle may name another key by now.
                _require(self.found[ref].private, ref.id, _label(ref), _OF_PRIVATE)
            else:
                self.found[ref] = _find(self.inner, ref)
            return self.found[ref]
        except PKCS11Error as error:  # whatever it was: nothing has been signed yet
            raise _SessionLostError from error

    def wrapping_key(self, key_id: str) -> Any:
        """The one wrapping key of the id, with every attribute as it must be; looked for each time, because
        that happens a few times in the life of a process. Raises VermilionError(INVALID, NOT_FOUND).
        """
        self._require_user()
        try:
            held = _only(self.inner, ObjectClass.SECRET_KEY, _key_id(key_id))
            _require(held, key_id, _WRAPPING_LABEL, _OF_WRAPPING)
            size = held.key_length
        except PKCS11Error as error:
            raise _SessionLostError from error
        if held.key_type is not KeyType.AES or size != 8 * KEY_BYTES:
            raise VermilionError(
                Kind.INVALID, "a wrapping key on the token is not AES-256", reason="key_attributes"
            )
        return held

    def _require_user(self) -> None:
        """Nobody but the user is shown a private key. The generation is asked last: in a module that was
        initialised anew meanwhile, the same handle may be another thread's session.
        """
        if not self.module.serves_user(self.inner.handle) or self.generation != self.module.generation:
            raise _SessionLostError

    def close(self) -> None:
        if self.generation == self.module.generation:
            with contextlib.suppress(PKCS11Error):  # it may be gone already
                self.inner.close()


def _label(ref: KeyRef) -> str:
    return f"vermilion:{ref.purpose.value}:{ref.suite}"


def _generate(session: Any, ref: KeyRef) -> tuple[Any, Any]:
    """Public and private object."""
    suite = SUITES[ref.suite]
    wanted: dict[str, Any] = {
        "id": bytes.fromhex(ref.id),
        "label": _label(ref),
        "store": True,
        "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
        "public_template": _PUBLIC,
        "private_template": _PRIVATE,
    }
    pair: tuple[Any, Any]
    if isinstance(suite, Ecdsa):
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(suite.curve_name)}
        parameters = session.create_domain_parameters(KeyType.EC, curve, local=True)
        pair = parameters.generate_keypair(**wanted)
    else:
        assert isinstance(suite, Rsa)
        pair = session.generate_keypair(KeyType.RSA, suite.bits, **wanted)
    return pair


def _find(session: Any, ref: KeyRef) -> _Key:
    """The one key pair of the reference's id, with every attribute as it must be."""
    key_id = _key_id(ref.id)
    private = _only(session, ObjectClass.PRIVATE_KEY, key_id)
    public = _only(session, ObjectClass.PUBLIC_KEY, key_id)
    _require(private, ref.id, _label(ref), _OF_PRIVATE)
    _require(public, ref.id, _label(ref), _OF_PUBLIC)
    key = _public_key(public, SUITES[ref.suite])
    if suite_of(key) is not SUITES[ref.suite]:
        raise VermilionError(Kind.INVALID, "a key on the token is not of its suite", reason="key_attributes")
    return _Key(private, key)


def _key_id(text: str) -> bytes:
    """CKA_ID. Raises VermilionError(NOT_FOUND) for what names no key of ours."""
    try:
        key_id = bytes.fromhex(text)
    except ValueError:
        key_id = b""
    if len(key_id) != 16 or key_id.hex() != text:
        raise VermilionError(Kind.NOT_FOUND, "there is no such key", reason="key_unknown")
    return key_id


def _require(held: Any, key_id: str, label: str, wanted: dict[Attribute, bool]) -> None:
    """Every attribute as it must be, in one question."""
    found = held.get_attributes([Attribute.ID, Attribute.LABEL, *wanted])
    wrong = [attribute.name for attribute, value in wanted.items() if found.get(attribute) != value]
    if wrong or found.get(Attribute.ID) != bytes.fromhex(key_id):
        detail = f"a key on the token has another {', '.join(wrong) or 'ID'} than ours have"
        raise VermilionError(Kind.INVALID, detail, reason="key_attributes")
    if found.get(Attribute.LABEL) != label:
        raise VermilionError(Kind.KEY_REFUSED, "the key was made for something else", reason="purpose")


def _only(session: Any, kind: ObjectClass, key_id: bytes) -> Any:
    found = list(session.get_objects({Attribute.CLASS: kind, Attribute.ID: key_id}))
    if not found:
        raise VermilionError(Kind.NOT_FOUND, "there is no such key", reason="key_unknown")
    if len(found) != 1:
        raise VermilionError(Kind.INVALID, "two keys on the token have one id", reason="key_attributes")
    return found[0]


def _public_key(public: Any, suite: Suite) -> PublicKey:
    """Raises VermilionError(INVALID) for what is no key of the suite's family."""
    try:
        if isinstance(suite, Ecdsa) and public.key_type is KeyType.EC:
            point = core.OctetString.load(public[Attribute.EC_POINT], strict=True).native
            if public[Attribute.EC_PARAMS] == encode_named_curve_parameters(suite.curve_name):
                return ec.EllipticCurvePublicKey.from_encoded_point(suite.curve, point)
        elif isinstance(suite, Rsa) and public.key_type is KeyType.RSA:
            modulus = int.from_bytes(public[Attribute.MODULUS], "big")
            exponent = int.from_bytes(public[Attribute.PUBLIC_EXPONENT], "big")
            if exponent == RSA_EXPONENT:
                return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        pass
    raise VermilionError(Kind.INVALID, "a key on the token is not of its suite", reason="key_attributes")


def _signature(key: _Key, suite: Suite, message: bytes) -> bytes:
    """Raises _SessionLostError where the token turned the call away; PKCS11Error where nobody knows."""
    try:
        if isinstance(suite, Ecdsa):
            digest = new_hash(suite.digest_name, message).digest()
            raw = key.private.sign(digest, mechanism=Mechanism.ECDSA)
        else:
            raw = key.private.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS)
    except _TURNED_AWAY as error:
        raise _SessionLostError from error
    try:
        signature = signature_from_raw(suite, raw)
    except ValueError:
        signature = b""
    if not verifies(key.public, suite, signature, message):
        raise VermilionError(Kind.UNAVAILABLE, "the token signed wrongly", reason="signature")
    return signature


# What python-pkcs11 does not do: it initialises every module for one thread alone (C_Initialize without
# arguments), and then lets threads into it at once. And a session that it logs in logs all others out when
# it is closed, because login is the application's, not the session's.

_CKF_OS_LOCKING_OK = 0x02
_CKU_USER = 1
_CKS_USER = (1, 3)  # CKS_RO_USER_FUNCTIONS, CKS_RW_USER_FUNCTIONS
_CKR_OK = 0x00
_CKR_USER_ALREADY_LOGGED_IN = 0x100
_CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191
_CKR_PIN: dict[int, type[PKCS11Error]] = {
    0xA0: PinIncorrect, 0xA1: PinInvalid, 0xA2: PinLenRange, 0xA3: PinExpired, 0xA4: PinLocked,
}  # fmt: skip


class _InitializeArgs(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS."""

    _fields_ = (
        ("create_mutex", ctypes.c_void_p),
        ("destroy_mutex", ctypes.c_void_p),
        ("lock_mutex", ctypes.c_void_p),
        ("unlock_mutex", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    )


class _SessionInfo(ctypes.Structure):
    """CK_SESSION_INFO."""

    _fields_ = tuple((name, ctypes.c_ulong) for name in ("slot", "state", "flags", "device_error"))


_ULONG, _POINTER = ctypes.c_ulong, ctypes.c_void_p


class _FunctionList(ctypes.Structure):
    """The beginning of CK_FUNCTION_LIST, whose first function is C_Initialize."""

    _fields_ = (
        ("version", ctypes.c_ubyte * 2),
        ("initialize", ctypes.CFUNCTYPE(_ULONG, _POINTER)),
        ("finalize", ctypes.CFUNCTYPE(_ULONG, _POINTER)),
        ("get_info_to_close_all_sessions", _POINTER * 13),
        ("get_session_info", ctypes.CFUNCTYPE(_ULONG, _ULONG, _POINTER)),
        ("operation_states", _POINTER * 2),
        ("login", ctypes.CFUNCTYPE(_ULONG, _ULONG, _ULONG, ctypes.c_char_p, _ULONG)),
    )


class _Module:
    """A module, loaded once a process."""

    def __init__(self, path: str) -> None:
        try:
            self.library = pkcs11.lib(path)
            pointer = ctypes.POINTER(_FunctionList)()
            if ctypes.CDLL(path).C_GetFunctionList(ctypes.byref(pointer)) != _CKR_OK:
                raise PKCS11Error
            self.library.finalize()
        except (PKCS11Error, OSError) as error:
            raise VermilionError(
                Kind.UNAVAILABLE, "the PKCS#11 module cannot be loaded", reason="pkcs11_module"
            ) from error
        self._functions = pointer.contents
        self._free = threading.Condition()
        self._users = 0  # threads that may be within a call
        self._renewing = False
        self.generation = 0
        self.initialise()

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Within, nobody finalises the module under a call."""
        with self._free:
            self._free.wait_for(lambda: not self._renewing)
            self._users += 1
        try:
            yield
        finally:
            with self._free:
                self._users -= 1
                self._free.notify_all()

    def renew(self, seen: int) -> None:
        """Finalise the module and initialise it, once nobody is within a call; unless that was done since the
        generation `seen`, or somebody stays within one.
        """
        with self._free:
            if self._renewing or self.generation != seen:
                return
            self._renewing = True
            try:
                if self._free.wait_for(lambda: self._users == 0, timeout=WAIT_SECONDS):
                    self._functions.finalize(None)
                    self.initialise()
            finally:
                self._renewing = False
                self._free.notify_all()

    def initialise(self) -> int:
        """Initialise the module for threads, unless it is; how often that was done by now, which tells one
        time's handles from another's. Raises VermilionError(UNAVAILABLE).
        """
        args = _InitializeArgs(flags=_CKF_OS_LOCKING_OK)
        with self._free:
            answer = self._functions.initialize(ctypes.addressof(args))
            self.generation += answer == _CKR_OK
            generation = self.generation
        if answer not in (_CKR_OK, _CKR_CRYPTOKI_ALREADY_INITIALIZED):
            raise VermilionError(
                Kind.UNAVAILABLE,
                f"the PKCS#11 module cannot be used by threads (CKR {answer:#x})",
                reason="pkcs11_module",
            )
        return generation

    def serves_user(self, session: int) -> bool:
        """Whether there is such a session still, and its user is logged in."""
        info = _SessionInfo()
        answer = self._functions.get_session_info(session, ctypes.addressof(info))
        return answer == _CKR_OK and info.state in _CKS_USER

    def log_in(self, session: int, pin: bytes) -> None:
        """Log the user in, unless a session of this process has. Raises PKCS11Error."""
        answer = self._functions.login(session, _CKU_USER, pin, len(pin))
        if answer not in (_CKR_OK, _CKR_USER_ALREADY_LOGGED_IN):
            raise _CKR_PIN.get(answer, PKCS11Error)


_MODULES: dict[str, _Module] = {}
_MODULES_LOCK = threading.Lock()


def _module(path: str) -> _Module:
    with _MODULES_LOCK:
        if path not in _MODULES:
            _MODULES[path] = _Module(path)
        return _MODULES[path]
