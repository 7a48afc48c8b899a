"""`python -m app <command>`."""

import sys

from app.cli import make_cli

make_cli(sys.argv[1:])()
