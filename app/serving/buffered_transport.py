"""A transport that sends the head of a response together with its body.

uvicorn writes them separately, and uvloop sends each write at once: two system calls and two packets for a response
that fits one, and two wake-ups of the client. Figures: docs/decisions/0010.
"""

import asyncio
from typing import Any

# Larger than any head of a response. Larger writes are sent at once.
BUFFER_BYTES = 4096
LINGER_SECONDS = 60.0


class BufferedTransport:
    """A transport that buffers a small write until the next write or the next iteration of the event loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._buffer: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send the buffer and the data, or buffer the data."""
        if self._buffer is not None:
            buffered, self._buffer = self._buffer, None
            self._transport.writelines((buffered, data))
        elif 0 < len(data) < BUFFER_BYTES:
            self._buffer = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send the buffer, then close. Data that the client has not read after LINGER_SECONDS is discarded."""
        self._flush()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def _flush(self) -> None:
        buffered, self._buffer = self._buffer, None
        if buffered is not None and not self._transport.is_closing():
            self._transport.write(buffered)
