"""`import --keywords`: the keywords of IPTC and XMP become tags."""

import json
from pathlib import Path

from app.core.settings import Settings
from tests.cli.test_import import run, stored
from tests.media.photo_files import iptc, jpeg, keywords_xmp, png
from tests.support.accounts import Account
from tests.support.server import RunningService

LONG = "x" * 300


async def test_keywords_become_tags_and_bad_ones_are_reported(
    settings: Settings, service: RunningService, user: Account, tmp_path: Path
) -> None:
    (tmp_path / "Trips").mkdir()
    bad = ("a,b", "or", LONG, "tab\there", "&lt;script&gt;")
    (tmp_path / "Trips" / "a.jpg").write_bytes(
        jpeg(packet=keywords_xmp("Cat ", "new york", *bad), resources=iptc(b"cat", "\u732b".encode()))
    )
    (tmp_path / "b.png").write_bytes(png(packet=keywords_xmp(*(f"k{number}" for number in range(120)))))
    (tmp_path / "c.jpg").write_bytes(jpeg(packet=b"<!DOCTYPE x><x/>", resources=b"8BIM\x04\x04\xff"))
    report = tmp_path.parent / f"{tmp_path.name}.jsonl"
    options = ("--token", user.access_token, "--keywords", "--report", str(report))
    code, out = await run(settings, service.url, tmp_path, *options)
    assert code == 0, out
    tags = await stored(user)
    assert tags["a.jpg"] == ["cat", "new york", "trips", "\u732b"]
    assert (len(tags["b.png"]), tags["c.jpg"]) == (100, [])
    assert out.count("keyword ignored") == len(bad) + 20
    assert LONG not in out
    assert "\t" not in out
    lines = {Path(line["path"]).name: line for line in map(json.loads, report.read_text().splitlines())}
    assert "'or': a tag must not be" in lines["a.jpg"]["ignored_keywords"]
    assert lines["a.jpg"]["outcome"] == "uploaded"
    assert "ignored_keywords" not in lines["c.jpg"]
