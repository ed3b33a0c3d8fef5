"""Evidence records: what they prove, what they do not, and renewals over the years."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import new as new_hash
from hashlib import sha256, sha512
from typing import Any, ClassVar

import pytest
from asn1crypto import cms, core
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.der import members, tlv
from keys.errors import Kind, VermilionError
from keys.evidence_record import (
    MAX_BYTES,
    ArchiveTimeStamp,
    EvidenceRecord,
    HashTree,
    encode_record,
    first_record,
    parse_record,
    renewal_digest,
    renewal_group,
    verify_record,
    with_stamp_renewed,
    with_tree_renewed,
)
from keys.time_stamp import verify_token
from keys.tsp import TimeStampRequest
from keys.tst_info import message_imprint
from tests.authority import TestAuthority


def token_over(authority: TestAuthority, root: bytes, algorithm: str) -> bytes:
    request = TimeStampRequest(message_imprint(root, algorithm), None, b"", True)
    return authority.stamper.grant(request)


def verifier(authority: TestAuthority) -> Callable[[bytes, bytes, str], datetime]:
    trust = authority.trust()

    def verify(token: bytes, digest: bytes, algorithm: str) -> datetime:
        return verify_token(token, digest, trust=trust, algorithm=algorithm).gen_time

    return verify


def records(
    authority: TestAuthority, algorithm: str, groups: Sequence[Sequence[bytes]]
) -> list[EvidenceRecord]:
    tree = HashTree.over(algorithm, groups)
    token = token_over(authority, tree.root, algorithm)
    found = [first_record(tree.stamped(leaf, token)) for leaf in range(len(groups))]
    assert list(tree.records(token)) == [encode_record(record) for record in found]
    return found


def digest(algorithm: str, text: str) -> bytes:
    return new_hash(algorithm, text.encode()).digest()


def refused(call: Callable[[], Any], reason: str = "evidence") -> None:
    with pytest.raises(VermilionError) as error:
        call()
    assert (error.value.kind, error.value.reason) == (Kind.INVALID, reason)


texts = st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=4, unique=True), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None)
@given(texts, st.sampled_from(["sha256", "sha384", "sha512"]))
def test_every_leaf_is_proved_and_nothing_else(
    authority: TestAuthority, names: list[list[str]], algorithm: str
) -> None:
    groups = [[digest(algorithm, f"{n}:{name}") for name in group] for n, group in enumerate(names)]
    verify = verifier(authority)
    for group, record in zip(groups, records(authority, algorithm, groups), strict=True):
        again = parse_record(encode_record(record))
        assert again == record
        assert len(verify_record(again, {algorithm: group}, verify)) == 1
        stranger = digest(algorithm, "stranger")
        reason = "evidence" if record.newest.lists else "time_stamp"
        refused(lambda: verify_record(record, {algorithm: [stranger]}, verify), reason)  # noqa: B023
        reason = "time_stamp" if len(group) == 1 and not record.newest.lists else "evidence"
        refused(lambda: verify_record(record, {algorithm: [*group, stranger]}, verify), reason)  # noqa: B023
        for one in group:  # each existed; some of them are not the group
            assert verify_record(record, {algorithm: [one]}, verify) == verify_record(
                record, {algorithm: group}, verify
            )
        if len(group) > 2:
            refused(lambda: verify_record(record, {algorithm: group[1:]}, verify))  # noqa: B023
    refused(lambda: verify_record(record, {algorithm: []}, verify))


def test_a_tree_is_what_section_4_2_builds() -> None:
    """Three leaves, one of them a group of two, joined by hand."""
    a, b, c, d = (sha256(name).digest() for name in (b"a", b"b", b"c", b"d"))

    def joined(*digests: bytes) -> bytes:
        return sha256(b"".join(sorted(digests))).digest()

    tree = HashTree.over("sha256", [[a], [c, b], [d]])
    group = joined(b, c)
    assert tree.root == joined(joined(a, group), d)
    assert tree.stamped(0, b"").lists == (tuple(sorted((a, group))), (d,))
    assert tree.stamped(1, b"").lists == (tuple(sorted((b, c))), (a,), (d,))
    assert tree.stamped(2, b"").lists == (tuple(sorted((d, joined(a, group)))),)
    alone = HashTree.over("sha256", [[a]])
    assert (alone.root, alone.stamped(0, b"").lists) == (a, ())
    wrong: list[list[list[bytes]]] = [[], [[]], [[a], []], [[a[1:]]], [[sha512(b"a").digest()]]]
    for groups in wrong:
        with pytest.raises(ValueError, match="a "):
            HashTree.over("sha256", groups)


class Algorithms(core.SequenceOf):  # type: ignore[misc]
    _child_spec = cms.DigestAlgorithm


class PartialHashtree(core.SequenceOf):  # type: ignore[misc]
    _child_spec = core.OctetString


class ReducedHashtree(core.SequenceOf):  # type: ignore[misc]
    _child_spec = PartialHashtree


class Stamp(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[list[Any]] = [
        ("digestAlgorithm", cms.DigestAlgorithm, {"implicit": 0, "optional": True}),
        ("attributes", cms.CMSAttributes, {"implicit": 1, "optional": True}),
        ("reducedHashtree", ReducedHashtree, {"implicit": 2, "optional": True}),
        ("timeStamp", cms.ContentInfo),
    ]


class Chain(core.SequenceOf):  # type: ignore[misc]
    _child_spec = Stamp


class Chains(core.SequenceOf):  # type: ignore[misc]
    _child_spec = Chain


class Record(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[list[Any]] = [
        ("version", core.Integer),
        ("digestAlgorithms", Algorithms),
        ("cryptoInfos", core.Sequence, {"implicit": 0, "optional": True}),
        ("encryptionInfo", core.Sequence, {"implicit": 1, "optional": True}),
        ("archiveTimeStampSequence", Chains),
    ]


def test_it_is_written_as_rfc_4998_says(authority: TestAuthority) -> None:
    """Read with the syntax of its appendix A, by a library."""

    record = records(authority, "sha256", [[digest("sha256", f"{n}")] for n in range(5)])[2]
    read = Record.load(encode_record(record), strict=True)
    assert read["version"].native == 1
    assert [one["algorithm"].native for one in read["digestAlgorithms"]] == ["sha256"]
    ((stamp,),) = read["archiveTimeStampSequence"]
    assert stamp["digestAlgorithm"].native is None
    assert tuple(map(tuple, stamp["reducedHashtree"].native)) == record.newest.lists
    assert stamp["timeStamp"].dump() == record.newest.token


def test_it_is_renewed_over_the_years(authority: TestAuthority) -> None:
    """Two time-stamp renewals, then a stronger digest for everything, then one more renewal of each kind."""
    words = {"own": ["licence", "record"], "other": ["another"]}

    def groups(algorithm: str) -> list[list[bytes]]:
        return [[digest(algorithm, word) for word in some] for some in words.values()]

    record, beside = records(authority, "sha256", groups("sha256"))
    for _ in range(2):
        # Both have the same token, so one leaf renews both; other nights' tokens share the tree.
        assert renewal_digest(record) == renewal_digest(beside)
        tree = HashTree.over("sha256", [[renewal_digest(record)], [digest("sha256", "another night's")]])
        record = with_stamp_renewed(record, tree.stamped(0, token_over(authority, tree.root, "sha256")))
        beside = with_stamp_renewed(beside, record.newest)
    old = record
    for algorithm in ("sha512", "sha384"):
        mine, theirs = groups(algorithm)
        leaves = [renewal_group(record, algorithm, mine), renewal_group(beside, algorithm, theirs)]
        tree = HashTree.over(algorithm, leaves)
        token = token_over(authority, tree.root, algorithm)
        record = with_tree_renewed(record, tree.stamped(0, token))
        beside = with_tree_renewed(beside, tree.stamped(1, token))
    last = HashTree.over("sha384", [[renewal_digest(record)]])
    record = with_stamp_renewed(record, last.stamped(0, token_over(authority, last.root, "sha384")))

    verify = verifier(authority)
    digests = {name: groups(name)[0] for name in ("sha256", "sha384", "sha512")}
    read = parse_record(encode_record(record))
    assert [len(chain) for chain in read.chains] == [3, 1, 2]
    assert len(verify_record(read, digests, verify)) == 6
    assert verify_record(old, digests, verify) == verify_record(read, digests, verify)[:3]
    others = {name: groups(name)[1] for name in digests}
    refused(lambda: verify_record(read, others, verify))
    refused(lambda: verify_record(read, {"sha256": digests["sha256"]}, verify))
    # The stronger digest is of the same objects, and of all that was there before.
    refused(lambda: verify_record(read, digests | {"sha512": others["sha512"]}, verify))
    cut = EvidenceRecord((read.chains[0][:2], *read.chains[1:]))
    refused(lambda: verify_record(cut, digests, verify))
    mixed = EvidenceRecord((read.chains[0], read.chains[2]))
    refused(lambda: verify_record(mixed, digests, verify))
    with pytest.raises(ValueError, match="chain"):
        with_stamp_renewed(record, old.newest)


def test_a_renewal_is_not_older_than_what_it_renews(authority: TestAuthority) -> None:
    digests = {"sha256": [digest("sha256", "licence")]}
    (record,) = records(authority, "sha256", [digests["sha256"]])
    stamp = ArchiveTimeStamp("sha256", (), token_over(authority, renewal_digest(record), "sha256"))
    renewed = with_stamp_renewed(record, stamp)
    times = iter([datetime(2027, 1, 1), datetime(2026, 1, 1)])
    refused(lambda: verify_record(renewed, digests, lambda *_: next(times)))


def test_another_encoding_is_refused(authority: TestAuthority) -> None:
    groups: list[list[bytes]] = [[digest("sha256", f"{n}"), digest("sha256", f"{n}+")] for n in range(3)]
    record = records(authority, "sha256", groups)[0]
    der = encode_record(record)
    verify = verifier(authority)
    for at in range(len(der)):
        changed = bytearray(der)
        changed[at] ^= 1
        with pytest.raises(VermilionError):
            verify_record(parse_record(bytes(changed)), {"sha256": groups[0]}, verify)
    for bad in (b"", b"\x30\x00", der[:-1], der + b"\x00", b"\x30\x80" + der[2:], b"\x00" * (MAX_BYTES + 1)):
        refused(lambda: parse_record(bad))  # noqa: B023
    many = replace(record.newest, lists=record.newest.lists * 40)
    refused(lambda: parse_record(encode_record(first_record(many))))
    version, algorithms, _chains = members(der, 0x30)
    for chains in (tlv(0x30), tlv(0x30, tlv(0x30))):
        refused(lambda: parse_record(tlv(0x30, version, algorithms, chains)))  # noqa: B023
