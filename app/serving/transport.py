"""A transport that sends the head of an answer with its body.

uvicorn writes the two apart, and uvloop sends what is written at once: two system calls and two packets for an answer
that would fit one, and a client that is woken twice.
"""

import asyncio
from typing import Any

# The head of an answer is smaller. What is larger is on its way at once.
HELD_BYTES = 4096
LINGER_SECONDS = 60.0


class GatheringTransport:
    """A transport that holds back what is small until more is written, or the event loop comes round."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send the data, and what was held before; or hold it."""
        if self._held is not None:
            held, self._held = self._held, None
            self._transport.writelines((held, data))
        elif 0 < len(data) < HELD_BYTES:
            self._held = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is held, then close; what the client has not read after LINGER_SECONDS is nobody's."""
        self._flush()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def _flush(self) -> None:
        held, self._held = self._held, None
        if held is not None and not self._transport.is_closing():
            self._transport.write(held)
