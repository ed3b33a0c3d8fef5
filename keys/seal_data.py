"""The data of an electronic seal as GB/T 38540 has them: SES_SealInfo, and SESeal with its maker's signature.

Version 4. The maker signs the DER of SES_SealInfo alone. The number of the seal's edition, which the norm
does not know, stands in an extension of our own; extensions are the bare SEQUENCE that makers write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import ClassVar, NoReturn

from asn1crypto import algos, core

from keys.custodian import Custodian, KeyRef, SignRequest
from keys.custodian import Kind as SignKind
from keys.der import tlv
from keys.errors import Kind, VermilionError
from keys.path import certificate_public_key, parse_certificate, verify_issued
from keys.profiles import ProfileName
from keys.suite import SUITES, Suite, verifies
from keys.tbs import load_der

VERSION = 4
VENDOR = "Vermilion"
CERTIFICATES = 1  # certListType: the certificates themselves, not their digests
EDITION_EXTENSION = "1.2.156.3005.2.999.10.1"
MAX_SEAL_BYTES = 1024 * 1024


class _Header(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [("id", core.IA5String), ("version", core.Integer), ("vid", core.IA5String)]


class _Certificates(core.SequenceOf):  # type: ignore[misc]
    _child_spec = core.OctetString


class _Property(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [
        ("type", core.Integer),
        ("name", core.UTF8String),
        ("cert_list_type", core.Integer),
        ("cert_list", _Certificates),
        ("create_date", core.GeneralizedTime),
        ("valid_start", core.GeneralizedTime),
        ("valid_end", core.GeneralizedTime),
    ]


class _Picture(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [
        ("type", core.IA5String),
        ("data", core.OctetString),
        ("width", core.Integer),
        ("height", core.Integer),
    ]


class _ExtData(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [
        ("extn_id", core.ObjectIdentifier),
        ("critical", core.Boolean, {"default": False}),
        ("extn_value", core.OctetString),
    ]


class _ExtDatas(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _ExtData


class _SealInfo(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [
        ("header", _Header),
        ("es_id", core.IA5String),
        ("property", _Property),
        ("picture", _Picture),
        ("ext_datas", _ExtDatas),
    ]


class _Seal(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [
        ("info", _SealInfo),
        ("cert", core.OctetString),
        ("sign_alg", algos.SignedDigestAlgorithmId),
        ("signed_value", core.OctetBitString),
    ]


@dataclass(frozen=True, slots=True)
class SealData:
    """What SES_SealInfo says of one edition of a seal. Instants are whole seconds, UTC; lengths are mm."""

    code: str  # esID
    type: int
    name: str
    certificate: bytes  # DER of the seal's
    created_at: datetime
    valid_from: datetime
    valid_to: datetime
    edition: int
    picture_type: str
    picture: bytes
    width_mm: int
    height_mm: int


def seal_info(data: SealData) -> bytes:
    """SES_SealInfo, DER: one encoding for one set of data."""
    encoded: bytes = _SealInfo(
        {
            "header": {"id": "ES", "version": VERSION, "vid": VENDOR},
            "es_id": data.code,
            "property": {
                "type": data.type,
                "name": data.name,
                "cert_list_type": CERTIFICATES,
                "cert_list": [data.certificate],
                "create_date": core.GeneralizedTime(data.created_at),
                "valid_start": core.GeneralizedTime(data.valid_from),
                "valid_end": core.GeneralizedTime(data.valid_to),
            },
            "picture": {
                "type": data.picture_type,
                "data": data.picture,
                "width": data.width_mm,
                "height": data.height_mm,
            },
            "ext_datas": [{"extn_id": EDITION_EXTENSION, "extn_value": core.Integer(data.edition).dump()}],
        }
    ).dump()
    return encoded


def read_seal_info(info: bytes) -> SealData:
    """The data of a SES_SealInfo that `seal_info` laid out. Raises ValueError for any other bytes."""
    value = load_der(_SealInfo, info)
    said, picture, extensions = value["property"], value["picture"], value["ext_datas"]
    if len(said["cert_list"]) != 1 or len(extensions) != 1:
        raise ValueError("not one certificate, or not one edition")
    try:
        data = SealData(
            code=value["es_id"].native,
            type=said["type"].native,
            name=said["name"].native,
            certificate=said["cert_list"][0].native,
            created_at=said["create_date"].native,
            valid_from=said["valid_start"].native,
            valid_to=said["valid_end"].native,
            edition=load_der(core.Integer, extensions[0]["extn_value"].native).native,
            picture_type=picture["type"].native,
            picture=picture["data"].native,
            width_mm=picture["width"].native,
            height_mm=picture["height"].native,
        )
        same = seal_info(data) == info
    except Exception as error:  # asn1crypto raises what its parts raise
        raise ValueError("not the data of a seal") from error
    if not same:
        raise ValueError("not the data of a seal of ours")
    return data


def edition_record(edition_id: str) -> str:
    """The record that a maker's signature serves."""
    return f"seal-edition:{edition_id}"


def make_seal(custodian: Custodian, maker: KeyRef, certificate: bytes, info: bytes, record: str) -> bytes:
    """SESeal, DER: SES_SealInfo signed by a maker under its certificate (DER).

    Raises VermilionError: KEY_REFUSED from the custodian, UNAVAILABLE when it signs wrongly.
    """
    suite = SUITES[maker.suite]
    (signature,) = custodian.sign(maker, [SignRequest(SignKind.SEAL_EDITION, info, record)])
    if not verifies(custodian.public_key(maker), suite, signature, info):
        raise VermilionError(Kind.UNAVAILABLE, "the custodian signed wrongly", reason="signature")
    return _assemble(info, certificate, suite, signature)


def _assemble(info: bytes, certificate: bytes, suite: Suite, signature: bytes) -> bytes:
    """SESeal: the one encoding, made here and compared with when verifying."""
    algorithm = algos.SignedDigestAlgorithmId(suite.signature_name).dump()
    return tlv(
        0x30, info, core.OctetString(certificate).dump(), algorithm, core.OctetBitString(signature).dump()
    )


@lru_cache(maxsize=256)
def verify_seal(seal: bytes, data: SealData, issuers: tuple[bytes, ...]) -> bytes:
    """Check that a maker whose certificate one of `issuers` gave has signed exactly this; that certificate.

    The maker's certificate is judged at the seal's creation: a seal outlives it.
    Raises VermilionError(INVALID, reason "seal_data").
    """
    if len(seal) > MAX_SEAL_BYTES:
        _refuse("the seal is too long")
    try:
        parsed = load_der(_Seal, seal)
        info: bytes = parsed["info"].dump()
        certificate: bytes = parsed["cert"].native
        signature: bytes = parsed["signed_value"].native
    except ValueError:
        _refuse("the seal is not DER of its kind")
    if info != seal_info(data):
        _refuse("the seal on record is not the one its maker signed")
    try:
        verify_issued(certificate, issuers, at=data.created_at, profile=ProfileName.SEAL_MAKER)
        public, suite = certificate_public_key(parse_certificate(certificate))
    except VermilionError as error:
        raise VermilionError(
            Kind.INVALID, f"the seal's maker is not known: {error.detail}", reason="seal_data"
        ) from error
    if not verifies(public, suite, signature, info):
        _refuse("the maker's signature is wrong")
    if _assemble(info, certificate, suite, signature) != seal:
        _refuse("the seal is encoded otherwise than ours are")
    return certificate


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason="seal_data")
