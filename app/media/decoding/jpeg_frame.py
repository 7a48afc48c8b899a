"""Requirements on a JPEG's frame and scans (ITU-T T.81, B.2.2, B.2.3, B.2.4.4 and G.1.1.1)."""

from dataclasses import dataclass, field

COEFFICIENTS = 64
LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
ARITHMETIC = range(0xC9, 0xD0)
_NOT_SENT = 255


@dataclass(slots=True)
class Component:
    """A component: its sampling factors, and the bits that each coefficient still lacks."""

    horizontal: int
    vertical: int
    lacking: bytearray = field(default_factory=lambda: bytearray([_NOT_SENT]) * COEFFICIENTS)


class Frame:
    """The frame of a JPEG, and what its scans have sent of it so far."""

    def __init__(self, code: int, payload: bytes) -> None:
        """Read the parameters of the SOF segment. Raises ValueError for a frame that no decoder reads."""
        if len(payload) < 9:
            raise ValueError("the JPEG's frame header is too short")
        self.is_arithmetic = code in ARITHMETIC
        self._is_lossless = code in LOSSLESS
        self._height = int.from_bytes(payload[1:3], "big")
        self._width = int.from_bytes(payload[3:5], "big")
        self._components = {
            number: Component(max(1, sampling >> 4), max(1, sampling & 15))
            for number, sampling in zip(payload[6::3], payload[7::3], strict=False)
        }

    @property
    def is_complete(self) -> bool:
        """Whether the scans have sent every coefficient of every component, to its last bit."""
        last = 1 if self._is_lossless else COEFFICIENTS
        return not any(any(component.lacking[:last]) for component in self._components.values())

    def begin_scan(self, payload: bytes, restart_interval: int) -> int:
        """Note what a scan sends; return how many restart markers have to be in its data."""
        if len(payload) < 6:
            raise ValueError("the JPEG's scan header is too short")
        start, end, high, low = payload[-3], payload[-2], payload[-1] >> 4, payload[-1] & 15
        names = [name for name in payload[1:-3:2] if name in self._components]
        if self._is_lossless:
            start, end, high, low = 0, 0, 0, 0
        for name in names:
            lacking = self._components[name].lacking
            for coefficient in range(start, min(end, COEFFICIENTS - 1) + 1):
                # A refinement adds to what the scan before it sent.
                if high in (0, lacking[coefficient]):
                    lacking[coefficient] = low
        if not restart_interval or not names:
            return 0
        return (self._units(names) - 1) // restart_interval

    def _units(self, names: list[int]) -> int:
        """Return the number of minimum coded units of a scan."""
        widest = max(component.horizontal for component in self._components.values())
        highest = max(component.vertical for component in self._components.values())
        # Of a single component, a unit is one block; otherwise it has the blocks of all components.
        only = self._components[names[0]] if len(names) == 1 else Component(1, 1)
        side = 1 if self._is_lossless else 8
        columns = -(-self._width * only.horizontal // (side * widest))
        rows = -(-self._height * only.vertical // (side * highest))
        return columns * rows
