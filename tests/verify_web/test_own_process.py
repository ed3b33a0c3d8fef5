"""Loaded as one user, the site answers as another who can read none of its files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from registry.database import read_engine, write_engine

PROGRAM = """
import os, sys
import verify_web.wsgi as wsgi
wsgi.preload()
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
import builtins, io
from pathlib import Path
import verify_web
home = str(Path(verify_web.__file__).parent.parent)
plain = io.open
def watched(file, *arguments, **options):
    if str(file).startswith(home + "/verify_web") or str(file).startswith(home + "/signing"):
        raise PermissionError(f"read after the drop: {file}")
    return plain(file, *arguments, **options)
builtins.open = io.open = watched
late = set(sys.modules)
assert {"signing.strict_check", "signing.foreign_seal"} <= late, "what checks a file would be read after the drop"
app = wsgi.application()
client = app.test_client()
for path in ("/", "/?lang=en", "/scan", "/offline?lang=es", "/c/AAECAwQFBgcICQoLDA0ODw", "/c/AAECAwQFBgcICQoLDA0ODw?lang=en", "/none"):
    answer = client.get(path)
    assert answer.status_code in (200, 404, 503), (path, answer.status_code)
    assert b"</html>" in answer.data
assert client.post("/upload", data={"file": (io.BytesIO(b"%PDF-1.7"), "a.pdf")}).status_code in (200, 503)
report = client.post("/api/v1/verifications", data=b"%PDF-1.7", content_type="application/pdf").get_json()["report"]
assert (report["explained"], report["sentence"]) == ("done", "broken"), report
typed = {"identifier": "1.2", "lookup_code": "x"}
assert client.post("/check", data=typed).status_code == 422
try:
    open(os.environ["KEY_FILE"])
except PermissionError:
    pass
else:
    raise SystemExit("the key file could be opened")
print("answered", sorted(m for m in set(sys.modules) - late if m.startswith(("verify_web", "signing"))))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_site_works_as_another_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:  # pytest's own folders let nobody through
        data = Path(name)
        data.chmod(0o711)
        public = data / "public"
        public.mkdir()
        os.chown(public, 65534, 65534)
        key = data / "passphrase"
        key.write_text("secret")
        key.chmod(0o600)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "VERMILION_DATA": str(data), "KEY_FILE": str(key)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == "answered []"
        assert (public / "public.db").stat().st_uid == 65534


def test_the_sites_engine_cannot_write(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    writer = write_engine(url)
    with writer.begin() as connection:
        connection.execute(text("CREATE TABLE edition (id TEXT)"))
    reader = read_engine(url)
    with reader.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(text("INSERT INTO edition VALUES ('x')"))
    reader.dispose()
    writer.dispose()
