"""What can go wrong with local servers. Each message is one line for the terminal (a server's log may follow it).

EmbeddedError
├── BackendMissing    no usable binary on this machine
├── BackendFailed     a server that did not come up
├── DataDirUnusable   in use by another run, or not writable
└── PortInUse         a port that was asked for is taken
"""


class EmbeddedError(Exception):
    """Base of all of them: catch this to print the message and leave."""


class BackendMissing(EmbeddedError):
    """Says what to install or which setting to set instead."""


class BackendFailed(EmbeddedError):
    """Carries the last lines of the server's log."""


class DataDirUnusable(EmbeddedError):
    pass


class PortInUse(EmbeddedError):
    pass
