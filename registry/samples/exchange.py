"""What the sample exchange holds of the sample holders, as files that the sample connector reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from keys.canonical import canonical_json
from registry.intake.connectors import ConnectorFile, read_connector
from registry.intake.folder_connector import CORRECTIONS, SERVING, holder_file
from registry.samples import sample_requests
from signing.verdict import instant

CONNECTOR = Path(__file__).with_name("connectors") / "yunxi-exchange.toml"
FOOD, TEACHER = "food-business-licence", "teacher-qualification"


@dataclass(frozen=True, slots=True)
class Held:
    """What a data set holds of one holder."""

    data_set: str
    holder_type: str
    holder_code: str
    fields: Mapping[str, str]


def sample_connector() -> ConnectorFile:
    """The sample connector, as its file says."""
    return read_connector(CONNECTOR.read_bytes(), CONNECTOR.name)


def sample_holdings() -> Iterator[Held]:
    """Of each sample holder what the three data sets hold: the same that their licences say."""
    for one in sample_requests(slug=FOOD):
        fields = {name: str(value) for name, value in one["fields"].items()}
        code = fields["credit_code"]
        told = {
            "name": fields["operator_name"],
            "credit_code": code,
            "legal_representative": fields["representative"],
            "domicile": fields["domicile"],
            "state": "存续",
        }
        yield Held("business-registration", "001", code, told)
    for one in sample_requests(slug=TEACHER):
        fields = {name: str(value) for name, value in one["fields"].items()}
        code = fields["citizen_id"]
        told = {
            "name": fields["holder_name"],
            "sex": fields["sex"],
            "birth_month": fields["birth_month"],
            "nationality": fields["nationality"],
        }
        yield Held("population", "111", code, told)
        yield Held("education", "111", code, {"name": fields["holder_name"], "level": "本科"})


def put_down(exchange: Path, as_of: datetime) -> None:
    """Fill the sample connector's folder below `exchange` (`Settings.exchange_directory`)."""
    connector = sample_connector()
    folder = exchange / connector.code
    for name in (CORRECTIONS, *(one.code for one in connector.data_sets)):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for one in sample_holdings():
        value = {
            "data_set": one.data_set,
            "holder": {"type": one.holder_type, "code": one.holder_code},
            "result": "found",
            "fields": dict(one.fields),
            "as_of": instant(as_of),
        }
        data = canonical_json(value)
        path = folder / one.data_set / holder_file(one.holder_type, one.holder_code)
        path.write_bytes(data)
        path.with_name(f"{path.name}.sha256").write_text(sha256(data).hexdigest(), "ascii")
    for data_set in connector.data_sets:
        (folder / data_set.code / SERVING).touch()
