"""Everything about a licence that chance decides: serials, codes, slots, and numbers the registry gives."""

from __future__ import annotations

import re

from stdnum.iso7064 import mod_11_10

from keys.errors import Kind, VermilionError
from registry.ports import Random
from registry.vault import Vault
from signing.codes import CROCKFORD, LOOKUP_CODE_LENGTH
from signing.licence_type import NumberRule

SERIAL_LENGTH = 16
SERIAL_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
STATUS_LIST_SIZE = 2**20

# A number the registry gives is a fixed prefix and random digits: nothing is counted, nothing is guessable.
_REGISTRY_PATTERN = re.compile(r"([A-Z]{0,8})\[0-9\]\{([0-9]{1,2})\}")


def uniform(random: Random, below: int) -> int:
    """A number in [0, below), each equally likely: values that would favour some are drawn again."""
    size = (below.bit_length() + 7) // 8 + 1
    limit = 256**size // below * below
    while (value := int.from_bytes(random(size), "big")) >= limit:
        pass
    return value % below


def new_serial(random: Random) -> str:
    return "".join(SERIAL_ALPHABET[uniform(random, 36)] for _ in range(SERIAL_LENGTH))


def new_lookup_code(random: Random) -> str:
    """8 Crockford characters, 40 bits."""
    value = int.from_bytes(random(5), "big")
    return "".join(CROCKFORD[value >> 5 * place & 31] for place in range(LOOKUP_CODE_LENGTH))


def check_registry_rule(rule: NumberRule) -> None:
    """Raises VermilionError(INVALID) for a type whose numbers the registry should give and cannot."""
    if rule.given_by != "registry":
        return
    match = _REGISTRY_PATTERN.fullmatch(rule.pattern)
    if match is None or not 8 <= int(match[2]) <= 24:
        raise VermilionError(
            Kind.INVALID,
            "numbers that the registry gives are written as capitals, then [0-9]{n} with n from 8 to 24",
            reason="number_pattern",
        )


def new_number(rule: NumberRule, random: Random) -> str:
    """A number by the type's rule, its last digit the check digit where the rule has one."""
    check_registry_rule(rule)
    match = _REGISTRY_PATTERN.fullmatch(rule.pattern)
    assert match is not None
    length = int(match[2])
    if rule.check == "none":
        return match[1] + f"{uniform(random, 10**length):0{length}}"
    digits = f"{uniform(random, 10 ** (length - 1)):0{length - 1}}"
    return match[1] + digits + mod_11_10.calc_check_digit(digits)


def number_mac(vault: Vault, type_code: str, issuer_code: str, number: str) -> bytes:
    """By what a licence number in use is found again: some types number licences as citizens are numbered."""
    return vault.blind("number", type_code, issuer_code, number)
