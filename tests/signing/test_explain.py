"""What the general validator finds in files that are right, in ours with something behind them, and in those
of others; and what it says is read as strictly as anything from outside.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from hashlib import sha256
from typing import Any

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from keys.certificates import Subject
from keys.errors import VermilionError
from keys.profiles import ProfileName
from keys.trust_list import TrustList
from signing.apart import Answer, How
from signing.check import check_file
from signing.document_time_stamp import lay_out, read_document
from signing.explain import Order, explain
from signing.explain_signatures import _aware, signatures
from signing.report import (
    Change,
    Explained,
    Findings,
    Report,
    Shape,
    Signature,
    findings_from_json,
    findings_json,
)
from signing.report_words import added_words, report_json, report_sentence, table
from signing.sentences import LANGUAGES
from signing.strict_check import strict_check
from signing.validator import Validator, _on_record, explained_report, report_of
from tests.authority import AT
from tests.signing import archiving, checking, jointly, long_term
from tests.signing.hostile_files import annotated, signed_by, update
from tests.signing.sealing import LATER, NoStamps, drawn_page, make_office, office, sealed


def findings(data: bytes, trust: TrustList | None = None, *licensed: bytes, late: bool = False) -> Findings:
    at = LATER + timedelta(days=4000) if late else LATER
    *_, last = explain(Order(data, trust, licensed, at))
    assert findings_from_json(json.loads(json.dumps(findings_json(last)))) == last
    return last


def report(data: bytes, trust: TrustList | None = None, *licensed: bytes) -> Report:
    return explained_report(findings(data, trust, *licensed), Explained.DONE)


def by_level() -> dict[str, Callable[[], tuple[bytes, TrustList]]]:
    return {
        "B-B": lambda: (office().seal(NoStamps()).data, office().trust),
        "B-T": lambda: (sealed().data, office().trust),
        "B-LT": lambda: (long_term.document(0).data, office().trust),
        "B-LTA": lambda: (archiving.once(), archiving.archive().trust),
    }


@pytest.mark.parametrize("level", by_level())
def test_it_finds_the_level_that_the_strict_check_finds(level: str) -> None:
    """Two readers that share no code for it."""
    data, trust = by_level()[level]()
    at = archiving.FIRST + timedelta(hours=1) if level == "B-LTA" else LATER
    assert strict_check(data, trust, at=at).level == level
    reader = PdfFileReader(io.BytesIO(data))
    *_, told = signatures(reader, Order(data, trust, (), at), apart=False, compare=True)
    seal, *stamps = told
    assert (seal.kind, seal.level, seal.authority, seal.integrity) == (
        "signature",
        level,
        "registry",
        "intact",
    )
    assert (seal.indication, seal.sub_indication) == ("TOTAL_PASSED", None)
    assert seal.proven is (level != "B-B")
    assert told[-1].coverage == "whole_file"
    assert [one.kind for one in stamps] == (["time_stamp"] if level == "B-LTA" else [])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_of_a_joint_licence_the_last_whole_revision_is_the_original(count: int) -> None:
    data, trust = jointly.forms(3)[count - 1], jointly.agencies().trust
    told = report(data + b"\n", trust)
    if count < 3:  # not all of its seals: no document of ours, whatever follows
        assert told.original is None
        return
    assert told.original is not None
    assert (told.original.revision, told.original.end) == (3, len(data))
    assert (told.sentence, told.added) == ("sealed_changed", (Change("bytes"),))


def test_of_a_registered_joint_licence_the_report_names_its_last_revision() -> None:
    data, trust = jointly.forms(3)[2], jointly.agencies().trust
    digest = sha256(data).digest()
    known = replace(checking.licence(checking.food()), documents=(digest,), levels=("B-LT",))
    live = checking.Register(documents={digest: known})
    outcome = check_file(data, trust, live, None, LATER)
    told = report_of(data, outcome, trust, live, None, LATER)
    assert told.original is not None
    assert (told.sentence, told.original.revision, told.level) == ("registered", 3, "B-LT")


def test_what_came_after_is_told_page_by_page_and_revision_by_revision() -> None:
    first = annotated(b"<< /Type /Annot /Subtype /Stamp /Rect [0 0 9 9] >>")(long_term.document(0).data)
    told = report(update(first, {}), office().trust)
    assert [one.changes for one in told.revisions] == [
        (),
        (Change("annotation", 1),),
        (Change("nothing"),),
    ]
    assert told.added == (Change("annotation", 1),)
    assert report_sentence(told, "en") == (
        "Revision 1 of 3 has not changed since it was sealed, but its seal is not recognised; what follows was "
        "added afterwards: a comment, stamp or drawing (page 1)."
    )


def with_more(data: bytes) -> bytes:
    return data + b"\n% more"


def behind(data: bytes) -> bytes:
    return bytes(2000) + data


@pytest.mark.parametrize("change", [with_more, behind])
@pytest.mark.parametrize("registry", ["holds it", "does not hold it", "is not asked", "does not answer"])
def test_a_document_within_that_the_registry_does_not_hold_is_called_so(
    change: Callable[[bytes], bytes], registry: str
) -> None:
    """Only where it was asked: without its answer a right seal is all that is known."""
    licence, trust = jointly.forms(3)[2], jointly.agencies().trust
    held = replace(checking.licence(checking.food()), documents=(sha256(licence).digest(),), levels=("B-LT",))
    live = checking.Register(documents={held.documents[0]: held} if registry == "holds it" else {})
    live.out = registry == "does not answer"
    found = findings(change(licence), trust)
    original = _on_record(change(licence), found, None if registry == "is not asked" else live)
    told = explained_report(replace(found, original=original), Explained.DONE)
    sentences = {
        "holds it": ("original_changed", "original_within"),
        "does not hold it": ("sealed_unknown", "within_unknown"),
        "is not asked": ("sealed_changed", "original_within"),
        "does not answer": ("sealed_changed", "original_within"),
    }[registry]
    assert told.sentence == sentences[change is behind]
    assert told.signer is not None
    assert ("the registry has no record of it" in report_sentence(told, "en")) is (
        registry == "does not hold it"
    )


@pytest.mark.parametrize("change", [with_more, behind])
@pytest.mark.parametrize(
    ("key", "other", "word"),
    [
        ({"state": "compromised", "since": LATER}, {}, "compromised"),
        ({"types": ()}, {}, "refused"),
        ({"sign_to": AT - timedelta(days=1)}, {}, "refused"),
        ({}, {"expires_at": LATER}, "doubtful"),
    ],
    ids=str,
)
def test_of_a_document_within_the_issuer_is_judged(
    change: Callable[[bytes], bytes], key: dict[str, Any], other: dict[str, Any], word: str
) -> None:
    trust = replace(jointly.agencies().with_key(0, **key), **other)
    told = report(change(jointly.forms(3)[2]), trust)
    assert told.sentence == f"{'within' if change is behind else 'sealed'}_{word}"
    assert told.indication == "TOTAL_FAILED"
    if word != "doubtful":
        assert (told.signer, told.sealed_at, told.level) == (None, None, None)
    else:
        assert told.signer is not None


# Files of others: their signatures are told of, and nothing of them is ours.


@cache
def stranger() -> Any:
    return make_office()


@cache
def signed() -> bytes:
    return signed_by(stranger(), drawn_page())


def test_a_licensed_authority_s_signer_is_told_and_it_is_no_licence() -> None:
    """Of a file that shows its certificate good: in another registry's eyes."""
    told = report(long_term.document(0).data, stranger().trust, office().root)
    (one,) = told.signatures
    assert (told.sentence, told.original) == ("licensed", None)
    assert (one.authority, one.coverage, one.level, one.proven) == ("licensed", "whole_file", "B-LT", True)
    assert (told.indication, told.sub_indication) == ("TOTAL_PASSED", None)
    assert one.signer is not None
    for lang in LANGUAGES:
        assert one.signer in report_sentence(told, lang)
    assert "It is no licence of this registry." in report_sentence(told, "en")


def test_a_licensed_signature_of_which_nothing_shows_that_it_was_not_revoked_is_in_doubt() -> None:
    told = report(signed(), office().trust, stranger().root)
    (one,) = told.signatures
    assert (one.authority, one.integrity, one.level) == ("licensed", "intact", "B-B")
    assert (told.indication, told.sub_indication) == ("INDETERMINATE", "TRY_LATER")
    named(told, certified=True)
    assert told.sentence == "licensed_doubt"


def test_a_licensed_time_stamp_of_which_nothing_shows_that_it_was_not_revoked_proves_nothing() -> None:
    told = report(sealed().data, stranger().trust, office().root)
    (one,) = told.signatures
    assert (one.authority, one.proven, one.level) == ("licensed", False, "B-B")


def named(told: Report, *, certified: bool) -> None:
    """A name that nobody known here certifies heads no report and stands in no sentence."""
    name = told.signatures[0].signer
    assert name is not None
    assert told.signer == (name if certified else None)
    for lang in LANGUAGES:
        said = report_sentence(told, lang)
        assert (name in said, table()["pages"]["somebody"][lang] in said) == (certified, not certified)


def test_nobody_s_signer_is_told_with_the_reason() -> None:
    told = report(signed(), office().trust)
    assert (told.sentence, told.signatures[0].authority) == ("stranger", None)
    named(told, certified=False)
    assert (told.indication, told.sub_indication) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")


def test_a_licensed_signature_that_has_expired_is_in_doubt() -> None:
    found = findings(signed(), office().trust, stranger().root, late=True)
    told = explained_report(found, Explained.DONE)
    assert told.indication == "INDETERMINATE"
    assert told.sentence in {"licensed_doubt", "stranger"}


# A listed key over a file that is not of our shape: the very certificate, in the state that the list names.


def listed(**changes: Any) -> TrustList:
    """The list of the office, with the stranger's seal as one that an authority outside certified."""
    there = stranger().authority
    key = replace(there.trusted("seal", there.seal), issuers=(there.issuing, there.root), **changes)
    return replace(office().trust, keys=(*office().trust.keys, key))


def test_a_listed_key_of_an_authority_outside_is_the_registry_s() -> None:
    told = report(signed(), listed())
    (one,) = told.signatures
    assert (one.authority, told.sentence) == ("registry", "other_form")
    assert (told.indication, told.sub_indication) == ("TOTAL_PASSED", None)


@pytest.mark.parametrize("outside", [True, False])
def test_another_certificate_of_the_same_authority_is_not_the_registry_s(outside: bool) -> None:
    """Another subject's, and even the listed key's own."""
    there = stranger().authority if outside else office().authority
    trust = listed() if outside else office().trust
    again = there.certify(ProfileName.SEAL, Subject("Z", "Somebody else"), there.seal_key)
    data = signed_by(replace(stranger(), authority=replace(there, seal=again)), drawn_page())
    told = report(data, trust)
    (one,) = told.signatures
    assert (one.integrity, one.authority, told.sentence) == ("intact", None, "stranger")
    assert (told.indication, told.sub_indication) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")


@pytest.mark.parametrize(
    ("changes", "sub_indication", "sentence"),
    [
        ({"state": "compromised", "since": LATER}, "REVOKED_NO_POE", "key_compromised"),
        ({"state": "retired", "sign_to": LATER - timedelta(minutes=1)}, "OUT_OF_BOUNDS_NO_POE", "registry_doubt"),
        ({"sign_from": LATER + timedelta(minutes=1)}, "OUT_OF_BOUNDS_NO_POE", "registry_doubt"),
    ],
    ids=str,
)  # fmt: skip
def test_a_listed_key_counts_in_the_state_that_the_list_names(
    changes: dict[str, Any], sub_indication: str, sentence: str
) -> None:
    told = report(signed(), listed(**changes))
    assert told.signatures[0].authority == "registry"
    assert (told.indication, told.sub_indication) == ("INDETERMINATE", sub_indication)
    assert told.sentence == sentence


@pytest.mark.parametrize(
    ("changes", "proven"),
    [
        ({}, True),
        ({"state": "compromised", "since": LATER}, True),
        ({"state": "compromised", "since": AT}, False),
        ({"sign_to": AT}, False),
        ({"certificate": None}, False),
    ],
    ids=str,
)
def test_a_time_stamp_proves_by_a_listed_authority_in_its_time(changes: dict[str, Any], proven: bool) -> None:
    keys = tuple(replace(k, **changes) if k.use == "tsa" else k for k in office().trust.keys)
    trust = replace(office().trust, keys=keys)
    reader = PdfFileReader(io.BytesIO(sealed().data))
    *_, (seal,) = signatures(reader, Order(sealed().data, trust, (), LATER), apart=False, compare=True)
    assert (seal.proven, seal.level) == (proven, "B-T" if proven else "B-B")


@pytest.mark.parametrize("listed_too", [True, False])
def test_only_a_time_stamp_that_passes_lifts_the_level(listed_too: bool) -> None:
    """A stranger's over a document at B-LT, and the same where the list names its authority."""
    there, licence = stranger().authority, long_term.document(0).data
    revision = lay_out(read_document(licence), None)
    token = there.stamper.stamp(revision.digest(), f"over:{listed_too}")
    data, trust = revision.stamped(token, (there.issuing,)), office().trust
    if listed_too:
        keys = (*trust.keys, there.trusted("tsa", there.tsa))
        trust = replace(trust, keys=keys, roots=(*trust.roots, there.root))
    reader = PdfFileReader(io.BytesIO(data))
    *_, (seal, stamp) = signatures(reader, Order(data, trust, (), LATER), apart=False, compare=True)
    assert (stamp.kind, stamp.indication == "TOTAL_PASSED") == ("time_stamp", listed_too)
    assert seal.level == ("B-LTA" if listed_too else "B-LT")


def test_another_s_file_that_was_changed_is_not_what_was_signed() -> None:
    told = report(signed().replace(b"/UseNone", b"/UseThis", 1), office().trust, stranger().root)
    assert (told.sentence, told.sub_indication) == ("digest_differs", "HASH_FAILURE")
    named(told, certified=False)
    assert (told.sealed_at, told.level) == (None, None)  # what it claims heads no report


@pytest.mark.parametrize(
    "change", [lambda data: data + b"\n9 0 obj\n<< /Type /Page >>\nendobj\n", lambda data: data + data]
)
def test_what_follows_another_s_signature_fails_it(change: Callable[[bytes], bytes]) -> None:
    """Where general validators look for the last end of file and forgive the rest."""
    told = report(change(signed()), office().trust, stranger().root)
    assert (told.indication, told.sub_indication) == ("TOTAL_FAILED", "FORMAT_FAILURE")
    assert told.sentence == "not_covered"


def test_without_a_trust_list_the_parts_are_named_for_the_registry_to_know() -> None:
    data = sealed().data
    found = findings(data + b"more", None)
    assert found.original is None
    assert (0, len(data)) in found.parts


# What the process says is read strictly: a hostile file has passed through it.

_SIGNATURE = Signature(
    "signature", "Seal1", "X", None, None, "intact", "whole_file", 1, LATER, True, "B-B", "TOTAL_PASSED", None
)  # fmt: skip
_SAID = findings_json(Findings(shape=Shape.READ, signatures=(_SIGNATURE,)))


def changed(place: int, value: object) -> dict[str, Any]:
    signature = list(_SAID["signatures"][0])
    signature[place] = value
    return {**_SAID, "signatures": [signature]}


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {},
        {**_SAID, "shape": "licence"},
        {**_SAID, "parts": [[0]]},
        {**_SAID, "parts": [[-1, 2]]},
        {**_SAID, "revisions": [[1, None, [["valid", None]]]]},
        {**_SAID, "revisions": [[True, None, []]]},
        {**_SAID, "trailing": ["bytes", "1"]},
        {**_SAID, "original": [0, 1, 1, "B-Z", None, None, None]},
        {**_SAID, "original": [0, 1, 1, "B-B", None, None, "accepted"]},
        {**_SAID, "original": [0, 1, 1, "B-B", None, None]},
        changed(0, "seal"),
        changed(1, 5),
        changed(8, "2026-11-20T00:00:00"),
        changed(8, "today"),
        changed(9, 1.5),
        changed(11, "PASSED"),
        changed(12, "FINE"),
        changed(12, []),
    ],
    ids=repr,
)
def test_other_findings_are_refused(said: Any) -> None:
    with pytest.raises(VermilionError) as refused:
        findings_from_json(said)
    assert refused.value.kind.value == "malformed"


def test_of_a_name_only_what_can_be_shown_is_kept() -> None:
    found = findings_from_json(changed(2, "a\x1b[31m\u202eb" + "x" * 999))
    assert found.signatures[0].signer == "a\ufffd[31m\ufffdb" + "x" * (200 - 8)


def test_names_of_any_length_are_cut_before_they_are_sent() -> None:
    long = replace(_SIGNATURE, field="f" * 9999, signer="s" * 9999, issuer="i" * 9999)
    said = json.dumps(findings_json(Findings(shape=Shape.READ, signatures=(long,) * 64)))
    assert len(said) < 64 * 1024
    assert findings_from_json(json.loads(said)).signatures[63].issuer == "i" * 200


def test_a_claimed_year_of_fewer_digits_is_read_as_any_other() -> None:
    early = replace(_SIGNATURE, at=datetime(33, 4, 3, tzinfo=UTC), proven=False)
    found = Findings(shape=Shape.READ, signatures=(early,))
    assert findings_from_json(json.loads(json.dumps(findings_json(found)))) == found
    assert _aware(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))) is None


def answering(*emitted: bytes) -> Validator:
    class Said:
        def run(self, _order: bytes) -> Answer:
            return Answer(How.DONE, emitted)

    return Validator(Said())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "last", [b"", b"{", b"[" * 100_000, b"null", json.dumps(changed(0, "seal")).encode()]
)
def test_where_the_last_word_cannot_be_read_the_one_before_counts(last: bytes) -> None:
    right = json.dumps(_SAID).encode()
    explained, found, _ = answering(right, last).findings(b"", None, LATER)
    assert (explained, found) == (Explained.BROKE, findings_from_json(_SAID))
    assert answering(last).findings(b"", None, LATER)[:2] == (Explained.BROKE, Findings())
    assert answering(last, right).findings(b"", None, LATER)[:2] == (Explained.DONE, found)


# Words.


def test_every_word_is_in_each_language_with_the_same_places() -> None:
    for section, rows in table().items():
        for key, said in rows.items():
            assert tuple(sorted(said)) == tuple(sorted(LANGUAGES)), (section, key)
            places = {
                lang: sorted(p.split("}")[0] for p in text.split("{")[1:]) for lang, text in said.items()
            }
            assert places["zh"] == places["en"] == places["es"], (section, key)


def test_a_name_that_looks_like_a_place_is_not_filled_in() -> None:
    told = replace(report(signed(), office().trust), signer="{added}")
    assert "{added}" in report_sentence(told, "en")
    assert report_json(told)["says"] == {lang: report_sentence(told, lang) for lang in LANGUAGES}


def test_of_many_changes_the_first_few_are_told() -> None:
    many = tuple(Change("page_content", page) for page in range(1, 40))
    said = added_words(many, "en")
    assert said.startswith("page content (page 1), ")
    assert said.endswith("page content (page 5), and more")
