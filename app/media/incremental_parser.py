"""Parsers of files that arrive in chunks, written as generators that look at the bytes ahead and skip or copy them.

`IncrementalParser` runs such a generator. Its work is linear in the size of the file, for chunks of any size and any
content. Regular expressions that never backtrack search the bytes, and no byte is copied twice. A request that is not
satisfied yet is not evaluated again from its start. The parser holds one chunk and the bytes of a `Peek`.
"""

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Peek:
    """Return the next `count` bytes without consuming them; fewer at the end of the file."""

    count: int


@dataclass(frozen=True, slots=True)
class Copy:
    """Copy the next `count` bytes to the output."""

    count: int


@dataclass(frozen=True, slots=True)
class CopyUntil:
    """Copy the bytes before the next match of a pattern of at most two bytes."""

    pattern: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class Skip:
    """Skip the next `count` bytes; with None all that follow."""

    count: int | None


@dataclass(frozen=True, slots=True)
class SkipUntil:
    """Skip the bytes before the next match of a pattern of at most two bytes."""

    pattern: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class Insert:
    """Write bytes that are not in the file to the output."""

    data: bytes


Step = Peek | Copy | CopyUntil | Skip | SkipUntil | Insert
ParserSteps = Generator[Step, bytes, Result]


class IncrementalParser(Generic[Result]):
    """Runs one script over one file."""

    def __init__(self, steps: ParserSteps[Result]) -> None:
        self._steps = steps
        self._data = bytearray()
        self._offset = 0
        self._step: Step | None = None
        # The bytes of the current step that are still to be copied or skipped.
        self._missing: int | None = None
        self._output: list[bytes] = []
        self.result: Result | None = None
        self._resume(None)

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of the file; return the next bytes of the output. Raises what the script raises."""
        if self._step is not None:
            self._data += chunk
        return self._run(is_end=False)

    def finish(self) -> bytes:
        """Return the rest of the output; the file has ended. Raises what the script raises."""
        return self._run(is_end=True)

    def _run(self, *, is_end: bool) -> bytes:
        while self._step is not None and self._advance(self._step, is_end=is_end):
            pass
        # A bytearray gives bytes at its start back without moving the others.
        del self._data[: self._offset]
        self._offset = 0
        written = b"".join(self._output)
        self._output.clear()
        return written

    def _advance(self, step: Step, *, is_end: bool) -> bool:
        """Carry the step out as far as the bytes reach; return whether it is complete."""
        if isinstance(step, Insert):
            self._output.append(step.data)
        elif isinstance(step, Peek):
            return self._peek(step.count, is_end=is_end)
        elif isinstance(step, (CopyUntil, SkipUntil)):
            return self._search(step.pattern, keep=isinstance(step, CopyUntil), is_end=is_end)
        elif not self._pass(keep=isinstance(step, Copy)):
            return False
        self._resume(b"")
        return True

    def _peek(self, count: int, *, is_end: bool) -> bool:
        if len(self._data) - self._offset < count and not is_end:
            return False
        self._resume(bytes(self._data[self._offset : self._offset + count]))
        return True

    def _search(self, pattern: re.Pattern[bytes], *, keep: bool, is_end: bool) -> bool:
        found = pattern.search(self._data, self._offset)
        # The last byte may be the first of a match.
        end = found.start() if found else max(self._offset, len(self._data) - (not is_end))
        self._take(end - self._offset, keep=keep)
        if found is None and not is_end:
            return False
        self._resume(b"")
        return True

    def _pass(self, *, keep: bool) -> bool:
        available = len(self._data) - self._offset
        if self._missing is None:
            self._take(available, keep=keep)
            return False
        taken = min(self._missing, available)
        self._take(taken, keep=keep)
        self._missing -= taken
        return not self._missing

    def _take(self, count: int, *, keep: bool) -> None:
        if keep and count:
            self._output.append(bytes(self._data[self._offset : self._offset + count]))
        self._offset += count

    def _resume(self, reply: bytes | None) -> None:
        """Hand the reply to the script and fetch its next step."""
        try:
            self._step = next(self._steps) if reply is None else self._steps.send(reply)
        except StopIteration as stop:
            self._step, self.result = None, stop.value
            self._offset = len(self._data)
            return
        self._missing = self._step.count if isinstance(self._step, (Copy, Skip)) else None
