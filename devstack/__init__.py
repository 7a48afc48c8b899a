"""Real local servers for development and tests, as child processes: PostgreSQL, MongoDB, an S3 server, a Redis server.

`Stack` is the public face. It needs the dev-packages (psutil and the wheels that carry the servers), so nothing that
runs in production imports this package.
"""

from devstack.errors import BackendFailed, BackendMissing, DataDirUnusable, EmbeddedError, PortInUse
from devstack.stack import BACKENDS, Stack

__all__ = [
    "BACKENDS",
    "BackendFailed",
    "BackendMissing",
    "DataDirUnusable",
    "EmbeddedError",
    "PortInUse",
    "Stack",
]
