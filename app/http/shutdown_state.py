"""The shutdown state of the process."""


class ShutdownState:
    """Set by the server at a signal to stop, and never reset.

    `is_ending`: every response closes its connection. `is_leaving`: no other process replaces this one, so `/readyz`
    makes the load balancer choose another host.
    """

    __slots__ = ("is_ending", "is_leaving")

    def __init__(self) -> None:
        self.is_ending = self.is_leaving = False

    def begin(self, *, leaving: bool) -> None:
        """Begin the shutdown."""
        self.is_ending = True
        self.is_leaving = leaving
