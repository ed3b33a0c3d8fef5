"""Baselines: the same server and framework doing one indexed select, or committing one row."""

from __future__ import annotations

import base64
import hashlib

from flask import Flask, Response, request
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, bindparam, insert, select

from registry.database import read_engine, write_engine
from registry.licences.tables import Edition
from registry.settings import Settings


def preload() -> None:
    """Load the driver and answer once, before the process becomes a user who cannot read either."""
    application().test_client().get("/livez")


def application() -> Flask:
    """The baseline of `check.page_vs_bare`: one indexed select."""
    app = Flask("bare")
    engine = read_engine(Settings().url)
    statement = select(Edition.identifier).where(Edition.link_id_sha256 == bindparam("id"))

    @app.get("/livez")
    def livez() -> Response:
        return Response("ok", mimetype="text/plain")

    @app.get("/c/<id_text>")
    def check(id_text: str) -> Response:
        digest = hashlib.sha256(base64.urlsafe_b64decode(id_text + "==")).digest()
        with engine.connect() as connection:
            found = connection.execute(statement, {"id": digest}).scalar_one_or_none()
        return Response(found or "", 200 if found else 404, mimetype="text/plain")

    return app


def writing() -> Flask:
    """The baseline of `issue.http_p50_ms`: a body read, one row committed, an answer."""
    app = Flask("writing")
    engine = write_engine(Settings().url)
    table = Table("bare", MetaData(), Column("id", Integer, primary_key=True), Column("body", LargeBinary))
    table.create(engine)

    @app.get("/livez")
    def livez() -> Response:
        return Response("ok", mimetype="text/plain")

    @app.post("/api/v1/licences")
    def write() -> Response:
        with engine.begin() as connection:
            connection.execute(insert(table), {"body": request.get_data()})
        return Response("written", 201, mimetype="text/plain")

    return app
