"""Local servers for development and tests, as child processes: PostgreSQL, MongoDB, S3, Redis.

`Stack` is the public class. It needs the development packages (psutil, and the wheels with the servers), so production
code does not import this package.
"""

from devstack.errors import BackendFailed, BackendMissing, DataDirUnusable, DevStackError, PortInUse
from devstack.stack import BACKENDS, Stack

__all__ = [
    "BACKENDS",
    "BackendFailed",
    "BackendMissing",
    "DataDirUnusable",
    "DevStackError",
    "PortInUse",
    "Stack",
]
