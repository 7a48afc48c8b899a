"""What the process knows about its own end."""


class ShutdownState:
    """Set by the server when it is told to stop; nothing takes it back.

    `is_ending`: every answer closes its connection. `is_leaving`: besides, nobody takes this process's place, so
    `/readyz` sends the balancer elsewhere.
    """

    __slots__ = ("is_ending", "is_leaving")

    def __init__(self) -> None:
        self.is_ending = self.is_leaving = False

    def begin(self, *, leaving: bool) -> None:
        """Start to end."""
        self.is_ending = True
        self.is_leaving = leaving
