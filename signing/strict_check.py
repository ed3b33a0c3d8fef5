"""The strict whole-file check: is this, byte for byte, one of the documents our writers make?

It accepts one canonical shape and reads structure, never text (design, section 6): one revision whose
objects fill it, and after it those that the further seals of a joint licence make, one each, then those of
document time-stamps, up to the end of the file; in the first revision one signature, found from the
catalogue both as form field and as DocMDP certification; of each signature a ByteRange over the whole
file up to its revision's end but its own hex string; lower-case hex, zero padding; CMS exactly as
`signing.cms` builds it. If the digests then agree and the keys are ours, the content is what our service
wrote, and nothing else is in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise

from keys.clock import parse_compact_utc
from keys.errors import VermilionError
from keys.outside_chain import check_chain
from keys.path import verify_chain
from keys.profiles import ProfileName
from keys.time_stamp import TimeStamp, verify_token
from keys.trust_list import TrustedKey, TrustList
from signing import cms
from signing.document_time_stamp import appended_stamps
from signing.joint import Sealed, appended_seals, check_locks, seal_fields
from signing.pdf_structure import (
    Array,
    Beginnings,
    Dictionary,
    Name,
    Pdf,
    Ref,
    Stream,
    Text,
    Value,
    read_pdf,
    refuse,
    revision_ends,
)
from signing.security_store import read_store
from signing.signed_file import embedded_file, signed_range
from signing.validation_data import Carried, Chain, proves, serves

PRINTOUT_NAME = b"record.json"
MAX_CLOCK_DIFFERENCE = timedelta(minutes=5)  # between the checker's clock and the time-stamp authority's

# What could act, show other content, or bring it from elsewhere: our faces need none of it.
ACTIVE_KEYS = frozenset(
    {"AA", "OpenAction", "JS", "JavaScript", "XFA", "NeedAppearances", "RichMediaContent", "Collection",
     "Launch", "OCProperties", "Encrypt", "RF", "URLS", "Threads", "Requirements"}
)  # fmt: skip
ACTIONS = frozenset(
    {"JavaScript", "Launch", "SubmitForm", "ImportData", "ResetForm", "GoToR", "GoToE", "Rendition", "Movie",
     "Sound", "Hide", "SetOCGState", "Trans", "GoTo3DView", "RichMediaExecute", "Named", "Thread"}
)  # fmt: skip
_DATE = re.compile(rb"D:([0-9]{14})Z")


@dataclass(frozen=True, slots=True)
class Stamped:
    """A time-stamp that was verified."""

    at: datetime  # genTime
    by: bytes  # DER of the authority's certificate


@dataclass(frozen=True, slots=True)
class SealEvidence:
    """One seal on a document. `key` is None when no trusted key has this seal's public key: its chain is
    right, but the trust list does not entitle it to anything.
    """

    key: TrustedKey | None
    certificate: bytes  # DER
    sealed_at: datetime  # genTime of the seal's own time-stamp; without one the signer's claim (/M)
    key_id: str  # kid of the seal's key, as in the trust list
    signed_sha256: bytes  # of the signed attributes, by which the registry knows the use of the key


@dataclass(frozen=True, slots=True)
class FileEvidence:
    """What an untouched document proves."""

    printout_json: bytes  # the embedded record, as printed
    seals: tuple[SealEvidence, ...]  # in the order of their places; the first is the issuer's
    level: str  # "B-B" without a time-stamp; "B-T", "B-LT" by the seals' own; "B-LTA" by one for the archive
    stamps: tuple[Stamped, ...]
    """Those that prove the whole document, as they follow each other in time: the last seal's own where every
    seal has one, then the document's.
    """
    to_prove: tuple[Chain, ...]  # what the next time-stamp for the archive must prove good
    to_tell: tuple[Chain, ...]  # of what it may carry the status all the same
    sha256: bytes  # of the whole file
    original_sha256: bytes  # of the sealed file, without appended document time-stamps

    @property
    def seal_key(self) -> TrustedKey | None:
        """The issuer's."""
        return self.seals[0].key

    @property
    def sealed_at(self) -> datetime:
        """When the issuer sealed."""
        return self.seals[0].sealed_at

    @property
    def stamped_at(self) -> datetime | None:
        """When the sealed document is proven to have existed: by the first time-stamp; None at B-B."""
        return self.stamps[0].at if self.stamps else None


def strict_check(
    data: bytes, trust: TrustList, *, at: datetime, beginnings: Beginnings | None = None
) -> FileEvidence:
    """Check a whole file against a verified trust list at the present instant `at`. `beginnings` are what
    earlier files were seen to share; what is found does not depend on them.

    Raises VermilionError(INVALID) with one of these reasons:
    "too_large", "not_a_pdf", "signature_missing" (no signature in a file of our shape), "structure" (not
    our one shape), "seal_missing", "seal_order" and "seal_twice" (not all seals of a joint licence, or not
    as they belong), "digest_mismatch" and "signature_invalid" (altered), "issuer_unknown" (an authority that
    the trust list does not lead to), "chain" (a certificate or its times are not right), "sealed_in_future"
    (a clock is wrong), "validation_data" (a time-stamp for the archive came without the proofs it is to
    keep, or with other things).
    A document without its time-stamp is complete, at level B-B: nothing that is signed says whether a token
    was to follow, so a removed one takes the proof of time with it and shows only in the level. Such a one
    may have a document time-stamp appended: that proves when it existed, so the seal is no later; when it
    was sealed remains the signer's claim, by which the key's period is judged. Likewise one from which a
    time-stamp for the archive was removed is what it was before.
    Whether key and agency were entitled, or are compromised, is for the caller to judge.
    """
    first, *ends = revision_ends(data)
    pdf = read_pdf(data[:first] if ends else data, beginnings)
    catalogue = pdf.dictionary(pdf.trailer.get("Root"), "the catalogue")
    _refuse_active_content(pdf)
    fields = seal_fields(pdf)
    signature = _the_certification(pdf, catalogue, fields)
    _check_pages(pdf, catalogue, fields)
    printout = embedded_file(pdf, catalogue, PRINTOUT_NAME)
    whole, judged = pdf, list[_Judged]()
    for sealed in _sealed(pdf, data, ends, fields, signature):  # each is judged before the next is read
        whole = sealed.pdf
        judged.append(_judged(sealed, trust, at))
    _check_order(judged)
    later = ends[len(fields) - 1 :]
    found = _levels(whole, data, later, judged, trust)
    if found.stamps and any(
        one.seal.sealed_at > found.stamps[0].gen_time + MAX_CLOCK_DIFFERENCE for one in judged
    ):
        refuse("the seal names a later moment than one at which it is proven to exist", "chain")
    if found.stamps and found.stamps[-1].gen_time > at + MAX_CLOCK_DIFFERENCE:
        refuse("a time-stamp names a moment that has not come", "sealed_in_future")
    if beginnings is not None:
        beginnings.learn(pdf)
    original_sha256 = whole.digest("sha256")
    told = tuple(one.chain for one in judged if one.chain not in found.to_prove)
    return FileEvidence(
        printout_json=printout,
        seals=tuple(one.seal for one in judged),
        level=found.level,
        stamps=tuple(Stamped(stamp.gen_time, stamp.certificate) for stamp in found.stamps),
        to_prove=found.to_prove,
        to_tell=told if found.level != "B-LTA" else (),
        sha256=sha256(data).digest() if later else original_sha256,
        original_sha256=original_sha256,
    )


def _sealed(
    pdf: Pdf, data: bytes, ends: Sequence[int], fields: Sequence[Ref], signature: Dictionary
) -> Iterator[Sealed]:
    """Each seal with the document up to it. Raises VermilionError(INVALID)."""
    yield Sealed(pdf, *signed_range(pdf, signature), signature)
    if len(fields) > 1:
        yield from appended_seals(pdf, data, ends, fields)


@dataclass(frozen=True, slots=True)
class _Judged:
    seal: SealEvidence
    public_key: bytes  # SubjectPublicKeyInfo, DER
    chain: Chain
    own: TimeStamp | None


def _judged(sealed: Sealed, trust: TrustList, at: datetime) -> _Judged:
    """One seal: its digest, signature, time-stamp and certificates. Raises VermilionError(INVALID)."""
    claimed_at = _claimed_moment(sealed.signature)
    contents = sealed.signature.get("Contents")
    assert isinstance(contents, Text)
    seal = cms.parse_seal(cms.leading_element(contents.value))
    suite = seal.suite
    if seal.digest != sealed.pdf.digest(suite.digest_name, sealed.start, sealed.end):
        refuse("the content is not what was sealed", "digest_mismatch")
    if not cms.made_by(seal.certificate, suite.name, seal.signature, seal.attributes):
        refuse("the seal's signature is wrong, or of another algorithm", "signature_invalid")

    own = None if seal.token is None else _verified(seal.token, sha256(seal.signature).digest(), trust)
    sealed_at = claimed_at if own is None else own.gen_time
    spki = cms.subject_public_key_info(seal.certificate)
    key = next((k for k in trust.keys if k.use == "seal" and k.public_key == spki), None)
    if sealed_at > at + MAX_CLOCK_DIFFERENCE:
        refuse("the seal names a moment that has not come", "sealed_in_future")
    issuers = _issuers(seal, key, trust, sealed_at)
    if sorted(seal.issuers) != sorted(issuers):
        refuse("the seal carries other certificates than its own and its issuers'")
    evidence = SealEvidence(
        key=key,
        certificate=seal.certificate,
        sealed_at=sealed_at,
        key_id=sha256(spki).digest()[:8].hex(),
        signed_sha256=sha256(seal.attributes).digest(),
    )
    outside = key is not None and bool(key.issuers)
    return _Judged(evidence, spki, Chain(seal.certificate, issuers, outside=outside), own)


def _check_order(judged: Sequence[_Judged]) -> None:
    """No seal stands twice, and none was put before the one under it."""
    if len({one.public_key for one in judged}) != len(judged):
        refuse("one seal stands on the document twice", "seal_twice")
    stamps = [one.own.gen_time for one in judged if one.own is not None]
    if stamps != sorted(stamps):
        refuse("a seal's time-stamp is earlier than that of the seal before it", "chain")
    for before, after in pairwise(judged):
        if after.seal.sealed_at < before.seal.sealed_at - MAX_CLOCK_DIFFERENCE:
            refuse("a seal names an earlier moment than the seal before it", "chain")


@dataclass(frozen=True, slots=True)
class _Found:
    level: str
    stamps: tuple[TimeStamp, ...]
    to_prove: tuple[Chain, ...]


def _levels(pdf: Pdf, data: bytes, ends: Sequence[int], seals: Sequence[_Judged], trust: TrustList) -> _Found:
    """How far the time-stamps lead, the seals' own and those of the document: `pdf` is the sealed document,
    behind which other revisions end at `ends`. A document is at the level of the least of its seals.

    Each time-stamp for the archive comes with what proves the authority of the one before good at its own
    time, and the seals' certificates where nothing before it did; and with nothing else. The first one may
    say again what has become of the seals': who answered when it was sealed may have no certificate by then.
    """
    store = read_store(pdf)
    level, stamps = "B-B", list[TimeStamp]()
    chains = tuple(one.chain for one in seals)
    unproven: tuple[Chain, ...] = chains
    own = [one.own for one in seals if one.own is not None]
    if len(own) == len(seals):
        stamps.append(own[-1])
        level = "B-T"
        authorities = [_authority(stamp, trust, stamp.gen_time) for stamp in own]
        if store is not None and all(
            proves(store.carried, (one.chain, authority), trust.roots, stamp.gen_time)
            for one, authority, stamp in zip(seals, authorities, own, strict=True)
        ):
            level, unproven = "B-LT", ()
        else:  # the last one's is proven by whatever follows it
            unproven = _each_once(*chains, *(one for one in authorities if one != authorities[-1]))
    for appended in appended_stamps(pdf, data, ends):
        stamp = _verified(appended.token, appended.digest, trust)
        if appended.added is None:
            if stamps:
                refuse("a time-stamp for the archive comes with validation data")
            level = "B-T"
        else:
            if not stamps:
                refuse("a time-stamp for the archive follows another one")
            if stamp.gen_time < stamps[-1].gen_time:
                refuse("a time-stamp is earlier than the one before it", "chain")
            at = stamp.gen_time
            wanted = _each_once(*unproven, _authority(stamps[-1], trust, at))
            require_proofs(appended.carried, wanted, trust, at)
            spoken_of = wanted if level == "B-LTA" else (*chains, *wanted)
            if not serves(appended.added, spoken_of, trust.roots, at):
                refuse("the validation data are not those that the time-stamp is to keep", "validation_data")
            level, unproven = "B-LTA", ()
        stamps.append(stamp)
    newest = tuple(_authority(stamp, trust, stamp.gen_time) for stamp in stamps[-1:])
    return _Found(level, tuple(stamps), _each_once(*unproven, *newest))


def _each_once(*chains: Chain) -> tuple[Chain, ...]:
    return tuple(dict.fromkeys(chains))


def require_proofs(carried: Carried, chains: Sequence[Chain], trust: TrustList, at: datetime) -> None:
    """Check that these chains are valid at a moment, and that what a document carries shows them good then.

    Raises VermilionError(INVALID) with reason "chain", "issuer_unknown" or "validation_data".
    """
    for chain in chains:
        if chain.outside:
            check_chain((chain.certificate, *chain.issuers), at)
        else:
            verify_chain(chain.certificate, trust=trust, at=at, profile=chain.profile)
    if not proves(carried, chains, trust.roots, at):
        refuse("the validation data do not prove the certificates good", "validation_data")


def _authority(stamp: TimeStamp, trust: TrustList, at: datetime) -> Chain:
    """The chain of a time-stamp's authority, valid at this moment. Raises VermilionError(INVALID)."""
    issuing = verify_chain(stamp.certificate, trust=trust, at=at, profile=ProfileName.TSA)
    return Chain(stamp.certificate, (issuing,), profile=ProfileName.TSA)


def _refuse_active_content(pdf: Pdf) -> None:
    """No object anywhere in the file may act, wherever it hangs."""
    waiting: list[Value] = [pdf.trailer]
    waiting += [value for number, value in pdf.objects.items() if number not in pdf.known]
    signatures = 0
    while waiting:
        value = waiting.pop()
        if isinstance(value, Array):
            waiting.extend(value.items)
        if not isinstance(value, Dictionary | Stream):
            continue
        entries = value.entries
        action = entries.get("S")
        if not ACTIVE_KEYS.isdisjoint(entries) or (isinstance(action, Name) and action.text in ACTIONS):
            refuse("the file holds active content")
        signatures += "ByteRange" in entries
        waiting.extend(entries.values())
    if signatures > 1:
        refuse("the file has more than one signature dictionary")


def _the_certification(pdf: Pdf, catalogue: Dictionary, fields: Sequence[Ref]) -> Dictionary:
    """The first field's value, which is also the certification signature."""
    value = pdf.dictionary(fields[0], "the form field").get("V")
    if value is None:
        refuse("the seal's field is empty", "signature_missing")
    permissions = pdf.dictionary(catalogue.get("Perms"), "the permissions")
    if not isinstance(value, Ref) or permissions.entries != {"DocMDP": value}:
        refuse("the seal's field is not the certification of the file")
    check_locks(pdf, fields)
    signature = pdf.dictionary(value, "the signature")
    _check_signature_dictionary(pdf, signature, permission=1 if len(fields) == 1 else 2)
    return signature


def _check_signature_dictionary(pdf: Pdf, signature: Dictionary, permission: int) -> None:
    required = {"Type", "Filter", "SubFilter", "Contents", "ByteRange", "M", "Reference"}
    if not required <= signature.entries.keys() <= required | {"Reason", "Location", "Name"}:
        refuse("the signature dictionary has other keys than ours")
    if (signature.get("Type"), signature.get("Filter"), signature.get("SubFilter")) != (
        Name("Sig"),
        Name("Adobe.PPKLite"),
        Name("ETSI.CAdES.detached"),
    ):
        refuse("the signature is of another kind than ours")
    references = pdf.array(signature.get("Reference"), "the signature's reference list").items
    if len(references) != 1:
        refuse("the signature has other references than DocMDP")
    reference = pdf.dictionary(references[0], "the signature's reference")
    parameters = pdf.dictionary(reference.get("TransformParams"), "the DocMDP parameters")
    if (
        reference.entries.keys() != {"Type", "TransformMethod", "TransformParams"}
        or reference.get("TransformMethod") != Name("DocMDP")
        or parameters.entries != {"Type": Name("TransformParams"), "V": Name("1.2"), "P": permission}
        or type(parameters.get("P")) is not int
    ):
        refuse("the certification permits other changes than ours")


def _check_pages(pdf: Pdf, catalogue: Dictionary, fields: Sequence[Ref]) -> None:
    """One flat page tree, on which the seals are the only annotations."""
    tree = pdf.dictionary(catalogue.get("Pages"), "the page tree")
    kids = pdf.array(tree.get("Kids"), "the list of pages").items
    pages = {kid.number for kid in kids if isinstance(kid, Ref)}
    if tree.get("Count") != len(kids) or not kids or len(pages) != len(kids):
        refuse("the page tree is not flat")
    annotations: list[Value] = []
    for kid in kids:
        page = pdf.dictionary(kid, "a page")
        if page.get("Type") != Name("Page"):
            refuse("the page tree is not flat")
        if "Annots" in page.entries:
            annotations.extend(pdf.array(page.get("Annots"), "the annotations").items)
    if len(annotations) != len(fields) or any(field not in annotations for field in fields):
        refuse("the pages hold other annotations than the seals")


def _claimed_moment(signature: Dictionary) -> datetime:
    written = signature.get("M")
    match = _DATE.fullmatch(written.value) if isinstance(written, Text) else None
    if match is None:
        refuse("the signature has no moment of our form")
    try:
        return parse_compact_utc(match.group(1).decode("ascii"))
    except ValueError:
        refuse("the signature's moment is no date")


def _issuers(
    seal: cms.SealSignature, key: TrustedKey | None, trust: TrustList, at: datetime
) -> tuple[bytes, ...]:
    """The certificates that go with the seal's: its issuing CA's, or those that the list pins beside the one
    certificate of an authority outside. Raises VermilionError(INVALID).
    """
    if key is None or not key.issuers:
        return (verify_chain(seal.certificate, trust=trust, at=at),)
    if seal.certificate != key.certificate:
        refuse("the seal's certificate is another than the trust list names", "chain")
    check_chain((seal.certificate, *key.issuers), at)
    return key.issuers


def _verified(token: bytes, digest: bytes, trust: TrustList) -> TimeStamp:
    if cms.canonical_token(token, trust.issuing) != token:
        refuse("the time-stamp is not encoded as ours are")
    try:
        stamp = verify_token(token, digest, trust=trust)
    except VermilionError as error:
        if error.reason == "time_stamp":
            refuse("the time-stamp is not one of this document", "signature_invalid")
        raise
    listed = [
        k
        for k in trust.keys
        if k.use == "tsa"
        and k.certificate == stamp.certificate
        and k.sign_from <= stamp.gen_time <= k.sign_to
    ]
    compromised = any(
        k.state == "compromised" and (k.since is None or stamp.gen_time >= k.since) for k in listed
    )
    if not listed or compromised:
        refuse("the time-stamp authority is not one the trust list vouches for at that time", "chain")
    return stamp
