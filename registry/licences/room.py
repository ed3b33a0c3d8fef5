"""Has the face room for what is asked? Found out before anything is reserved and any key touched."""

from __future__ import annotations

from registry.licences.examine import Examined
from registry.licences.numbers import STATUS_LIST_SIZE, new_lookup_code, new_number, new_serial
from registry.licences.printing import unsigned_credential
from registry.licences.reserve import edition_record
from registry.licences.taking import Taken
from registry.ports import Ports
from signing.credential import link_text
from signing.draw import measure
from signing.record import Printout


def require_room(ports: Ports, examined: Examined, issuer_code: str) -> None:
    """Measure the values on the face, with stand-ins of the right length for what is reserved later.

    Raises VermilionError(INVALID): `overflow` with one fault a field, `qr_too_large`, `credential_too_large`.
    """
    licence_type, origin, random = examined.loaded.type, ports.settings.public_origin, ports.random
    number = examined.number or new_number(licence_type.number, random)
    slot = 0, STATUS_LIST_SIZE - 1
    taken = Taken("", new_serial(random), number)
    record = edition_record(examined, issuer_code, taken, slot, specimen=False)
    link_id = random(16)
    printout = Printout(
        record=record,
        link=link_text(origin, link_id),
        credential=unsigned_credential(record, licence_type),
        lookup_code=new_lookup_code(random),
        photo=examined.photo,
    )
    measure(printout, licence_type, examined.loaded.face, ports.fonts)
