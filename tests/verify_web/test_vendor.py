"""Other projects' files are those that their lists say, licences included."""

from __future__ import annotations

import re
from hashlib import sha256

from tools.vendor import VENDOR, differences, lists


def test_each_file_is_the_one_on_the_list() -> None:
    assert [folder.name for folder, _ in lists()] == ["zxing-wasm"]
    for folder, listed in lists():
        assert differences(folder, listed) == []
        names = {file["name"] for file in listed["file"]}
        assert any(name.startswith("LICENSE") for name in names)
        other = {**listed, "file": [{**file, "sha256": "0" * 64} for file in listed["file"]]}
        assert set(differences(folder, other)) == names
        assert differences(folder, {**listed, "file": listed["file"][1:]}) == [listed["file"][0]["name"]]


def test_the_reader_was_built_for_this_very_module() -> None:
    """The package's script names the digest of what it loads."""
    folder = VENDOR / "zxing-wasm"
    digest = sha256((folder / "zxing_reader.wasm").read_bytes()).hexdigest()
    assert re.search(digest, (folder / "zxing-reader.js").read_text("utf-8"))
