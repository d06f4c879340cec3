"""Byte shuffle: the parts of numbers that are alike, side by side, where zstd finds them.

The exponents of smooth measurements are nearly equal and the last bits are noise; in their usual order
both lie mixed, and no general compressor sees more than noise. Shuffled, all first bytes stand together,
then all second ones, block by block, so that a block is taken apart while the processor's cache holds it.

What is shuffled says so itself: a line of 64 bytes stands before it, ``shuffled 4211 32768``, with the
widths of the parts of an item and the items of a block. So nobody takes it for the plain file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from resultstore._data import Data
from resultstore.errors import DamagedError

LINE_NBYTES = 64
BLOCK_NBYTES = 1 << 18
"""Bytes of a block, or a few less: what a core's own cache holds together with its plain items."""
_MOST_NBYTES = 1 << 22  # of a block, whatever a line says
_WIDEST = 32
_LINE = rb"shuffled ([1248]{2,32}) ([1-9][0-9]{0,6}) *\n"
_WHOLE = {"<f8": (4, 2, 1, 1), "<c16": (4, 2, 1, 1)}
"""Where the low half is noise: kept whole it costs nothing in bytes, and is put back in half the time."""


class Layout(Data):
    """How items are taken apart."""

    widths: tuple[int, ...]
    """Bytes of the parts of an item, in their order in memory."""
    count: int
    """Items of a block."""

    @property
    def itemsize(self) -> int:
        """The bytes of an item."""
        return sum(self.widths)

    @property
    def line(self) -> bytes:
        """What stands before shuffled bytes."""
        text = f"shuffled {''.join(map(str, self.widths))} {self.count}"
        return text.encode().ljust(LINE_NBYTES - 1) + b"\n"


def layout_for(itemsize: int, dtype: str | None) -> Layout | None:
    """Return how items are taken apart, or None if they are single bytes, or very long."""
    if not 1 < itemsize <= _WIDEST:
        return None
    widths = _WHOLE.get(dtype or "", (1,) * itemsize)
    return Layout(widths, BLOCK_NBYTES // sum(widths))


def layout_of(line: bytes) -> Layout:
    """Return the layout that a line names.

    Raises
    ------
    DamagedError
        If it names none, or one that would take much memory.
    """
    import re

    found = re.fullmatch(_LINE, line)
    if found is None or len(line) != LINE_NBYTES:
        raise DamagedError("it does not say how it was shuffled")
    layout = Layout(tuple(int(chr(width)) for width in found[1]), int(found[2]))
    size, offset = layout.itemsize, 0
    for width in layout.widths:
        if offset % width or size % width:
            raise DamagedError(f"items cannot have parts of {layout.widths} bytes")
        offset += width
    if size * layout.count > _MOST_NBYTES:
        raise DamagedError(f"blocks of {layout.count} items of {size} bytes are too large")
    return layout


def shuffle(body: Any, layout: Layout) -> Iterator[Any]:
    """Yield bytes part by part, block by block; each piece holds until the next is asked for."""
    import numpy as np

    data: Any = np.frombuffer(body, np.uint8)
    size = layout.itemsize
    items = data[: len(data) // size * size].reshape(-1, size)
    for start in range(0, len(items), layout.count):
        block = items[start : start + layout.count]
        for _, width, part in _parts(layout, block):
            yield np.ascontiguousarray(part).view(np.uint8).reshape(len(block) * width)
    yield data[items.size :]


def unshuffle(view: memoryview, layout: Layout, fill: Callable[[memoryview], None]) -> None:
    """Fill a view with plain bytes; ``fill`` writes the next shuffled ones where it is told."""
    import numpy as np

    if not len(view):
        return
    data: Any = np.frombuffer(view, np.uint8)
    size = layout.itemsize
    items = data[: len(data) // size * size].reshape(-1, size)
    room: Any = np.empty(min(layout.count * size, items.size), np.uint8)
    for start in range(0, len(items), layout.count):
        block = items[start : start + layout.count]
        fill(memoryview(room)[: block.size])
        for offset, width, part in _parts(layout, block):
            # One part of all items after the other: with strides on one side only, numpy copies 2 to 3 GB/s;
            # transposing at once, or shifting in registers of eight bytes, took twice as long.
            done = offset * len(block)
            part[:] = room[done : done + len(block) * width].view(f"u{width}")
    if items.size < len(data):
        fill(view[items.size :])


def _parts(layout: Layout, block: Any) -> Iterator[tuple[int, int, Any]]:
    """Yield offset, width and the elements of each part of a block of items."""
    offset = 0
    for width in layout.widths:
        yield offset, width, block.view(f"u{width}")[:, offset // width]
        offset += width
