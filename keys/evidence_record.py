"""Evidence records (RFC 4998): that many objects existed at a time, by one time-stamp over a tree of digests.

An object, or a group of objects that belong together, is a leaf; each has a record of its own, which holds
the time-stamp and the few digests that lead from the leaf to it. Before the time-stamp's certificate or
algorithm weakens it is stamped again (time-stamp renewal, 5.2); before the digests' algorithm does, the
objects are, with a stronger one, together with all that the record held before (hash-tree renewal, 5.2).

Trees are binary, so that a record is small: a million leaves are 21 digests. An odd node goes up as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import new as new_hash
from typing import NoReturn

from keys.der import content_of, integer, members, require_der, tlv
from keys.errors import Kind, VermilionError
from keys.tst_info import digest_algorithm

SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}
"""The digest algorithms, weakest first, and the bytes of a digest."""
MAX_BYTES = 1 << 20
MAX_STAMPS = 200  # a renewal a year, for as long as anything is kept
MAX_LISTS = 64
MAX_IN_LIST = 1024

_SEQUENCE, _OCTETS, _REDUCED = 0x30, 0x04, 0xA2
_VERSION = integer(1)

Lists = tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True, slots=True)
class ArchiveTimeStamp:
    """`lists` is the reduced hash tree (4.1): the first holds the leaf's own digests, each further one what
    is joined to the digest of the one before; none where the time-stamp is over the leaf itself. `algorithm`
    is that of tree and time-stamp; `token` a ContentInfo (DER).
    """

    algorithm: str
    lists: Lists
    token: bytes


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """Chains, oldest first (5.1): in each the time-stamps of one algorithm, each over the one before."""

    chains: tuple[tuple[ArchiveTimeStamp, ...], ...]

    @property
    def newest(self) -> ArchiveTimeStamp:
        return self.chains[-1][-1]


@dataclass(frozen=True, slots=True)
class HashTree:
    """Digests of leaves, and of what joins them, up to the one that is stamped."""

    algorithm: str
    groups: tuple[tuple[bytes, ...], ...]
    levels: tuple[tuple[bytes, ...], ...]

    @classmethod
    def over(cls, algorithm: str, groups: Sequence[Sequence[bytes]]) -> HashTree:
        """Each group the digests of the objects that belong together. Raises ValueError for none, for an
        empty group and for digests of another length.
        """
        size = SIZES[algorithm]
        if not groups or any(not group for group in groups):
            raise ValueError("a leaf stands for an object")
        if any(len(digest) != size for group in groups for digest in group):
            raise ValueError("a digest of another algorithm")
        level = tuple(_leaf(algorithm, group) for group in groups)
        levels = [level]
        while len(level) > 1:
            pairs = zip(level[::2], level[1::2], strict=False)
            above = [_joined(algorithm, pair) for pair in pairs]
            level = tuple(above + [level[-1]] * (len(level) % 2))
            levels.append(level)
        return cls(algorithm, tuple(tuple(sorted(group)) for group in groups), tuple(levels))

    @property
    def root(self) -> bytes:
        return self.levels[-1][0]

    def stamped(self, leaf: int, token: bytes) -> ArchiveTimeStamp:
        """What leads from a leaf to the time-stamp over the root (4.2)."""
        beside, at = [], leaf
        for level in self.levels[:-1]:
            if at ^ 1 < len(level):
                beside.append(level[at ^ 1])
            at >>= 1
        group = self.groups[leaf]
        if len(group) > 1:
            lists = (group, *((one,) for one in beside))
        elif beside:
            lists = (tuple(sorted((*group, beside[0]))), *((one,) for one in beside[1:]))
        else:
            lists = ()
        return ArchiveTimeStamp(self.algorithm, lists, token)

    def records(self, token: bytes) -> Iterator[bytes]:
        """Of each leaf in turn `encode_record(first_record(self.stamped(leaf, token)))`: a night has so many
        that what they share is written once.
        """
        before = tlv(_SEQUENCE, digest_algorithm(self.algorithm))
        for lists in self._lists(len(self.levels) - 1, 0, b""):
            stamp = tlv(_SEQUENCE, tlv(_REDUCED, lists) if lists else b"", token)
            yield tlv(_SEQUENCE, _VERSION, before, tlv(_SEQUENCE, tlv(_SEQUENCE, stamp)))

    def _lists(self, height: int, at: int, above: bytes) -> Iterator[bytes]:
        """Encoded, of the leaves below a node, given the lists above it."""
        if height == 0:
            group = self.groups[at]
            if len(group) > 1 or not above:
                yield (_list(group) if len(group) > 1 else b"") + above
            else:  # one object stands in a list with what it is joined to
                rest = len(_list(group))
                yield _list(sorted((group[0], above[rest - len(group[0]) : rest]))) + above[rest:]
            return
        below = self.levels[height - 1]
        for child in (2 * at, 2 * at + 1):
            other = child ^ 1
            if child == len(below):
                return
            if other == len(below):
                yield from self._lists(height - 1, child, above)
            else:
                yield from self._lists(height - 1, child, _list((below[other],)) + above)


def first_record(stamp: ArchiveTimeStamp) -> EvidenceRecord:
    return EvidenceRecord(((stamp,),))


def renewal_digest(record: EvidenceRecord) -> bytes:
    """The leaf of a time-stamp renewal (5.2): the digest of the newest time-stamp, by its own algorithm."""
    return _digest(record.newest.algorithm, record.newest.token)


def with_stamp_renewed(record: EvidenceRecord, stamp: ArchiveTimeStamp) -> EvidenceRecord:
    """`stamp` is over `renewal_digest`. Raises ValueError for one by another algorithm."""
    if stamp.algorithm != record.newest.algorithm:
        raise ValueError("a time-stamp of another algorithm begins a chain of its own")
    return EvidenceRecord((*record.chains[:-1], (*record.chains[-1], stamp)))


def renewal_group(record: EvidenceRecord, algorithm: str, digests: Sequence[bytes]) -> list[bytes]:
    """The leaf of a hash-tree renewal (5.2): of each object its digest by the new algorithm, joined with that
    of all chains so far.
    """
    chains = _digest(algorithm, _chains(record.chains))
    return [_digest(algorithm, digest + chains) for digest in digests]


def with_tree_renewed(record: EvidenceRecord, stamp: ArchiveTimeStamp) -> EvidenceRecord:
    """`stamp` leads to a time-stamp from the leaf `renewal_group`."""
    return EvidenceRecord((*record.chains, (stamp,)))


def encode_record(record: EvidenceRecord) -> bytes:
    """EvidenceRecord (DER), version 1, without encryption."""
    algorithms = dict.fromkeys(chain[0].algorithm for chain in record.chains)
    return tlv(
        _SEQUENCE,
        _VERSION,
        tlv(_SEQUENCE, *(digest_algorithm(name) for name in algorithms)),
        _chains(record.chains),
    )


def parse_record(der: bytes) -> EvidenceRecord:
    """Read an evidence record in the encoding of `encode_record`, which is all that is taken.

    Raises VermilionError(INVALID), reason "evidence".
    """
    if len(der) > MAX_BYTES:
        _refuse("the evidence record is too long")
    try:
        require_der(der)
        _version, _algorithms, sequence = members(der, _SEQUENCE)
        chains = tuple(
            tuple(_read_stamp(stamp) for stamp in members(chain, _SEQUENCE))
            for chain in members(sequence, _SEQUENCE)
        )
    except ValueError:
        _refuse("the evidence record is not of the form of RFC 4998, or holds what is not known here")
    record = EvidenceRecord(chains)
    if not chains or not all(chains) or sum(map(len, chains)) > MAX_STAMPS:
        _refuse("the evidence record has no time-stamp, or too many")
    if any(stamp.algorithm != chain[0].algorithm for chain in chains for stamp in chain):
        _refuse("the evidence record mixes algorithms in one chain")
    if encode_record(record) != der:
        _refuse("the evidence record is encoded otherwise than ours are")
    return record


def verify_record(
    record: EvidenceRecord,
    digests: Mapping[str, Sequence[bytes]],
    verify: Callable[[bytes, bytes, str], datetime],
) -> tuple[datetime, ...]:
    """Verify a record of an object, or of all objects of a group (5.3): that they existed.

    `digests` are theirs, by algorithm, for each that the record's chains have. `verify` takes a token, the
    digest that it has to be over and that one's algorithm; it returns the token's time and raises
    VermilionError for one that proves nothing. Returned are the times, oldest first: each token but the last
    had to be good when the next one was made, which is for the caller to ask of its key.

    Raises VermilionError(INVALID), reason "evidence"; and whatever `verify` raises.
    """
    times: list[datetime] = []
    for number, chain in enumerate(record.chains):
        algorithm = chain[0].algorithm
        if algorithm not in digests:
            _refuse(f"the objects' digests by {algorithm} are wanted")
        leaf = list(digests[algorithm])
        if number:
            leaf = renewal_group(EvidenceRecord(record.chains[:number]), algorithm, leaf)
        for stamp in chain:
            at = verify(stamp.token, _root(stamp, leaf), algorithm)
            if times and at < times[-1]:
                _refuse("a time-stamp of the evidence record is older than what it renews")
            times.append(at)
            leaf = [_digest(algorithm, stamp.token)]
    return tuple(times)


def _root(stamp: ArchiveTimeStamp, leaf: Sequence[bytes]) -> bytes:
    """What the reduced hash tree leads to from a leaf (4.3)."""
    if not leaf:
        _refuse("the evidence record is of an object")
    if not stamp.lists:
        return _leaf(stamp.algorithm, leaf)
    first = stamp.lists[0]
    if list(first) != sorted(leaf) if len(leaf) > 1 else leaf[0] not in first:
        _refuse("the evidence record is of other objects")
    found = _joined(stamp.algorithm, first)
    for others in stamp.lists[1:]:
        found = _joined(stamp.algorithm, (*others, found))
    return found


def _leaf(algorithm: str, group: Sequence[bytes]) -> bytes:
    return group[0] if len(group) == 1 else _joined(algorithm, group)


def _joined(algorithm: str, digests: Sequence[bytes]) -> bytes:
    """In binary ascending order (4.2)."""
    return _digest(algorithm, b"".join(sorted(digests)))


def _digest(algorithm: str, data: bytes) -> bytes:
    return new_hash(algorithm, data).digest()


def _chains(chains: Sequence[Sequence[ArchiveTimeStamp]]) -> bytes:
    """ArchiveTimeStampSequence."""
    return tlv(_SEQUENCE, *(tlv(_SEQUENCE, *map(_stamp, chain)) for chain in chains))


def _stamp(stamp: ArchiveTimeStamp) -> bytes:
    """The algorithm is the time-stamp's own (4.1), and stands nowhere else."""
    lists = tlv(_REDUCED, *(_list(some) for some in stamp.lists)) if stamp.lists else b""
    return tlv(_SEQUENCE, lists, stamp.token)


def _list(digests: Sequence[bytes]) -> bytes:
    """PartialHashtree."""
    return tlv(_SEQUENCE, *(tlv(_OCTETS, one) for one in digests))


def _read_stamp(element: bytes) -> ArchiveTimeStamp:
    """Raises ValueError."""
    *reduced, token = members(element, _SEQUENCE)
    algorithm = _algorithm_of(token)
    if len(reduced) > 1:
        raise ValueError("attributes, or an algorithm of its own")
    found = [members(one, _SEQUENCE) for one in members(reduced[0], _REDUCED)] if reduced else []
    if len(found) > MAX_LISTS or any(not 1 <= len(some) <= MAX_IN_LIST for some in found):
        raise ValueError("too many digests, or none")
    lists = tuple(tuple(content_of(one, _OCTETS) for one in some) for some in found)
    if any(len(one) != SIZES[algorithm] for some in lists for one in some):
        raise ValueError("a digest of another algorithm")
    return ArchiveTimeStamp(algorithm, lists, token)


def _algorithm_of(token: bytes) -> str:
    """That of the digest which a token is over. Raises ValueError."""
    _kind, wrapped = members(token, _SEQUENCE)
    _version, _digests, encapsulated, *_rest = members(content_of(wrapped, 0xA0), _SEQUENCE)
    _content, octets = members(encapsulated, _SEQUENCE)
    info = content_of(content_of(octets, 0xA0), _OCTETS)
    _version, _policy, imprint, *_rest = members(info, _SEQUENCE)
    algorithm, _hashed = members(imprint, _SEQUENCE)
    for name in SIZES:
        if algorithm == digest_algorithm(name):
            return name
    raise ValueError("a digest algorithm that is not known here")


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason="evidence")
