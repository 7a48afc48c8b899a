"""`python -m app <command>`."""

import gc
import sys

# The objects of the imports stay. Scanning them again and again took a sixth of the time of a start.
gc.disable()

from app.cli import make_cli  # noqa: E402 - after the line above

cli = make_cli(sys.argv[1:])
gc.enable()
cli()
