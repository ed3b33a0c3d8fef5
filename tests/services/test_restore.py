"""A registry that was lost comes back from a backup and its keys, and serves."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.services.running import Place, command, until


def test_a_lost_registry_is_restored_and_serves(place: Place, empty_place: Place, tmp_path: Path) -> None:
    """In a data directory that holds nothing but the keys, brought there from where their copy is kept."""
    file = tmp_path / "registry.backup"
    with command("backup", str(file), settings=place.settings) as backup:
        assert backup.ended() == 0, backup.err
    shutil.copytree(place.data / "keys", empty_place.data / "keys")
    shutil.rmtree(place.data / "documents")
    with command("restore", str(file), settings=empty_place.settings) as restore:
        assert restore.ended() == 0, restore.err
    with command("fsck", settings=empty_place.settings) as fsck:
        assert fsck.ended() == 0, fsck.out
    with (
        command("serve-api", settings=empty_place.settings) as api,
        command("serve-public", settings=empty_place.settings),
    ):
        until(lambda: empty_place.answers(empty_place.api_port, "/readyz"), "the API")
        until(lambda: empty_place.answers(empty_place.public_port), "the public site")
        assert api.process.poll() is None
        licence = place.data / "sample" / "licence.pdf"
        with command(
            "verify", str(licence), "--service", empty_place.public, settings=empty_place.settings
        ) as verify:
            assert verify.ended() == 0, verify.out + verify.err
