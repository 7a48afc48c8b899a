"""A process that has no file descriptor left."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

# Those three are always open; fewer, and what is open could not be waited for either (poll(2)).
STANDARD_STREAMS = 3


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Let the process open no file descriptor during the block; open ones continue to work."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (STANDARD_STREAMS, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
