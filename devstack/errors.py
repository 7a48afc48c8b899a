"""Errors of the local servers. Each message is one line for the terminal; the end of a server's log can follow."""


class DevStackError(Exception):
    """Base class of the errors of local servers."""


class BackendMissing(DevStackError):
    """No usable program is installed. The message names the remedy."""


class BackendFailed(DevStackError):
    """A server failed to start. The message has the end of its log."""


class DataDirUnusable(DevStackError):
    """The data directory is in use by another run, or not writable."""


class PortInUse(DevStackError):
    """A requested port is in use."""
