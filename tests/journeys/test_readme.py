"""The README's curl session, run by a shell as it stands, against the service of the test."""

import asyncio
import re

import pytest

from tests.support.paths import ROOT
from tests.support.server import RunningService

SESSION = re.compile(r"## Use it.*?```bash\n(.*?)```", re.DOTALL)


@pytest.fixture
def session(service: RunningService) -> str:
    found = SESSION.search((ROOT / "README.md").read_text())
    assert found
    return found[1].replace("http://127.0.0.1:8000", service.url)


async def test_the_session_of_the_readme_downloads_the_same_bytes(session: str) -> None:
    shell = await asyncio.create_subprocess_exec(
        "bash", "-eu", cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await shell.communicate(session.encode())
    assert shell.returncode == 0
    *responses, fetched, photo = output.decode().strip().splitlines()
    assert fetched == photo
    assert '"tags":["cat","pet","portrait"]' in "".join(responses)
    assert '"query":"cat portrait -dog"' in "".join(responses)
