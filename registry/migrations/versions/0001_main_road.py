"""The main road: agencies, seals, licences, intents and the log.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agency",
        sa.Column("code", sa.String(length=18), nullable=False),
        sa.Column("name_zh", sa.String(length=120), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=False),
        sa.Column("division", sa.String(length=6), nullable=False),
        sa.Column("seal_authority", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_agency")),
    )
    op.create_table(
        "archive_audit",
        sa.Column("store", sa.String(length=20), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("after", sa.String(length=32), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("store", name=op.f("pk_archive_audit")),
    )
    op.create_table(
        "archive_claim",
        sa.Column("subject_kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject_kind", "subject", name=op.f("pk_archive_claim")),
    )
    with op.batch_alter_table("archive_claim", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_archive_claim_until"), ["until"], unique=False)

    op.create_table(
        "archive_drill",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("store", sa.String(length=20), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("packages", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_drill")),
    )
    with op.batch_alter_table("archive_drill", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_archive_drill_ended_at"), ["ended_at"], unique=False)

    op.create_table(
        "archive_due",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("subject_kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("occasion", sa.String(length=40), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("package_id", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_archive_due")),
    )
    with op.batch_alter_table("archive_due", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_archive_due_package_id_due_at"), ["package_id", "due_at"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_archive_due_subject_kind_subject"), ["subject_kind", "subject"], unique=False
        )

    op.create_table(
        "archive_erasure",
        sa.Column("store", sa.String(length=20), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("number", sa.String(length=100), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("store", "key", name=op.f("pk_archive_erasure")),
    )
    with op.batch_alter_table("archive_erasure", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_archive_erasure_number_erased_at"), ["number", "erased_at"], unique=False
        )

    op.create_table(
        "archive_night",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("algorithm", sa.String(length=10), nullable=False),
        sa.Column("packages", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_night")),
    )
    with op.batch_alter_table("archive_night", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_archive_night_day"), ["day"], unique=False)

    op.create_table(
        "archive_serial",
        sa.Column("fonds", sa.String(length=40), nullable=False),
        sa.Column("catalogue", sa.String(length=40), nullable=False),
        sa.Column("next", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("fonds", "catalogue", name=op.f("pk_archive_serial")),
    )
    op.create_table(
        "archive_statement",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("input_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signed", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_statement")),
    )
    op.create_table(
        "attempt_bucket",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("empty_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_attempt_bucket")),
    )
    with op.batch_alter_table("attempt_bucket", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attempt_bucket_empty_at"), ["empty_at"], unique=False)

    op.create_table(
        "check_figure",
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("site", sa.String(length=200), nullable=False),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agency_code", "day", "verdict", "site", name=op.f("pk_check_figure")),
    )
    op.create_table(
        "closed_day",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_closed_day")),
    )
    op.create_table(
        "connector",
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("toml", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", "version", name=op.f("pk_connector")),
    )
    op.create_table(
        "connector_secret",
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.String(length=60), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", "number", name=op.f("pk_connector_secret")),
    )
    op.create_table(
        "data_key",
        sa.Column("use", sa.String(length=12), nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("wrapping_key_id", sa.String(length=32), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("use", "generation", name=op.f("pk_data_key")),
    )
    op.create_table(
        "day_anchor",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("to_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("authority", sa.String(length=120), nullable=False),
        sa.Column("stamped_by", sa.String(length=64), nullable=False),
        sa.Column("gen_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_day_anchor")),
    )
    with op.batch_alter_table("day_anchor", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_day_anchor_from_at"), ["from_at"], unique=False)

    op.create_table(
        "figure",
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("figure", sa.String(length=20), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agency_code", "day", "figure", name=op.f("pk_figure")),
    )
    op.create_table(
        "founding",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_founding")),
    )
    op.create_table(
        "holiday_notice",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("days", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("year", "version", name=op.f("pk_holiday_notice")),
    )
    op.create_table(
        "key_use",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("record", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signed", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_use")),
        sa.UniqueConstraint("key_id", "record", name=op.f("uq_key_use_key_id_record")),
    )
    with op.batch_alter_table("key_use", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_key_use_begun_at_id"), ["begun_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_key_use_digest"), ["digest"], unique=False)

    op.create_table(
        "key_use_block",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("begun", sa.Integer(), nullable=True),
        sa.Column("failed", sa.Integer(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_use_block")),
    )
    with op.batch_alter_table("key_use_block", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_key_use_block_key_id"), ["key_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_key_use_block_opened_at_id"), ["opened_at", "id"], unique=False)

    op.create_table(
        "matter_list",
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("owner", sa.String(length=18), nullable=False),
        sa.Column("division", sa.String(length=6), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("effective_to", sa.Date(), nullable=True),
        sa.Column("toml", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", "version", name=op.f("pk_matter_list")),
    )
    op.create_table(
        "outside_authority",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("hosts", sa.String(length=1000), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_outside_authority")),
        sa.UniqueConstraint("name", name=op.f("uq_outside_authority_name")),
    )
    op.create_table(
        "outside_evidence",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_outside_evidence")),
    )
    op.create_table(
        "published_trust_list",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("jws", sa.String(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_published_trust_list")),
    )
    op.create_table(
        "status_list",
        sa.Column("list", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lst", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("list", name=op.f("pk_status_list")),
    )
    op.create_table(
        "time_stamp",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("record", sa.String(length=120), nullable=False),
        sa.Column("gen_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("info", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_time_stamp")),
    )
    with op.batch_alter_table("time_stamp", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_time_stamp_gen_time"), ["gen_time"], unique=False)
        batch_op.create_index(batch_op.f("ix_time_stamp_record"), ["record"], unique=False)

    op.create_table(
        "trust_list_draft",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("input_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_trust_list_draft")),
    )
    op.create_table(
        "type_version",
        sa.Column("code", sa.String(length=21), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=60), nullable=False),
        sa.Column("type_toml", sa.String(), nullable=False),
        sa.Column("face_pdf", sa.LargeBinary(), nullable=False),
        sa.Column("face_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", "version", name=op.f("pk_type_version")),
    )
    op.create_table(
        "uncounted",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("figure", sa.String(length=20), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_uncounted")),
    )
    op.create_table(
        "used_assertion",
        sa.Column("issuer", sa.String(length=32), nullable=False),
        sa.Column("jti_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "jti_sha256", name=op.f("pk_used_assertion")),
    )
    with op.batch_alter_table("used_assertion", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_used_assertion_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "used_challenge",
        sa.Column("challenge_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("challenge_sha256", name=op.f("pk_used_challenge")),
    )
    with op.batch_alter_table("used_challenge", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_used_challenge_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "verifier",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("key_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=False),
        sa.Column("per_day", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifier")),
        sa.UniqueConstraint("key_sha256", name=op.f("uq_verifier_key_sha256")),
    )
    op.create_table(
        "archive_arrival",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=100), nullable=True),
        sa.Column("from_code", sa.String(length=40), nullable=False),
        sa.Column("from_name", sa.String(length=120), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("handover", sa.String(length=32), nullable=True),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("package_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["agency_code"], ["agency.code"], name=op.f("fk_archive_arrival_agency_code_agency")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_arrival")),
    )
    with op.batch_alter_table("archive_arrival", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_archive_arrival_package_id"), ["package_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_archive_arrival_sha256"), ["sha256"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_archive_arrival_state_lease_until"), ["state", "lease_until"], unique=False
        )

    op.create_table(
        "archive_figure",
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agency_code"], ["agency.code"], name=op.f("fk_archive_figure_agency_code_agency")
        ),
        sa.PrimaryKeyConstraint("agency_code", name=op.f("pk_archive_figure")),
    )
    op.create_table(
        "archive_handover",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("to_code", sa.String(length=40), nullable=False),
        sa.Column("to_name", sa.String(length=120), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("packages", sa.Integer(), nullable=False),
        sa.Column("listed", sa.LargeBinary(), nullable=False),
        sa.Column("signed", sa.Text(), nullable=False),
        sa.Column("receipt", sa.LargeBinary(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["agency_code"], ["agency.code"], name=op.f("fk_archive_handover_agency_code_agency")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_handover")),
    )
    with op.batch_alter_table("archive_handover", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_archive_handover_agency_code_made_at"), ["agency_code", "made_at"], unique=False
        )

    op.create_table(
        "archive_night_stamp",
        sa.Column("night_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("stamped_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stamped_by", sa.String(length=64), nullable=False),
        sa.Column("followed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["night_id"], ["archive_night.id"], name=op.f("fk_archive_night_stamp_night_id_archive_night")
        ),
        sa.PrimaryKeyConstraint("night_id", "number", name=op.f("pk_archive_night_stamp")),
    )
    with op.batch_alter_table("archive_night_stamp", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_archive_night_stamp_stamped_by_followed"), ["stamped_by", "followed"], unique=False
        )

    op.create_table(
        "archive_package",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("subject_kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=100), nullable=False),
        sa.Column("fonds", sa.String(length=40), nullable=False),
        sa.Column("catalogue", sa.String(length=40), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("occasion", sa.String(length=40), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("type_code", sa.String(length=21), nullable=True),
        sa.Column("identifier", sa.String(length=120), nullable=False),
        sa.Column("retention", sa.String(length=10), nullable=False),
        sa.Column("retention_until", sa.Date(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("manifest_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("items", sa.Integer(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["agency_code"], ["agency.code"], name=op.f("fk_archive_package_agency_code_agency")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_package")),
        sa.UniqueConstraint("number", "sequence", name=op.f("uq_archive_package_number_sequence")),
        sa.UniqueConstraint(
            "subject_kind",
            "subject",
            "sequence",
            name=op.f("uq_archive_package_subject_kind_subject_sequence"),
        ),
    )
    with op.batch_alter_table("archive_package", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_archive_package_agency_code_year_id"), ["agency_code", "year", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_archive_package_identifier"), ["identifier"], unique=False)
        batch_op.create_index(batch_op.f("ix_archive_package_sha256"), ["sha256"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_archive_package_state_lease_until"), ["state", "lease_until"], unique=False
        )

    op.create_table(
        "client",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("certificate_required", sa.Boolean(), nullable=False),
        sa.Column("console", sa.Boolean(), nullable=False),
        sa.Column("public_form", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("NOT console OR secret_sha256 IS NULL", name=op.f("ck_client_console_secret")),
        sa.CheckConstraint(
            "NOT public_form OR (secret_sha256 IS NULL AND NOT console)", name=op.f("ck_client_form_secret")
        ),
        sa.ForeignKeyConstraint(["agency_code"], ["agency.code"], name=op.f("fk_client_agency_code_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client")),
    )
    with op.batch_alter_table("client", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_client_agency_code_name_id"), ["agency_code", "name", "id"], unique=False
        )
        batch_op.create_index(
            "uq_client_console",
            ["agency_code"],
            unique=True,
            sqlite_where=sa.text("console"),
            postgresql_where=sa.text("console"),
        )
        batch_op.create_index(
            "uq_client_public_form",
            ["agency_code"],
            unique=True,
            sqlite_where=sa.text("public_form"),
            postgresql_where=sa.text("public_form"),
        )

    op.create_table(
        "key",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("suite", sa.String(length=20), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_code"], ["agency.code"], name=op.f("fk_key_agency_code_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key")),
    )
    with op.batch_alter_table("key", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_key_agency_code_purpose"), ["agency_code", "purpose"], unique=False
        )
        batch_op.create_index(
            "one_active_root",
            ["purpose"],
            unique=True,
            sqlite_where=sa.text("purpose = 'root-ca' AND state = 'active'"),
            postgresql_where=sa.text("purpose = 'root-ca' AND state = 'active'"),
        )

    op.create_table(
        "licence",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("type_code", sa.String(length=21), nullable=False),
        sa.Column("issuer_code", sa.String(length=18), nullable=False),
        sa.Column("serial", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["issuer_code"], ["agency.code"], name=op.f("fk_licence_issuer_code_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_licence")),
        sa.UniqueConstraint(
            "type_code", "issuer_code", "serial", name=op.f("uq_licence_type_code_issuer_code_serial")
        ),
    )
    op.create_table(
        "listed_matter",
        sa.Column("base_code", sa.String(length=12), nullable=False),
        sa.Column("list_code", sa.String(length=40), nullable=False),
        sa.Column("list_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["list_code", "list_version"],
            ["matter_list.code", "matter_list.version"],
            name=op.f("fk_listed_matter_list_code_list_version_matter_list"),
        ),
        sa.PrimaryKeyConstraint("base_code", "list_code", "list_version", name=op.f("pk_listed_matter")),
    )
    op.create_table(
        "matter",
        sa.Column("code", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("list_code", sa.String(length=40), nullable=False),
        sa.Column("base_code", sa.String(length=12), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.ForeignKeyConstraint(["agency_code"], ["agency.code"], name=op.f("fk_matter_agency_code_agency")),
        sa.ForeignKeyConstraint(
            ["list_code", "version"],
            ["matter_list.code", "matter_list.version"],
            name=op.f("fk_matter_list_code_version_matter_list"),
        ),
        sa.PrimaryKeyConstraint("code", "version", name=op.f("pk_matter")),
    )
    with op.batch_alter_table("matter", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_matter_agency_code_code"), ["agency_code", "code"], unique=False)

    op.create_table(
        "notice",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject_kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("receiver", sa.String(length=32), nullable=False),
        sa.Column("message", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_code"], ["agency.code"], name=op.f("fk_notice_agency_code_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
    )
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_notice_receiver_state_due_at"), ["receiver", "state", "due_at"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_notice_state_expires_at_id"), ["state", "expires_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_notice_subject_kind_subject"), ["subject_kind", "subject"], unique=False
        )

    op.create_table(
        "person",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=True),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("duty", sa.String(length=20), nullable=True),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "duty IN ('system_admin', 'security_admin', 'auditor')", name=op.f("ck_person_duty")
        ),
        sa.CheckConstraint(
            "duty IS NULL OR CAST(roles AS TEXT) = '[]'", name=op.f("ck_person_duty_or_roles")
        ),
        sa.CheckConstraint("(duty IS NULL) <> (agency_code IS NULL)", name=op.f("ck_person_duty_or_agency")),
        sa.ForeignKeyConstraint(["agency_code"], ["agency.code"], name=op.f("fk_person_agency_code_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
    )
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_person_agency_code_name_id"), ["agency_code", "name", "id"], unique=False
        )

    op.create_table(
        "result_matter",
        sa.Column("code", sa.String(length=36), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("published", sa.Integer(), nullable=False),
        sa.Column("withheld", sa.Integer(), nullable=False),
        sa.Column("secret_basis", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["agency_code"], ["agency.code"], name=op.f("fk_result_matter_agency_code_agency")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_result_matter")),
    )
    op.create_table(
        "seal",
        sa.Column("code", sa.String(length=14), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_version", sa.Integer(), nullable=False),
        sa.Column("compromised_since", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_code"], ["agency.code"], name=op.f("fk_seal_agency_code_agency")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_seal")),
    )
    with op.batch_alter_table("seal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_seal_agency_code"), ["agency_code"], unique=False)
        batch_op.create_index(batch_op.f("ix_seal_state_code"), ["state", "code"], unique=False)

    op.create_table(
        "access_token",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=True),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("certificate_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_access_token_client_id_client")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_access_token_person_id_person")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_access_token")),
    )
    with op.batch_alter_table("access_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_access_token_client_id"), ["client_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_access_token_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "approval",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("seal_code", sa.String(length=14), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("payload_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("requested_by", sa.String(length=32), nullable=False),
        sa.Column("requested_via", sa.String(length=32), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["decided_by"], ["person.id"], name=op.f("fk_approval_decided_by_person")),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["person.id"], name=op.f("fk_approval_requested_by_person")
        ),
        sa.ForeignKeyConstraint(
            ["requested_via"], ["client.id"], name=op.f("fk_approval_requested_via_client")
        ),
        sa.ForeignKeyConstraint(["seal_code"], ["seal.code"], name=op.f("fk_approval_seal_code_seal")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
    )
    with op.batch_alter_table("approval", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_approval_seal_code"), ["seal_code"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_approval_state_expires_at_id"), ["state", "expires_at", "id"], unique=False
        )

    op.create_table(
        "archive_check",
        sa.Column("package_id", sa.String(length=32), nullable=False),
        sa.Column("occasion", sa.String(length=20), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["package_id"], ["archive_package.id"], name=op.f("fk_archive_check_package_id_archive_package")
        ),
        sa.PrimaryKeyConstraint("package_id", "occasion", name=op.f("pk_archive_check")),
    )
    with op.batch_alter_table("archive_check", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_archive_check_failed_package_id"), ["failed", "package_id"], unique=False
        )

    op.create_table(
        "archive_copy",
        sa.Column("package_id", sa.String(length=32), nullable=False),
        sa.Column("store", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["package_id"], ["archive_package.id"], name=op.f("fk_archive_copy_package_id_archive_package")
        ),
        sa.PrimaryKeyConstraint("package_id", "store", name=op.f("pk_archive_copy")),
    )
    with op.batch_alter_table("archive_copy", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_archive_copy_store_state_package_id"),
            ["store", "state", "package_id"],
            unique=False,
        )

    op.create_table(
        "archive_digest",
        sa.Column("package_id", sa.String(length=32), nullable=False),
        sa.Column("algorithm", sa.String(length=10), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["package_id"], ["archive_package.id"], name=op.f("fk_archive_digest_package_id_archive_package")
        ),
        sa.PrimaryKeyConstraint("package_id", "algorithm", name=op.f("pk_archive_digest")),
    )
    op.create_table(
        "archive_disposal",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("legal_basis", sa.String(length=200), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=False),
        sa.Column("asked_by", sa.String(length=32), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("certificate", sa.LargeBinary(), nullable=True),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["asked_by"], ["person.id"], name=op.f("fk_archive_disposal_asked_by_person")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["person.id"], name=op.f("fk_archive_disposal_decided_by_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_disposal")),
    )
    with op.batch_alter_table("archive_disposal", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_archive_disposal_state_asked_at"), ["state", "asked_at"], unique=False
        )

    op.create_table(
        "archive_evidence",
        sa.Column("package_id", sa.String(length=32), nullable=False),
        sa.Column("night_id", sa.String(length=32), nullable=False),
        sa.Column("lists", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["night_id"], ["archive_night.id"], name=op.f("fk_archive_evidence_night_id_archive_night")
        ),
        sa.ForeignKeyConstraint(
            ["package_id"],
            ["archive_package.id"],
            name=op.f("fk_archive_evidence_package_id_archive_package"),
        ),
        sa.PrimaryKeyConstraint("package_id", name=op.f("pk_archive_evidence")),
    )
    with op.batch_alter_table("archive_evidence", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_archive_evidence_night_id"), ["night_id"], unique=False)

    op.create_table(
        "archive_handover_item",
        sa.Column("handover_id", sa.String(length=32), nullable=False),
        sa.Column("package_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(
            ["handover_id"],
            ["archive_handover.id"],
            name=op.f("fk_archive_handover_item_handover_id_archive_handover"),
        ),
        sa.ForeignKeyConstraint(
            ["package_id"],
            ["archive_package.id"],
            name=op.f("fk_archive_handover_item_package_id_archive_package"),
        ),
        sa.PrimaryKeyConstraint("handover_id", "package_id", name=op.f("pk_archive_handover_item")),
    )
    with op.batch_alter_table("archive_handover_item", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_archive_handover_item_package_id_state"), ["package_id", "state"], unique=False
        )

    op.create_table(
        "archive_hold",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.String(length=100), nullable=False),
        sa.Column("legal_basis", sa.String(length=200), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=False),
        sa.Column("placed_by", sa.String(length=32), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("release_basis", sa.String(length=200), nullable=True),
        sa.Column("released_by", sa.String(length=32), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["placed_by"], ["person.id"], name=op.f("fk_archive_hold_placed_by_person")),
        sa.ForeignKeyConstraint(
            ["released_by"], ["person.id"], name=op.f("fk_archive_hold_released_by_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_hold")),
    )
    with op.batch_alter_table("archive_hold", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_archive_hold_number_released_at"), ["number", "released_at"], unique=False
        )

    op.create_table(
        "archive_renewal",
        sa.Column("package_id", sa.String(length=32), nullable=False),
        sa.Column("chain", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("night_id", sa.String(length=32), nullable=False),
        sa.Column("stamps", sa.Integer(), nullable=False),
        sa.Column("lists", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["night_id"], ["archive_night.id"], name=op.f("fk_archive_renewal_night_id_archive_night")
        ),
        sa.ForeignKeyConstraint(
            ["package_id"], ["archive_package.id"], name=op.f("fk_archive_renewal_package_id_archive_package")
        ),
        sa.PrimaryKeyConstraint("package_id", "chain", name=op.f("pk_archive_renewal")),
    )
    with op.batch_alter_table("archive_renewal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_archive_renewal_night_id"), ["night_id"], unique=False)

    op.create_table(
        "archive_retention",
        sa.Column("of", sa.String(length=10), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("retention", sa.String(length=10), nullable=False),
        sa.Column("legal_basis", sa.String(length=200), nullable=False),
        sa.Column("decided_by", sa.String(length=32), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["person.id"], name=op.f("fk_archive_retention_decided_by_person")
        ),
        sa.PrimaryKeyConstraint("of", "code", name=op.f("pk_archive_retention")),
    )
    op.create_table(
        "assertion_key",
        sa.Column("kid", sa.String(length=43), nullable=False),
        sa.Column("jwk", sa.JSON(), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("client_id", sa.String(length=32), nullable=True),
        sa.CheckConstraint(
            "(person_id IS NULL) <> (client_id IS NULL)", name=op.f("ck_assertion_key_one_holder")
        ),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_assertion_key_client_id_client")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_assertion_key_person_id_person")),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_assertion_key")),
    )
    with op.batch_alter_table("assertion_key", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_assertion_key_client_id"), ["client_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_assertion_key_person_id"), ["person_id"], unique=False)

    op.create_table(
        "batch",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("operator", sa.String(length=80), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("body_mac", sa.LargeBinary(), nullable=True),
        sa.Column("check_only", sa.Boolean(), nullable=False),
        sa.Column("type_code", sa.String(length=21), nullable=False),
        sa.Column("seal_code", sa.String(length=14), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("outages", sa.Integer(), nullable=False),
        sa.Column("waiting_for", sa.String(length=60), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(length=60), nullable=True),
        sa.ForeignKeyConstraint(["agency_code"], ["agency.code"], name=op.f("fk_batch_agency_code_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_batch_client_id_client")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_batch_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sa.UniqueConstraint("client_id", "idempotency_key", name=op.f("uq_batch_client_id_idempotency_key")),
    )
    with op.batch_alter_table("batch", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_batch_agency_code_created_at_id"),
            ["agency_code", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_batch_agency_code_state_created_at_id"),
            ["agency_code", "state", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_batch_due_at"), ["due_at"], unique=False)

    op.create_table(
        "ceremony",
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column("operation", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("former_key_id", sa.String(length=32), nullable=True),
        sa.Column("root_key_id", sa.String(length=32), nullable=True),
        sa.Column("input_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("transcript", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["former_key_id"], ["key.id"], name=op.f("fk_ceremony_former_key_id_key")),
        sa.ForeignKeyConstraint(["root_key_id"], ["key.id"], name=op.f("fk_ceremony_root_key_id_key")),
        sa.PrimaryKeyConstraint("file_sha256", name=op.f("pk_ceremony")),
    )
    op.create_table(
        "certificate",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("issuer_key_id", sa.String(length=32), nullable=True),
        sa.Column("profile", sa.String(length=20), nullable=False),
        sa.Column("tbs_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("state_version", sa.Integer(), nullable=False),
        sa.Column("status_version", sa.Integer(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("invalidity_date", sa.DateTime(timezone=True), nullable=True),
        sa.Column("crl_entry", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["issuer_key_id"], ["key.id"], name=op.f("fk_certificate_issuer_key_id_key")),
        sa.ForeignKeyConstraint(["key_id"], ["key.id"], name=op.f("fk_certificate_key_id_key")),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_certificate")),
    )
    with op.batch_alter_table("certificate", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_certificate_issuer_key_id_status_version"),
            ["issuer_key_id", "status_version"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_certificate_key_id"), ["key_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_certificate_profile"), ["profile"], unique=False)

    op.create_table(
        "certificate_authority",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("status_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["key.id"], name=op.f("fk_certificate_authority_key_id_key")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_certificate_authority")),
        sa.UniqueConstraint("name", name=op.f("uq_certificate_authority_name")),
    )
    op.create_table(
        "client_type",
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("type_code", sa.String(length=21), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_client_type_client_id_client")),
        sa.PrimaryKeyConstraint("client_id", "type_code", name=op.f("pk_client_type")),
    )
    op.create_table(
        "enrolment",
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("subject_kind", sa.String(length=10), nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("enrolled_by", sa.String(length=32), nullable=False),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["decided_by"], ["person.id"], name=op.f("fk_enrolment_decided_by_person")),
        sa.ForeignKeyConstraint(["enrolled_by"], ["person.id"], name=op.f("fk_enrolment_enrolled_by_person")),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_enrolment")),
    )
    with op.batch_alter_table("enrolment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enrolment_state"), ["state"], unique=False)

    op.create_table(
        "event",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject_kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=True),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("legal_basis", sa.String(length=200), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("client_id", sa.String(length=32), nullable=True),
        sa.Column("operator", sa.String(length=80), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_event_client_id_client")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_event_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_event_agency_code_kind_recorded_at_id"),
            ["agency_code", "kind", "recorded_at", "id"],
            unique=False,
            sqlite_where=sa.text("agency_code IS NOT NULL"),
            postgresql_where=sa.text("agency_code IS NOT NULL"),
        )
        batch_op.create_index(
            batch_op.f("ix_event_kind_recorded_at_id"), ["kind", "recorded_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_event_person_id_kind_recorded_at_id"),
            ["person_id", "kind", "recorded_at", "id"],
            unique=False,
            sqlite_where=sa.text("person_id IS NOT NULL"),
            postgresql_where=sa.text("person_id IS NOT NULL"),
        )
        batch_op.create_index(
            batch_op.f("ix_event_person_id_recorded_at_id"),
            ["person_id", "recorded_at", "id"],
            unique=False,
            sqlite_where=sa.text("person_id IS NOT NULL"),
            postgresql_where=sa.text("person_id IS NOT NULL"),
        )
        batch_op.create_index(batch_op.f("ix_event_recorded_at_id"), ["recorded_at", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_event_subject_kind_subject"), ["subject_kind", "subject"], unique=False
        )

    op.create_table(
        "holding",
        sa.Column("type_code", sa.String(length=21), nullable=False),
        sa.Column("holder_mac", sa.LargeBinary(), nullable=False),
        sa.Column("licence_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["licence_id"], ["licence.id"], name=op.f("fk_holding_licence_id_licence")),
        sa.PrimaryKeyConstraint("type_code", "holder_mac", name=op.f("pk_holding")),
    )
    with op.batch_alter_table("holding", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_holding_licence_id"), ["licence_id"], unique=False)

    op.create_table(
        "invitation",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("code_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("invited_by", sa.String(length=32), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_by", sa.String(length=32), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["invited_by"], ["person.id"], name=op.f("fk_invitation_invited_by_person")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_invitation_person_id_person")),
        sa.ForeignKeyConstraint(
            ["released_by"], ["person.id"], name=op.f("fk_invitation_released_by_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_invitation_token_sha256")),
    )
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invitation_person_id"), ["person_id"], unique=False)

    op.create_table(
        "kept_answer",
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_mac", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_kept_answer_client_id_client")),
        sa.PrimaryKeyConstraint("client_id", "key", name=op.f("pk_kept_answer")),
    )
    op.create_table(
        "local_account",
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("password", sa.LargeBinary(), nullable=True),
        sa.Column("totp_secret", sa.LargeBinary(), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(password IS NULL) = (totp_secret IS NULL)", name=op.f("ck_local_account_both_factors")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_local_account_person_id_person")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_local_account")),
        sa.UniqueConstraint("name", name=op.f("uq_local_account_name")),
    )
    op.create_table(
        "matter_gram",
        sa.Column("gram", sa.String(length=2), nullable=False),
        sa.Column("code", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["code", "version"],
            ["matter.code", "matter.version"],
            name=op.f("fk_matter_gram_code_version_matter"),
        ),
        sa.PrimaryKeyConstraint("gram", "code", "version", name=op.f("pk_matter_gram")),
    )
    op.create_table(
        "number",
        sa.Column("type_code", sa.String(length=21), nullable=False),
        sa.Column("issuer_code", sa.String(length=18), nullable=False),
        sa.Column("number_mac", sa.LargeBinary(), nullable=False),
        sa.Column("licence_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["licence_id"], ["licence.id"], name=op.f("fk_number_licence_id_licence")),
        sa.PrimaryKeyConstraint("type_code", "issuer_code", "number_mac", name=op.f("pk_number")),
    )
    with op.batch_alter_table("number", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_number_licence_id"), ["licence_id"], unique=False)

    op.create_table(
        "outside_identity",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("issuer", sa.String(length=200), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_outside_identity_person_id_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outside_identity")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_outside_identity_issuer_subject")),
    )
    with op.batch_alter_table("outside_identity", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outside_identity_person_id"), ["person_id"], unique=False)

    op.create_table(
        "passkey",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.String(length=60), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_passkey_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkey_credential_id")),
    )
    with op.batch_alter_table("passkey", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_passkey_person_id"), ["person_id"], unique=False)

    op.create_table(
        "scheduled_change",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("licence_id", sa.String(length=32), nullable=False),
        sa.Column("operation", sa.String(length=10), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("ground", sa.String(length=12), nullable=True),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("how", sa.String(length=12), nullable=True),
        sa.Column("legal_basis", sa.String(length=200), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("operator", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_scheduled_change_client_id_client")
        ),
        sa.ForeignKeyConstraint(
            ["licence_id"], ["licence.id"], name=op.f("fk_scheduled_change_licence_id_licence")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_scheduled_change_person_id_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scheduled_change")),
    )
    with op.batch_alter_table("scheduled_change", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_scheduled_change_licence_id_state"), ["licence_id", "state"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_scheduled_change_state_due"), ["state", "due"], unique=False)

    op.create_table(
        "standing_authorisation",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("seal_code", sa.String(length=14), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("type_code", sa.String(length=21), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("daily_limit", sa.Integer(), nullable=False),
        sa.Column("keeper", sa.String(length=32), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_standing_authorisation_client_id_client")
        ),
        sa.ForeignKeyConstraint(
            ["keeper"], ["person.id"], name=op.f("fk_standing_authorisation_keeper_person")
        ),
        sa.ForeignKeyConstraint(
            ["seal_code"], ["seal.code"], name=op.f("fk_standing_authorisation_seal_code_seal")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing_authorisation")),
    )
    with op.batch_alter_table("standing_authorisation", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_standing_authorisation_seal_code_client_id_type_code"),
            ["seal_code", "client_id", "type_code"],
            unique=False,
        )

    op.create_table(
        "status_list_token",
        sa.Column("list", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("uri", sa.String(length=300), nullable=False),
        sa.Column("jwt_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("cwt_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("jwt", sa.String(), nullable=True),
        sa.Column("cwt", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["key_id"], ["key.id"], name=op.f("fk_status_list_token_key_id_key")),
        sa.PrimaryKeyConstraint("list", "generation", name=op.f("pk_status_list_token")),
    )
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rest_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["agency_code"], ["agency.code"], name=op.f("fk_webhook_endpoint_agency_code_agency")
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_webhook_endpoint_client_id_client")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoint")),
    )
    with op.batch_alter_table("webhook_endpoint", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webhook_endpoint_agency_code"), ["agency_code"], unique=False)
        batch_op.create_index(batch_op.f("ix_webhook_endpoint_client_id"), ["client_id"], unique=False)

    op.create_table(
        "application_picture",
        sa.Column("approval_id", sa.String(length=32), nullable=False),
        sa.Column("type", sa.String(length=10), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("width_mm", sa.Double(), nullable=False),
        sa.Column("height_mm", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_application_picture_approval_id_approval")
        ),
        sa.PrimaryKeyConstraint("approval_id", name=op.f("pk_application_picture")),
    )
    op.create_table(
        "archive_disposal_item",
        sa.Column("disposal_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["disposal_id"],
            ["archive_disposal.id"],
            name=op.f("fk_archive_disposal_item_disposal_id_archive_disposal"),
        ),
        sa.PrimaryKeyConstraint("disposal_id", "number", name=op.f("pk_archive_disposal_item")),
    )
    with op.batch_alter_table("archive_disposal_item", schema=None) as batch_op:
        batch_op.create_index(
            "ix_archive_disposal_item_open",
            ["number"],
            unique=True,
            sqlite_where=sa.text("state IN ('listed', 'erasing')"),
            postgresql_where=sa.text("state IN ('listed', 'erasing')"),
        )

    op.create_table(
        "archive_tombstone",
        sa.Column("number", sa.String(length=100), nullable=False),
        sa.Column("disposal_id", sa.String(length=32), nullable=False),
        sa.Column("subject_kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("packages", sa.JSON(), nullable=False),
        sa.Column("retention", sa.String(length=10), nullable=False),
        sa.Column("retention_until", sa.Date(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disposed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["agency_code"], ["agency.code"], name=op.f("fk_archive_tombstone_agency_code_agency")
        ),
        sa.ForeignKeyConstraint(
            ["disposal_id"],
            ["archive_disposal.id"],
            name=op.f("fk_archive_tombstone_disposal_id_archive_disposal"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_archive_tombstone")),
    )
    with op.batch_alter_table("archive_tombstone", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_archive_tombstone_disposal_id"), ["disposal_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_archive_tombstone_subject_kind_subject"), ["subject_kind", "subject"], unique=True
        )

    op.create_table(
        "authorisation_day",
        sa.Column("authorisation_id", sa.String(length=32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["authorisation_id"],
            ["standing_authorisation.id"],
            name=op.f("fk_authorisation_day_authorisation_id_standing_authorisation"),
        ),
        sa.PrimaryKeyConstraint("authorisation_id", "day", name=op.f("pk_authorisation_day")),
    )
    op.create_table(
        "certificate_status",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("invalidity_date", sa.DateTime(timezone=True), nullable=True),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["event.id"], name=op.f("fk_certificate_status_event_id_event")
        ),
        sa.ForeignKeyConstraint(
            ["serial"], ["certificate.serial"], name=op.f("fk_certificate_status_serial_certificate")
        ),
        sa.PrimaryKeyConstraint("serial", "version", name=op.f("pk_certificate_status")),
    )
    op.create_table(
        "certification_request",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("approval_id", sa.String(length=32), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("info_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("requested_by", sa.String(length=32), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_certification_request_approval_id_approval")
        ),
        sa.ForeignKeyConstraint(["key_id"], ["key.id"], name=op.f("fk_certification_request_key_id_key")),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["person.id"], name=op.f("fk_certification_request_requested_by_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certification_request")),
        sa.UniqueConstraint("key_id", name=op.f("uq_certification_request_key_id")),
    )
    with op.batch_alter_table("certification_request", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_certification_request_approval_id"), ["approval_id"], unique=False
        )

    op.create_table(
        "console_session",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=True),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("means", sa.String(length=10), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("invitation_id", sa.String(length=32), nullable=True),
        sa.Column("totp_draft", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_console_session_client_id_client")
        ),
        sa.ForeignKeyConstraint(
            ["invitation_id"], ["invitation.id"], name=op.f("fk_console_session_invitation_id_invitation")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_console_session_person_id_person")
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_console_session")),
    )
    with op.batch_alter_table("console_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_console_session_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_console_session_person_id"), ["person_id"], unique=False)

    op.create_table(
        "leaf",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_leaf_event_id_event")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_leaf")),
    )
    op.create_table(
        "revocation_list",
        sa.Column("ca_key_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status_version", sa.Integer(), nullable=False),
        sa.Column("tbs_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("this_update", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_update", sa.DateTime(timezone=True), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["ca_key_id"],
            ["certificate_authority.key_id"],
            name=op.f("fk_revocation_list_ca_key_id_certificate_authority"),
        ),
        sa.PrimaryKeyConstraint("ca_key_id", "number", name=op.f("pk_revocation_list")),
    )
    op.create_table(
        "seal_edition",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("seal_code", sa.String(length=14), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("approval_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("made_by", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("in_use_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sealed_away_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("picture_type", sa.String(length=10), nullable=False),
        sa.Column("picture", sa.LargeBinary(), nullable=False),
        sa.Column("width_mm", sa.Double(), nullable=False),
        sa.Column("height_mm", sa.Double(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("certificate_serial", sa.String(length=40), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("maker_seal", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_seal_edition_approval_id_approval")
        ),
        sa.ForeignKeyConstraint(
            ["certificate_serial"],
            ["certificate.serial"],
            name=op.f("fk_seal_edition_certificate_serial_certificate"),
        ),
        sa.ForeignKeyConstraint(["key_id"], ["key.id"], name=op.f("fk_seal_edition_key_id_key")),
        sa.ForeignKeyConstraint(["made_by"], ["person.id"], name=op.f("fk_seal_edition_made_by_person")),
        sa.ForeignKeyConstraint(["seal_code"], ["seal.code"], name=op.f("fk_seal_edition_seal_code_seal")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seal_edition")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_seal_edition_approval_id")),
        sa.UniqueConstraint("seal_code", "number", name=op.f("uq_seal_edition_seal_code_number")),
    )
    with op.batch_alter_table("seal_edition", schema=None) as batch_op:
        batch_op.create_index(
            "uq_seal_edition_in_use",
            ["seal_code"],
            unique=True,
            sqlite_where=sa.text("state = 'in_use'"),
            postgresql_where=sa.text("state = 'in_use'"),
        )

    op.create_table(
        "seal_edition_draft",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("approval_id", sa.String(length=32), nullable=False),
        sa.Column("maker_key_id", sa.String(length=32), nullable=False),
        sa.Column("certificate_serial", sa.String(length=40), nullable=False),
        sa.Column("info_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_seal_edition_draft_approval_id_approval")
        ),
        sa.ForeignKeyConstraint(
            ["certificate_serial"],
            ["certificate.serial"],
            name=op.f("fk_seal_edition_draft_certificate_serial_certificate"),
        ),
        sa.ForeignKeyConstraint(
            ["maker_key_id"], ["key.id"], name=op.f("fk_seal_edition_draft_maker_key_id_key")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seal_edition_draft")),
    )
    op.create_table(
        "seal_state",
        sa.Column("seal_code", sa.String(length=14), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_seal_state_event_id_event")),
        sa.ForeignKeyConstraint(["seal_code"], ["seal.code"], name=op.f("fk_seal_state_seal_code_seal")),
        sa.PrimaryKeyConstraint("seal_code", "version", name=op.f("pk_seal_state")),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("endpoint_id", sa.String(length=32), nullable=False),
        sa.Column("event_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoint.id"],
            name=op.f("fk_webhook_delivery_endpoint_id_webhook_endpoint"),
        ),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_webhook_delivery_event_id_event")),
        sa.PrimaryKeyConstraint("event_id", "endpoint_id", name=op.f("pk_webhook_delivery")),
    )
    with op.batch_alter_table("webhook_delivery", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_webhook_delivery_endpoint_id_state_due_at"),
            ["endpoint_id", "state", "due_at"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_webhook_delivery_endpoint_id_state_event_at_event_id"),
            ["endpoint_id", "state", "event_at", "event_id"],
            unique=False,
        )

    op.create_table(
        "webhook_secret",
        sa.Column("endpoint_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("signs_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoint.id"],
            name=op.f("fk_webhook_secret_endpoint_id_webhook_endpoint"),
        ),
        sa.PrimaryKeyConstraint("endpoint_id", "number", name=op.f("pk_webhook_secret")),
    )
    op.create_table(
        "intent",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("licence_id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("operator", sa.String(length=80), nullable=False),
        sa.Column("matter_code", sa.String(length=40), nullable=False),
        sa.Column("case_number", sa.String(length=40), nullable=False),
        sa.Column("seal_edition_id", sa.String(length=32), nullable=False),
        sa.Column("seal_state_version", sa.Integer(), nullable=False),
        sa.Column("authorisation_id", sa.String(length=32), nullable=False),
        sa.Column("qr_key_id", sa.String(length=32), nullable=False),
        sa.Column("holder_mac", sa.LargeBinary(), nullable=True),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("link_id_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("lookup_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(length=60), nullable=True),
        sa.ForeignKeyConstraint(
            ["authorisation_id"],
            ["standing_authorisation.id"],
            name=op.f("fk_intent_authorisation_id_standing_authorisation"),
        ),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_intent_client_id_client")),
        sa.ForeignKeyConstraint(["licence_id"], ["licence.id"], name=op.f("fk_intent_licence_id_licence")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_intent_person_id_person")),
        sa.ForeignKeyConstraint(["qr_key_id"], ["key.id"], name=op.f("fk_intent_qr_key_id_key")),
        sa.ForeignKeyConstraint(
            ["seal_edition_id"], ["seal_edition.id"], name=op.f("fk_intent_seal_edition_id_seal_edition")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intent")),
        sa.UniqueConstraint("link_id_sha256", name=op.f("uq_intent_link_id_sha256")),
    )
    with op.batch_alter_table("intent", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_intent_holder_mac"),
            ["holder_mac"],
            unique=False,
            sqlite_where=sa.text("holder_mac IS NOT NULL"),
            postgresql_where=sa.text("holder_mac IS NOT NULL"),
        )
        batch_op.create_index(batch_op.f("ix_intent_licence_id"), ["licence_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_intent_state_lease_until"), ["state", "lease_until"], unique=False
        )

    op.create_table(
        "outside_certificate",
        sa.Column("certificate_serial", sa.String(length=40), nullable=False),
        sa.Column("authority", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("issuers", sa.LargeBinary(), nullable=False),
        sa.Column("serial_number", sa.String(length=40), nullable=False),
        sa.Column("ocsp_url", sa.String(length=500), nullable=True),
        sa.Column("crl_url", sa.String(length=500), nullable=True),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["authority"],
            ["outside_authority.sha256"],
            name=op.f("fk_outside_certificate_authority_outside_authority"),
        ),
        sa.ForeignKeyConstraint(
            ["certificate_serial"],
            ["certificate.serial"],
            name=op.f("fk_outside_certificate_certificate_serial_certificate"),
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["certification_request.id"],
            name=op.f("fk_outside_certificate_request_id_certification_request"),
        ),
        sa.PrimaryKeyConstraint("certificate_serial", name=op.f("pk_outside_certificate")),
    )
    op.create_table(
        "co_seal",
        sa.Column("intent_id", sa.String(length=32), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seal_edition_id", sa.String(length=32), nullable=False),
        sa.Column("seal_state_version", sa.Integer(), nullable=False),
        sa.Column("authorisation_id", sa.String(length=32), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["authorisation_id"],
            ["standing_authorisation.id"],
            name=op.f("fk_co_seal_authorisation_id_standing_authorisation"),
        ),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_co_seal_intent_id_intent")),
        sa.ForeignKeyConstraint(
            ["seal_edition_id"], ["seal_edition.id"], name=op.f("fk_co_seal_seal_edition_id_seal_edition")
        ),
        sa.PrimaryKeyConstraint("intent_id", "place", name=op.f("pk_co_seal")),
    )
    with op.batch_alter_table("co_seal", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_co_seal_seal_edition_id_sealed_at_intent_id"),
            ["seal_edition_id", "sealed_at", "intent_id"],
            unique=False,
        )

    op.create_table(
        "edition",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("licence_id", sa.String(length=32), nullable=False),
        sa.Column("issuer_code", sa.String(length=18), nullable=False),
        sa.Column("type_code", sa.String(length=21), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("identifier", sa.String(length=120), nullable=False),
        sa.Column("public_record", sa.String(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("status_version", sa.Integer(), nullable=False),
        sa.Column("ground", sa.String(length=12), nullable=True),
        sa.Column("how", sa.String(length=12), nullable=True),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("suspended_until", sa.Date(), nullable=True),
        sa.Column("issue_date", sa.Date(), nullable=False),
        sa.Column("removed_on", sa.Date(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("link_id_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("lookup_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("credential_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("seal_edition_id", sa.String(length=32), nullable=False),
        sa.Column("seal_state_version", sa.Integer(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["intent.id"], name=op.f("fk_edition_id_intent")),
        sa.ForeignKeyConstraint(["licence_id"], ["licence.id"], name=op.f("fk_edition_licence_id_licence")),
        sa.ForeignKeyConstraint(
            ["seal_edition_id"], ["seal_edition.id"], name=op.f("fk_edition_seal_edition_id_seal_edition")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edition")),
        sa.UniqueConstraint("identifier", name=op.f("uq_edition_identifier")),
        sa.UniqueConstraint("licence_id", "number", name=op.f("uq_edition_licence_id_number")),
        sa.UniqueConstraint("link_id_sha256", name=op.f("uq_edition_link_id_sha256")),
        sa.UniqueConstraint("lookup_sha256", name=op.f("uq_edition_lookup_sha256")),
    )
    with op.batch_alter_table("edition", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_edition_issuer_code_type_code_status_registered_at_id"),
            ["issuer_code", "type_code", "status", "registered_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_edition_seal_edition_id_sealed_at_id"),
            ["seal_edition_id", "sealed_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_edition_valid_to"),
            ["valid_to"],
            unique=False,
            sqlite_where=sa.text("valid_to IS NOT NULL"),
            postgresql_where=sa.text("valid_to IS NOT NULL"),
        )

    op.create_table(
        "idempotency_key",
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_mac", sa.LargeBinary(), nullable=False),
        sa.Column("intent_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_idempotency_key_client_id_client")
        ),
        sa.ForeignKeyConstraint(
            ["intent_id"], ["intent.id"], name=op.f("fk_idempotency_key_intent_id_intent")
        ),
        sa.PrimaryKeyConstraint("client_id", "key", name=op.f("pk_idempotency_key")),
    )
    with op.batch_alter_table("idempotency_key", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotency_key_intent_id"), ["intent_id"], unique=False)

    op.create_table(
        "outside_status",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("certificate_serial", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("this_update", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_update", sa.DateTime(timezone=True), nullable=False),
        sa.Column("holds_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("evidence", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["certificate_serial"],
            ["outside_certificate.certificate_serial"],
            name=op.f("fk_outside_status_certificate_serial_outside_certificate"),
        ),
        sa.ForeignKeyConstraint(
            ["evidence"],
            ["outside_evidence.sha256"],
            name=op.f("fk_outside_status_evidence_outside_evidence"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outside_status")),
    )
    with op.batch_alter_table("outside_status", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_outside_status_certificate_serial_this_update"),
            ["certificate_serial", "this_update"],
            unique=False,
        )

    op.create_table(
        "status_change",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("intent_id", sa.String(length=32), nullable=False),
        sa.Column("list", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_status_change_intent_id_intent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_change")),
    )
    with op.batch_alter_table("status_change", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_status_change_intent_id"), ["intent_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_status_change_list"), ["list"], unique=False)

    op.create_table(
        "status_index",
        sa.Column("list", sa.Integer(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("intent_id", sa.String(length=32), nullable=False),
        sa.Column("invalid", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_status_index_intent_id_intent")),
        sa.PrimaryKeyConstraint("list", "index", name=op.f("pk_status_index")),
    )
    with op.batch_alter_table("status_index", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_status_index_intent_id"), ["intent_id"], unique=False)

    op.create_table(
        "annotated_copy",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("edition_id", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("recipient", sa.String(length=100), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("made_on", sa.Date(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("withdrawn_on", sa.Date(), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("link_id_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("lookup_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("credential_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("seal_edition_id", sa.String(length=32), nullable=False),
        sa.Column("seal_state_version", sa.Integer(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("level", sa.String(length=8), nullable=False),
        sa.Column("stamped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stamped_by", sa.String(length=64), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_annotated_copy_edition_id_edition")
        ),
        sa.ForeignKeyConstraint(["id"], ["intent.id"], name=op.f("fk_annotated_copy_id_intent")),
        sa.ForeignKeyConstraint(
            ["seal_edition_id"],
            ["seal_edition.id"],
            name=op.f("fk_annotated_copy_seal_edition_id_seal_edition"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotated_copy")),
        sa.UniqueConstraint("link_id_sha256", name=op.f("uq_annotated_copy_link_id_sha256")),
        sa.UniqueConstraint("sha256", name=op.f("uq_annotated_copy_sha256")),
    )
    with op.batch_alter_table("annotated_copy", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_annotated_copy_edition_id_registered_at_id"),
            ["edition_id", "registered_at", "id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_annotated_copy_lookup_sha256"), ["lookup_sha256"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_annotated_copy_seal_edition_id_sealed_at_id"),
            ["seal_edition_id", "sealed_at", "id"],
            unique=False,
        )

    op.create_table(
        "batch_item",
        sa.Column("batch_id", sa.String(length=32), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("request", sa.LargeBinary(), nullable=True),
        sa.Column("number_mac", sa.LargeBinary(), nullable=True),
        sa.Column("edition_id", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.String(length=60), nullable=True),
        sa.Column("faults", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_batch_item_batch_id_batch")),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_batch_item_edition_id_edition")
        ),
        sa.PrimaryKeyConstraint("batch_id", "line", name=op.f("pk_batch_item")),
    )
    with op.batch_alter_table("batch_item", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_batch_item_batch_id_state_attempt_line"),
            ["batch_id", "state", "attempt", "line"],
            unique=False,
        )

    op.create_table(
        "copy_order",
        sa.Column("intent_id", sa.String(length=32), nullable=False),
        sa.Column("edition_id", sa.String(length=32), nullable=False),
        sa.Column("edition_version", sa.Integer(), nullable=False),
        sa.Column("holder_wish", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_copy_order_edition_id_edition")
        ),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_copy_order_intent_id_intent")),
        sa.PrimaryKeyConstraint("intent_id", name=op.f("pk_copy_order")),
    )
    with op.batch_alter_table("copy_order", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_copy_order_edition_id"), ["edition_id"], unique=False)

    op.create_table(
        "document",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("edition_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("format", sa.String(length=12), nullable=False),
        sa.Column("level", sa.String(length=8), nullable=False),
        sa.Column("store_key", sa.String(length=200), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("stamped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stamped_by", sa.String(length=64), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("followed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["edition.id"], name=op.f("fk_document_edition_id_edition")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_document")),
    )
    with op.batch_alter_table("document", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_document_edition_id"), ["edition_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_document_followed_level_registered_at"),
            ["followed", "level", "registered_at"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_document_followed_level_stamped_by"),
            ["followed", "level", "stamped_by"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_document_registered_at"), ["registered_at"], unique=False)

    op.create_table(
        "intake_case",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=True),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("matter_code", sa.String(length=36), nullable=False),
        sa.Column("matter_version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("application", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_on", sa.Date(), nullable=True),
        sa.Column("received_on", sa.Date(), nullable=True),
        sa.Column("accepted_on", sa.Date(), nullable=True),
        sa.Column("decided_on", sa.Date(), nullable=True),
        sa.Column("extension_days", sa.Integer(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("statutory_due", sa.Date(), nullable=True),
        sa.Column("committed_due", sa.Date(), nullable=True),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("calendar", sa.Integer(), nullable=False),
        sa.Column("edition_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["agency_code"], ["agency.code"], name=op.f("fk_intake_case_agency_code_agency")
        ),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_intake_case_client_id_client")),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_intake_case_edition_id_edition")
        ),
        sa.ForeignKeyConstraint(
            ["matter_code", "matter_version"],
            ["matter.code", "matter.version"],
            name=op.f("fk_intake_case_matter_code_matter_version_matter"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intake_case")),
        sa.UniqueConstraint("number", name=op.f("uq_intake_case_number")),
    )
    with op.batch_alter_table("intake_case", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_intake_case_agency_code_created_at_id"),
            ["agency_code", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_intake_case_agency_code_due_on_id"), ["agency_code", "due_on", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_intake_case_agency_code_state_created_at_id"),
            ["agency_code", "state", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_intake_case_state_calendar"), ["state", "calendar"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_intake_case_state_drawn_at"), ["state", "drawn_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_intake_case_state_due_on"), ["state", "due_on"], unique=False)

    op.create_table(
        "licence_use",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("edition_id", sa.String(length=32), nullable=False),
        sa.Column("licence_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=True),
        sa.Column("client_id", sa.String(length=32), nullable=True),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("operator", sa.String(length=80), nullable=False),
        sa.Column("matter_code", sa.String(length=40), nullable=False),
        sa.Column("case_number", sa.String(length=40), nullable=False),
        sa.Column("legal_basis", sa.String(length=200), nullable=False),
        sa.Column("told", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["agency_code"], ["agency.code"], name=op.f("fk_licence_use_agency_code_agency")
        ),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_licence_use_client_id_client")),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_licence_use_edition_id_edition")
        ),
        sa.ForeignKeyConstraint(
            ["licence_id"], ["licence.id"], name=op.f("fk_licence_use_licence_id_licence")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_licence_use_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_licence_use")),
    )
    with op.batch_alter_table("licence_use", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_licence_use_edition_id"), ["edition_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_licence_use_licence_id_used_at_id"), ["licence_id", "used_at", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_licence_use_used_at"), ["used_at"], unique=False)

    op.create_table(
        "pick_up",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("edition_id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.Column("told_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("browser_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("again_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fetched", sa.Integer(), nullable=False),
        sa.CheckConstraint("(state = 'used') = (used_at IS NOT NULL)", name=op.f("ck_pick_up_used")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_pick_up_client_id_client")),
        sa.ForeignKeyConstraint(["edition_id"], ["edition.id"], name=op.f("fk_pick_up_edition_id_edition")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pick_up")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_pick_up_token_sha256")),
    )
    with op.batch_alter_table("pick_up", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_pick_up_edition_id_created_at_id"),
            ["edition_id", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_pick_up_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_pick_up_told_until"), ["told_until"], unique=False)

    op.create_table(
        "presentation",
        sa.Column("id_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("edition_id", sa.String(length=32), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_presentation_edition_id_edition")
        ),
        sa.PrimaryKeyConstraint("id_sha256", name=op.f("pk_presentation")),
    )
    with op.batch_alter_table("presentation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_presentation_edition_id"), ["edition_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_presentation_until"), ["until"], unique=False)

    op.create_table(
        "published_result",
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("matter_code", sa.String(length=36), nullable=False),
        sa.Column("decided_on", sa.Date(), nullable=False),
        sa.Column("result", sa.String(length=12), nullable=False),
        sa.Column("edition_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_published_result_edition_id_edition")
        ),
        sa.ForeignKeyConstraint(
            ["matter_code"],
            ["result_matter.code"],
            name=op.f("fk_published_result_matter_code_result_matter"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_published_result")),
    )
    with op.batch_alter_table("published_result", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_published_result_matter_code_decided_on_number"),
            ["matter_code", "decided_on", "number"],
            unique=False,
        )

    op.create_table(
        "seal_use",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("seal_edition_id", sa.String(length=32), nullable=False),
        sa.Column("authorisation_id", sa.String(length=32), nullable=False),
        sa.Column("intent_id", sa.String(length=32), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("document_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outside_status_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["authorisation_id"],
            ["standing_authorisation.id"],
            name=op.f("fk_seal_use_authorisation_id_standing_authorisation"),
        ),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_seal_use_intent_id_intent")),
        sa.ForeignKeyConstraint(
            ["outside_status_id"],
            ["outside_status.id"],
            name=op.f("fk_seal_use_outside_status_id_outside_status"),
        ),
        sa.ForeignKeyConstraint(
            ["seal_edition_id"], ["seal_edition.id"], name=op.f("fk_seal_use_seal_edition_id_seal_edition")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seal_use")),
        sa.UniqueConstraint("intent_id", "place", name=op.f("uq_seal_use_intent_id_place")),
    )
    with op.batch_alter_table("seal_use", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_seal_use_begun_at_id"), ["begun_at", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_seal_use_outside_status_id"), ["outside_status_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_seal_use_seal_edition_id_begun_at_id"),
            ["seal_edition_id", "begun_at", "id"],
            unique=False,
        )

    op.create_table(
        "succession",
        sa.Column("intent_id", sa.String(length=32), nullable=False),
        sa.Column("previous_id", sa.String(length=32), nullable=False),
        sa.Column("previous_version", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("operation", sa.String(length=10), nullable=False),
        sa.Column("legal_basis", sa.String(length=200), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_succession_intent_id_intent")),
        sa.ForeignKeyConstraint(
            ["previous_id"], ["edition.id"], name=op.f("fk_succession_previous_id_edition")
        ),
        sa.PrimaryKeyConstraint("intent_id", name=op.f("pk_succession")),
    )
    with op.batch_alter_table("succession", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_succession_previous_id"), ["previous_id"], unique=False)

    op.create_table(
        "application_link",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("matter_code", sa.String(length=36), nullable=False),
        sa.Column("network", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["intake_case.id"],
            name=op.f("fk_application_link_case_id_intake_case"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_application_link")),
    )
    with op.batch_alter_table("application_link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_application_link_case_id"), ["case_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_application_link_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_application_link_network_matter_code"),
            ["network", "matter_code"],
            unique=False,
            sqlite_where=sa.text("network IS NOT NULL"),
            postgresql_where=sa.text("network IS NOT NULL"),
        )

    op.create_table(
        "case_form",
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("application", sa.LargeBinary(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("client_id", sa.String(length=32), nullable=True),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("operator", sa.String(length=80), nullable=True),
        sa.Column("event_id", sa.String(length=32), nullable=True),
        sa.Column("signed_version", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["intake_case.id"], name=op.f("fk_case_form_case_id_intake_case")
        ),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_case_form_client_id_client")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_case_form_event_id_event")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_case_form_person_id_person")),
        sa.PrimaryKeyConstraint("case_id", "version", name=op.f("pk_case_form")),
    )
    op.create_table(
        "case_issue",
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("operator", sa.String(length=80), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=60), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["intake_case.id"], name=op.f("fk_case_issue_case_id_intake_case")
        ),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_case_issue_client_id_client")),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_case_issue")),
    )
    with op.batch_alter_table("case_issue", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_case_issue_state_due_at"), ["state", "due_at"], unique=False)

    op.create_table(
        "case_material",
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("media", sa.String(length=40), nullable=False),
        sa.Column("scan", sa.String(length=20), nullable=False),
        sa.Column("match", sa.String(length=12), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=True),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("operator", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["intake_case.id"], name=op.f("fk_case_material_case_id_intake_case")
        ),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_case_material_client_id_client")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_case_material_event_id_event")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_case_material_person_id_person")),
        sa.PrimaryKeyConstraint("case_id", "code", "version", name=op.f("pk_case_material")),
        sa.UniqueConstraint("id", name=op.f("uq_case_material_id")),
    )
    with op.batch_alter_table("case_material", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_case_material_state_at"), ["state", "at"], unique=False)

    op.create_table(
        "case_move",
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("came_from", sa.String(length=12), nullable=False),
        sa.Column("led_to", sa.String(length=12), nullable=False),
        sa.Column("who", sa.String(length=12), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=True),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("operator", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("legal_basis", sa.String(length=200), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("said", sa.LargeBinary(), nullable=True),
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("notice_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["intake_case.id"], name=op.f("fk_case_move_case_id_intake_case")
        ),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_case_move_client_id_client")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_case_move_event_id_event")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_case_move_person_id_person")),
        sa.PrimaryKeyConstraint("case_id", "number", name=op.f("pk_case_move")),
    )
    op.create_table(
        "case_retrieval",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("material", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("operator", sa.String(length=80), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=60), nullable=True),
        sa.Column("edition_id", sa.String(length=32), nullable=True),
        sa.Column("connector", sa.String(length=40), nullable=True),
        sa.Column("connector_version", sa.Integer(), nullable=True),
        sa.Column("data_set", sa.String(length=40), nullable=True),
        sa.Column("source", sa.String(length=18), nullable=True),
        sa.Column("purpose", sa.String(length=200), nullable=True),
        sa.Column("legal_basis", sa.String(length=200), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["intake_case.id"], name=op.f("fk_case_retrieval_case_id_intake_case")
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_case_retrieval_client_id_client")
        ),
        sa.ForeignKeyConstraint(
            ["connector", "connector_version"],
            ["connector.code", "connector.version"],
            name=op.f("fk_case_retrieval_connector_connector_version_connector"),
        ),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_case_retrieval_edition_id_edition")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_case_retrieval_person_id_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_retrieval")),
        sa.UniqueConstraint(
            "case_id", "material", "number", name=op.f("uq_case_retrieval_case_id_material_number")
        ),
    )
    with op.batch_alter_table("case_retrieval", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_case_retrieval_state_due_at"), ["state", "due_at"], unique=False)

    op.create_table(
        "document_stamp",
        sa.Column("edition_id", sa.String(length=32), nullable=False),
        sa.Column("form", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("imprint", sa.LargeBinary(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_document_stamp_edition_id_edition")
        ),
        sa.ForeignKeyConstraint(["form"], ["document.sha256"], name=op.f("fk_document_stamp_form_document")),
        sa.PrimaryKeyConstraint("edition_id", name=op.f("pk_document_stamp")),
    )
    with op.batch_alter_table("document_stamp", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_document_stamp_state_due_at"), ["state", "due_at"], unique=False)

    op.create_table(
        "sub_case",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("lead_code", sa.String(length=18), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("opinion", sa.String(length=24), nullable=True),
        sa.ForeignKeyConstraint(
            ["agency_code"], ["agency.code"], name=op.f("fk_sub_case_agency_code_agency")
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["intake_case.id"], name=op.f("fk_sub_case_case_id_intake_case")
        ),
        sa.ForeignKeyConstraint(["lead_code"], ["agency.code"], name=op.f("fk_sub_case_lead_code_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sub_case")),
        sa.UniqueConstraint("case_id", "agency_code", name=op.f("uq_sub_case_case_id_agency_code")),
    )
    with op.batch_alter_table("sub_case", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sub_case_agency_code_created_at_id"),
            ["agency_code", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_sub_case_agency_code_due_on_id"), ["agency_code", "due_on", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_sub_case_agency_code_state_created_at_id"),
            ["agency_code", "state", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_sub_case_lead_code_created_at_id"), ["lead_code", "created_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_sub_case_lead_code_due_on_id"), ["lead_code", "due_on", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_sub_case_lead_code_state_created_at_id"),
            ["lead_code", "state", "created_at", "id"],
            unique=False,
        )

    op.create_table(
        "sub_case_move",
        sa.Column("sub_case_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("came_from", sa.String(length=10), nullable=False),
        sa.Column("led_to", sa.String(length=10), nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=True),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("operator", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("legal_basis", sa.String(length=200), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=False),
        sa.Column("opinion", sa.String(length=24), nullable=True),
        sa.Column("said", sa.LargeBinary(), nullable=True),
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_sub_case_move_client_id_client")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_sub_case_move_event_id_event")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_sub_case_move_person_id_person")),
        sa.ForeignKeyConstraint(
            ["sub_case_id"], ["sub_case.id"], name=op.f("fk_sub_case_move_sub_case_id_sub_case")
        ),
        sa.PrimaryKeyConstraint("sub_case_id", "number", name=op.f("pk_sub_case_move")),
    )
    op.create_table(
        "verification_task",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("agency_code", sa.String(length=18), nullable=False),
        sa.Column("retrieval_id", sa.String(length=32), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("source_field", sa.String(length=40), nullable=False),
        sa.Column("values", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("client_id", sa.String(length=32), nullable=True),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("operator", sa.String(length=80), nullable=False),
        sa.Column("legal_basis", sa.String(length=200), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["agency_code"], ["agency.code"], name=op.f("fk_verification_task_agency_code_agency")
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["intake_case.id"], name=op.f("fk_verification_task_case_id_intake_case")
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_verification_task_client_id_client")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_verification_task_person_id_person")
        ),
        sa.ForeignKeyConstraint(
            ["retrieval_id"],
            ["case_retrieval.id"],
            name=op.f("fk_verification_task_retrieval_id_case_retrieval"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification_task")),
        sa.UniqueConstraint(
            "retrieval_id", "field", "number", name=op.f("uq_verification_task_retrieval_id_field_number")
        ),
    )
    with op.batch_alter_table("verification_task", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_verification_task_agency_code_opened_at_id"),
            ["agency_code", "opened_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_verification_task_agency_code_state_opened_at_id"),
            ["agency_code", "state", "opened_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_verification_task_case_id_state"), ["case_id", "state"], unique=False
        )

    op.create_table(
        "source_error",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("task_id", sa.String(length=32), nullable=False),
        sa.Column("edition_id", sa.String(length=32), nullable=True),
        sa.Column("connector", sa.String(length=40), nullable=True),
        sa.Column("data_set", sa.String(length=40), nullable=True),
        sa.Column("source", sa.String(length=18), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=60), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.String(length=60), nullable=True),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_source_error_edition_id_edition")
        ),
        sa.ForeignKeyConstraint(
            ["task_id"], ["verification_task.id"], name=op.f("fk_source_error_task_id_verification_task")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_error")),
        sa.UniqueConstraint("task_id", name=op.f("uq_source_error_task_id")),
    )
    with op.batch_alter_table("source_error", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_source_error_source_state_made_at_id"),
            ["source", "state", "made_at", "id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_source_error_state_due_at"), ["state", "due_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("source_error", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_source_error_state_due_at"))
        batch_op.drop_index(batch_op.f("ix_source_error_source_state_made_at_id"))

    op.drop_table("source_error")
    with op.batch_alter_table("verification_task", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_verification_task_case_id_state"))
        batch_op.drop_index(batch_op.f("ix_verification_task_agency_code_state_opened_at_id"))
        batch_op.drop_index(batch_op.f("ix_verification_task_agency_code_opened_at_id"))

    op.drop_table("verification_task")
    op.drop_table("sub_case_move")
    with op.batch_alter_table("sub_case", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sub_case_lead_code_state_created_at_id"))
        batch_op.drop_index(batch_op.f("ix_sub_case_lead_code_due_on_id"))
        batch_op.drop_index(batch_op.f("ix_sub_case_lead_code_created_at_id"))
        batch_op.drop_index(batch_op.f("ix_sub_case_agency_code_state_created_at_id"))
        batch_op.drop_index(batch_op.f("ix_sub_case_agency_code_due_on_id"))
        batch_op.drop_index(batch_op.f("ix_sub_case_agency_code_created_at_id"))

    op.drop_table("sub_case")
    with op.batch_alter_table("document_stamp", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_document_stamp_state_due_at"))

    op.drop_table("document_stamp")
    with op.batch_alter_table("case_retrieval", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_case_retrieval_state_due_at"))

    op.drop_table("case_retrieval")
    op.drop_table("case_move")
    with op.batch_alter_table("case_material", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_case_material_state_at"))

    op.drop_table("case_material")
    with op.batch_alter_table("case_issue", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_case_issue_state_due_at"))

    op.drop_table("case_issue")
    op.drop_table("case_form")
    with op.batch_alter_table("application_link", schema=None) as batch_op:
        batch_op.drop_index(
            batch_op.f("ix_application_link_network_matter_code"),
            sqlite_where=sa.text("network IS NOT NULL"),
            postgresql_where=sa.text("network IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_application_link_expires_at"))
        batch_op.drop_index(batch_op.f("ix_application_link_case_id"))

    op.drop_table("application_link")
    with op.batch_alter_table("succession", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_succession_previous_id"))

    op.drop_table("succession")
    with op.batch_alter_table("seal_use", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_seal_use_seal_edition_id_begun_at_id"))
        batch_op.drop_index(batch_op.f("ix_seal_use_outside_status_id"))
        batch_op.drop_index(batch_op.f("ix_seal_use_begun_at_id"))

    op.drop_table("seal_use")
    with op.batch_alter_table("published_result", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_published_result_matter_code_decided_on_number"))

    op.drop_table("published_result")
    with op.batch_alter_table("presentation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_presentation_until"))
        batch_op.drop_index(batch_op.f("ix_presentation_edition_id"))

    op.drop_table("presentation")
    with op.batch_alter_table("pick_up", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pick_up_told_until"))
        batch_op.drop_index(batch_op.f("ix_pick_up_expires_at"))
        batch_op.drop_index(batch_op.f("ix_pick_up_edition_id_created_at_id"))

    op.drop_table("pick_up")
    with op.batch_alter_table("licence_use", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_licence_use_used_at"))
        batch_op.drop_index(batch_op.f("ix_licence_use_licence_id_used_at_id"))
        batch_op.drop_index(batch_op.f("ix_licence_use_edition_id"))

    op.drop_table("licence_use")
    with op.batch_alter_table("intake_case", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_intake_case_state_due_on"))
        batch_op.drop_index(batch_op.f("ix_intake_case_state_drawn_at"))
        batch_op.drop_index(batch_op.f("ix_intake_case_state_calendar"))
        batch_op.drop_index(batch_op.f("ix_intake_case_agency_code_state_created_at_id"))
        batch_op.drop_index(batch_op.f("ix_intake_case_agency_code_due_on_id"))
        batch_op.drop_index(batch_op.f("ix_intake_case_agency_code_created_at_id"))

    op.drop_table("intake_case")
    with op.batch_alter_table("document", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_document_registered_at"))
        batch_op.drop_index(batch_op.f("ix_document_followed_level_stamped_by"))
        batch_op.drop_index(batch_op.f("ix_document_followed_level_registered_at"))
        batch_op.drop_index(batch_op.f("ix_document_edition_id"))

    op.drop_table("document")
    with op.batch_alter_table("copy_order", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_copy_order_edition_id"))

    op.drop_table("copy_order")
    with op.batch_alter_table("batch_item", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_batch_item_batch_id_state_attempt_line"))

    op.drop_table("batch_item")
    with op.batch_alter_table("annotated_copy", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_annotated_copy_seal_edition_id_sealed_at_id"))
        batch_op.drop_index(batch_op.f("ix_annotated_copy_lookup_sha256"))
        batch_op.drop_index(batch_op.f("ix_annotated_copy_edition_id_registered_at_id"))

    op.drop_table("annotated_copy")
    with op.batch_alter_table("status_index", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_status_index_intent_id"))

    op.drop_table("status_index")
    with op.batch_alter_table("status_change", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_status_change_list"))
        batch_op.drop_index(batch_op.f("ix_status_change_intent_id"))

    op.drop_table("status_change")
    with op.batch_alter_table("outside_status", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outside_status_certificate_serial_this_update"))

    op.drop_table("outside_status")
    with op.batch_alter_table("idempotency_key", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_idempotency_key_intent_id"))

    op.drop_table("idempotency_key")
    with op.batch_alter_table("edition", schema=None) as batch_op:
        batch_op.drop_index(
            batch_op.f("ix_edition_valid_to"),
            sqlite_where=sa.text("valid_to IS NOT NULL"),
            postgresql_where=sa.text("valid_to IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_edition_seal_edition_id_sealed_at_id"))
        batch_op.drop_index(batch_op.f("ix_edition_issuer_code_type_code_status_registered_at_id"))

    op.drop_table("edition")
    with op.batch_alter_table("co_seal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_co_seal_seal_edition_id_sealed_at_intent_id"))

    op.drop_table("co_seal")
    op.drop_table("outside_certificate")
    with op.batch_alter_table("intent", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_intent_state_lease_until"))
        batch_op.drop_index(batch_op.f("ix_intent_licence_id"))
        batch_op.drop_index(
            batch_op.f("ix_intent_holder_mac"),
            sqlite_where=sa.text("holder_mac IS NOT NULL"),
            postgresql_where=sa.text("holder_mac IS NOT NULL"),
        )

    op.drop_table("intent")
    op.drop_table("webhook_secret")
    with op.batch_alter_table("webhook_delivery", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webhook_delivery_endpoint_id_state_event_at_event_id"))
        batch_op.drop_index(batch_op.f("ix_webhook_delivery_endpoint_id_state_due_at"))

    op.drop_table("webhook_delivery")
    op.drop_table("seal_state")
    op.drop_table("seal_edition_draft")
    with op.batch_alter_table("seal_edition", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_seal_edition_in_use",
            sqlite_where=sa.text("state = 'in_use'"),
            postgresql_where=sa.text("state = 'in_use'"),
        )

    op.drop_table("seal_edition")
    op.drop_table("revocation_list")
    op.drop_table("leaf")
    with op.batch_alter_table("console_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_console_session_person_id"))
        batch_op.drop_index(batch_op.f("ix_console_session_expires_at"))

    op.drop_table("console_session")
    with op.batch_alter_table("certification_request", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_certification_request_approval_id"))

    op.drop_table("certification_request")
    op.drop_table("certificate_status")
    op.drop_table("authorisation_day")
    with op.batch_alter_table("archive_tombstone", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_tombstone_subject_kind_subject"))
        batch_op.drop_index(batch_op.f("ix_archive_tombstone_disposal_id"))

    op.drop_table("archive_tombstone")
    with op.batch_alter_table("archive_disposal_item", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_archive_disposal_item_open",
            sqlite_where=sa.text("state IN ('listed', 'erasing')"),
            postgresql_where=sa.text("state IN ('listed', 'erasing')"),
        )

    op.drop_table("archive_disposal_item")
    op.drop_table("application_picture")
    with op.batch_alter_table("webhook_endpoint", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webhook_endpoint_client_id"))
        batch_op.drop_index(batch_op.f("ix_webhook_endpoint_agency_code"))

    op.drop_table("webhook_endpoint")
    op.drop_table("status_list_token")
    with op.batch_alter_table("standing_authorisation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_standing_authorisation_seal_code_client_id_type_code"))

    op.drop_table("standing_authorisation")
    with op.batch_alter_table("scheduled_change", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_scheduled_change_state_due"))
        batch_op.drop_index(batch_op.f("ix_scheduled_change_licence_id_state"))

    op.drop_table("scheduled_change")
    with op.batch_alter_table("passkey", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_passkey_person_id"))

    op.drop_table("passkey")
    with op.batch_alter_table("outside_identity", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outside_identity_person_id"))

    op.drop_table("outside_identity")
    with op.batch_alter_table("number", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_number_licence_id"))

    op.drop_table("number")
    op.drop_table("matter_gram")
    op.drop_table("local_account")
    op.drop_table("kept_answer")
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_invitation_person_id"))

    op.drop_table("invitation")
    with op.batch_alter_table("holding", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_holding_licence_id"))

    op.drop_table("holding")
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_event_subject_kind_subject"))
        batch_op.drop_index(batch_op.f("ix_event_recorded_at_id"))
        batch_op.drop_index(
            batch_op.f("ix_event_person_id_recorded_at_id"),
            sqlite_where=sa.text("person_id IS NOT NULL"),
            postgresql_where=sa.text("person_id IS NOT NULL"),
        )
        batch_op.drop_index(
            batch_op.f("ix_event_person_id_kind_recorded_at_id"),
            sqlite_where=sa.text("person_id IS NOT NULL"),
            postgresql_where=sa.text("person_id IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_event_kind_recorded_at_id"))
        batch_op.drop_index(
            batch_op.f("ix_event_agency_code_kind_recorded_at_id"),
            sqlite_where=sa.text("agency_code IS NOT NULL"),
            postgresql_where=sa.text("agency_code IS NOT NULL"),
        )

    op.drop_table("event")
    with op.batch_alter_table("enrolment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_enrolment_state"))

    op.drop_table("enrolment")
    op.drop_table("client_type")
    op.drop_table("certificate_authority")
    with op.batch_alter_table("certificate", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_certificate_profile"))
        batch_op.drop_index(batch_op.f("ix_certificate_key_id"))
        batch_op.drop_index(batch_op.f("ix_certificate_issuer_key_id_status_version"))

    op.drop_table("certificate")
    op.drop_table("ceremony")
    with op.batch_alter_table("batch", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_batch_due_at"))
        batch_op.drop_index(batch_op.f("ix_batch_agency_code_state_created_at_id"))
        batch_op.drop_index(batch_op.f("ix_batch_agency_code_created_at_id"))

    op.drop_table("batch")
    with op.batch_alter_table("assertion_key", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_assertion_key_person_id"))
        batch_op.drop_index(batch_op.f("ix_assertion_key_client_id"))

    op.drop_table("assertion_key")
    op.drop_table("archive_retention")
    with op.batch_alter_table("archive_renewal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_renewal_night_id"))

    op.drop_table("archive_renewal")
    with op.batch_alter_table("archive_hold", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_hold_number_released_at"))

    op.drop_table("archive_hold")
    with op.batch_alter_table("archive_handover_item", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_handover_item_package_id_state"))

    op.drop_table("archive_handover_item")
    with op.batch_alter_table("archive_evidence", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_evidence_night_id"))

    op.drop_table("archive_evidence")
    with op.batch_alter_table("archive_disposal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_disposal_state_asked_at"))

    op.drop_table("archive_disposal")
    op.drop_table("archive_digest")
    with op.batch_alter_table("archive_copy", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_copy_store_state_package_id"))

    op.drop_table("archive_copy")
    with op.batch_alter_table("archive_check", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_check_failed_package_id"))

    op.drop_table("archive_check")
    with op.batch_alter_table("approval", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_approval_state_expires_at_id"))
        batch_op.drop_index(batch_op.f("ix_approval_seal_code"))

    op.drop_table("approval")
    with op.batch_alter_table("access_token", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_access_token_expires_at"))
        batch_op.drop_index(batch_op.f("ix_access_token_client_id"))

    op.drop_table("access_token")
    with op.batch_alter_table("seal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_seal_state_code"))
        batch_op.drop_index(batch_op.f("ix_seal_agency_code"))

    op.drop_table("seal")
    op.drop_table("result_matter")
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_person_agency_code_name_id"))

    op.drop_table("person")
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_notice_subject_kind_subject"))
        batch_op.drop_index(batch_op.f("ix_notice_state_expires_at_id"))
        batch_op.drop_index(batch_op.f("ix_notice_receiver_state_due_at"))

    op.drop_table("notice")
    with op.batch_alter_table("matter", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_matter_agency_code_code"))

    op.drop_table("matter")
    op.drop_table("listed_matter")
    op.drop_table("licence")
    with op.batch_alter_table("key", schema=None) as batch_op:
        batch_op.drop_index(
            "one_active_root",
            sqlite_where=sa.text("purpose = 'root-ca' AND state = 'active'"),
            postgresql_where=sa.text("purpose = 'root-ca' AND state = 'active'"),
        )
        batch_op.drop_index(batch_op.f("ix_key_agency_code_purpose"))

    op.drop_table("key")
    with op.batch_alter_table("client", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_client_public_form",
            sqlite_where=sa.text("public_form"),
            postgresql_where=sa.text("public_form"),
        )
        batch_op.drop_index(
            "uq_client_console", sqlite_where=sa.text("console"), postgresql_where=sa.text("console")
        )
        batch_op.drop_index(batch_op.f("ix_client_agency_code_name_id"))

    op.drop_table("client")
    with op.batch_alter_table("archive_package", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_package_state_lease_until"))
        batch_op.drop_index(batch_op.f("ix_archive_package_sha256"))
        batch_op.drop_index(batch_op.f("ix_archive_package_identifier"))
        batch_op.drop_index(batch_op.f("ix_archive_package_agency_code_year_id"))

    op.drop_table("archive_package")
    with op.batch_alter_table("archive_night_stamp", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_night_stamp_stamped_by_followed"))

    op.drop_table("archive_night_stamp")
    with op.batch_alter_table("archive_handover", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_handover_agency_code_made_at"))

    op.drop_table("archive_handover")
    op.drop_table("archive_figure")
    with op.batch_alter_table("archive_arrival", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_arrival_state_lease_until"))
        batch_op.drop_index(batch_op.f("ix_archive_arrival_sha256"))
        batch_op.drop_index(batch_op.f("ix_archive_arrival_package_id"))

    op.drop_table("archive_arrival")
    op.drop_table("verifier")
    with op.batch_alter_table("used_challenge", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_used_challenge_expires_at"))

    op.drop_table("used_challenge")
    with op.batch_alter_table("used_assertion", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_used_assertion_expires_at"))

    op.drop_table("used_assertion")
    op.drop_table("uncounted")
    op.drop_table("type_version")
    op.drop_table("trust_list_draft")
    with op.batch_alter_table("time_stamp", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_time_stamp_record"))
        batch_op.drop_index(batch_op.f("ix_time_stamp_gen_time"))

    op.drop_table("time_stamp")
    op.drop_table("status_list")
    op.drop_table("published_trust_list")
    op.drop_table("outside_evidence")
    op.drop_table("outside_authority")
    op.drop_table("matter_list")
    with op.batch_alter_table("key_use_block", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_key_use_block_opened_at_id"))
        batch_op.drop_index(batch_op.f("ix_key_use_block_key_id"))

    op.drop_table("key_use_block")
    with op.batch_alter_table("key_use", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_key_use_digest"))
        batch_op.drop_index(batch_op.f("ix_key_use_begun_at_id"))

    op.drop_table("key_use")
    op.drop_table("holiday_notice")
    op.drop_table("founding")
    op.drop_table("figure")
    with op.batch_alter_table("day_anchor", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_day_anchor_from_at"))

    op.drop_table("day_anchor")
    op.drop_table("data_key")
    op.drop_table("connector_secret")
    op.drop_table("connector")
    op.drop_table("closed_day")
    op.drop_table("check_figure")
    with op.batch_alter_table("attempt_bucket", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_attempt_bucket_empty_at"))

    op.drop_table("attempt_bucket")
    op.drop_table("archive_statement")
    op.drop_table("archive_serial")
    with op.batch_alter_table("archive_night", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_night_day"))

    op.drop_table("archive_night")
    with op.batch_alter_table("archive_erasure", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_erasure_number_erased_at"))

    op.drop_table("archive_erasure")
    with op.batch_alter_table("archive_due", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_due_subject_kind_subject"))
        batch_op.drop_index(batch_op.f("ix_archive_due_package_id_due_at"))

    op.drop_table("archive_due")
    with op.batch_alter_table("archive_drill", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_drill_ended_at"))

    op.drop_table("archive_drill")
    with op.batch_alter_table("archive_claim", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_claim_until"))

    op.drop_table("archive_claim")
    op.drop_table("archive_audit")
    op.drop_table("agency")
