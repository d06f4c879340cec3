"""Codecs: a whole payload, head and body, as one compressed frame.

zstd frames (RFC 8878) carry the size and a checksum of what they hold, so that ``zstd -d`` gives back
the plain ``.npy`` or ``.arrow`` file, and says so if it cannot.
"""

from __future__ import annotations

from resultstore._facts import PayloadFacts
from resultstore._settings import Compression
from resultstore.errors import DamagedError
from resultstore.formats.base import Buffer, Encoded

SUFFIXES = {"zstd": ".zst"}
WORTH_NBYTES = 512
"""Smaller payloads are left as they are."""
_WORTH = 0.95  # of the plain size: what saves less is not worth its time at every hit
_READ_AT_ONCE = 1 << 20


def compress(encoded: Encoded, compression: Compression) -> bytes | None:
    """Return a payload as one frame, or None if that would not save enough."""
    if encoded.nbytes < WORTH_NBYTES:
        return None
    import zstandard

    compressor = zstandard.ZstdCompressor(level=compression.level, write_checksum=True)
    writer = compressor.compressobj(size=encoded.nbytes)
    frame = b"".join((writer.compress(encoded.head), writer.compress(encoded.body), writer.flush()))
    return frame if len(frame) < _WORTH * encoded.nbytes else None


def decompress(frame: Buffer, facts: PayloadFacts, view: memoryview) -> None:
    """Fill a body's room from a frame, past its head.

    Raises
    ------
    DamagedError
        If the frame is no frame, or holds more or less than head and body.
    """
    if facts.codec not in SUFFIXES:
        raise DamagedError(f"no codec is called {facts.codec!r}: it may come from a newer resultstore")
    import zstandard

    try:
        with zstandard.ZstdDecompressor().stream_reader(frame) as reader:
            head = reader.read(facts.head_nbytes)
            done = 0
            while done < len(view):
                count = reader.readinto(view[done : done + _READ_AT_ONCE])
                if not count:
                    raise DamagedError(f"it unpacks to {len(head) + done} bytes instead of {len(head) + len(view)}")
                done += count
            if len(head) != facts.head_nbytes or reader.read(1):
                raise DamagedError(f"it unpacks to another size than {facts.head_nbytes + len(view)} bytes")
    except zstandard.ZstdError as error:
        raise DamagedError(f"it cannot be unpacked ({error})") from error
