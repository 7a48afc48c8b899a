"""`python -m app` with long timeouts of its backends: held requests wait until a test kills a server."""

import sys

from app.cli import make_cli
from app.db import engine
from app.storage import timeouts

TIMEOUT_SECONDS = 120

engine.COMMAND_TIMEOUT = TIMEOUT_SECONDS
timeouts.RESPONSE_TIMEOUT = TIMEOUT_SECONDS

if __name__ == "__main__":
    make_cli(sys.argv[1:])()
