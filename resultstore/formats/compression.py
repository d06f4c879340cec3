"""Codecs: a whole payload, head and body, as one compressed frame.

zstd frames (RFC 8878) carry the size and a checksum of what they hold. Of the codec ``zstd`` that is the
plain file, so that ``zstd -d`` gives back ``.npy`` or ``.arrow``, and says so if it cannot; of
``zstd+shuffle`` it is a line, the head, and the body's bytes in another order.
"""

from __future__ import annotations

from typing import Any

from resultstore._facts import PayloadFacts
from resultstore._settings import Compression
from resultstore.errors import DamagedError
from resultstore.formats.base import WORTH_NBYTES, Buffer, Encoded
from resultstore.formats.shuffle import LINE_NBYTES, Layout, layout_for, layout_of, shuffle, unshuffle

_SHUFFLED = "zstd+shuffle"
SUFFIXES = {"zstd": ".zst", _SHUFFLED: ".shuffled.zst"}
_WORTH = 0.95  # of the plain size: what saves less is not worth its time at every hit
_WORTH_AUTO = 0.8
"""The same where nobody asked for small files: what is unpacked at 1 to 2 GB/s then costs a hit less than
reading the saved bytes from anything but memory or the fastest disks. Noise with an exponent saves less."""
_READ_AT_ONCE = 1 << 20
_LEAST_WINDOW = 1 << 10
_RUNS = (4, 32)  # of bytes in a sample: at least, at most
_RUN_EVERY_NBYTES = 1 << 17
_RUN_NBYTES, _LONG_RUN_NBYTES = 1 << 10, 1 << 12
_HOPELESS = 0.85  # of a sample; a whole payload may be somewhat better than that
_TINY, _MUCH_LESS = 1 / 16, 2 / 3
_BOTH_NBYTES = 1 << 17  # up to which both ways take no longer than a sample that tells
_KEPT_CONTEXTS = 4
_LIGHT_LEVEL = 3  # contexts of higher levels hold up to 100 MB

# Making a context takes 10 us, for its tables are cleared. Taken out while used, they serve any thread, and
# a call inside a call; those in use at a fork are not seen by the child.
_compressors: dict[int, list[Any]] = {level: [] for level in range(1, _LIGHT_LEVEL + 1)}
_decompressors: list[Any] = []


def compress(encoded: Encoded, compression: Compression) -> tuple[str, bytes] | None:
    """Return a payload as one frame, after its codec's name, or None if that would not save enough."""
    if encoded.nbytes < WORTH_NBYTES:
        return None
    level = compression.level
    if compression.codec != "auto":
        frame = _frame(encoded, None, level)
        return ("zstd", frame) if len(frame) < _WORTH * encoded.nbytes else None
    if not encoded.body:
        return None
    layout = layout_for(encoded.itemsize, encoded.dtype)
    tries = [(chosen, _frame(encoded, chosen, level)) for chosen in _choose(memoryview(encoded.body), layout)]
    if len(tries) == 2:
        tries = tries[1:] if _is_better(len(tries[1][1]), len(tries[0][1]), encoded.nbytes) else tries[:1]
    for chosen, frame in tries:
        if len(frame) <= _WORTH_AUTO * encoded.nbytes:
            return ("zstd" if chosen is None else _SHUFFLED), frame
    return None


def _choose(body: memoryview, layout: Layout | None) -> list[Layout | None]:
    """Return how a body is to be packed, None being as it is, from what becomes of runs of its bytes.

    That is in no way at all if it would save too little, and in two, to be compared, if a sample cannot tell.
    """
    plain, shuffled = _try_on(body, layout, _RUN_NBYTES)
    if layout is not None and min(plain, shuffled) <= _TINY:
        if len(body) <= _BOTH_NBYTES:
            return [None, layout]
        # Of next to nothing, a short sample does not tell which is less.
        plain, shuffled = _try_on(body, layout, _LONG_RUN_NBYTES)
    if min(plain, shuffled) > _HOPELESS:
        return []
    return [layout if _is_better(shuffled, plain, 1) else None]


def _is_better(shuffled: float, plain: float, whole: float) -> bool:
    # What plain zstd makes next to nothing of, it also unpacks faster than shuffled bytes can be put back.
    return shuffled < (_MUCH_LESS if plain <= _TINY * whole else 1) * plain


def _try_on(body: memoryview, layout: Layout | None, run_nbytes: int) -> tuple[float, float]:
    """Return the parts of a sample that are left by zstd alone, and after shuffling."""
    sample = _sample(body, run_nbytes, layout.itemsize if layout else 1)
    compressor = _take_compressor(1)
    plain = len(compressor.compress(sample))
    shuffled = plain if layout is None else len(compressor.compress(b"".join(shuffle(sample, layout))))
    _put_back(_compressors[1], compressor)
    return plain / len(sample), shuffled / len(sample)


def _sample(body: memoryview, length: int, itemsize: int) -> Buffer:
    count = min(max(len(body) // _RUN_EVERY_NBYTES, _RUNS[0]), _RUNS[1])
    if count * length >= len(body):
        return body
    length -= length % itemsize
    step = len(body) // count // itemsize * itemsize
    return b"".join(body[i * step : i * step + length] for i in range(count))


def _frame(encoded: Encoded, layout: Layout | None, level: int) -> bytes:
    from zstandard import COMPRESSOBJ_FLUSH_BLOCK

    compressor = _take_compressor(level)
    if layout is None:
        writer = compressor.compressobj(size=encoded.nbytes)
        pieces = [writer.compress(encoded.head), writer.compress(encoded.body)]
    else:
        writer = compressor.compressobj(size=LINE_NBYTES + encoded.nbytes)
        pieces = [writer.compress(layout.line + encoded.head), writer.flush(COMPRESSOBJ_FLUSH_BLOCK)]
        for part in shuffle(encoded.body, layout):
            # A zstd block for each part: noise is left as it is, and the rest gets a code of its own.
            pieces += writer.compress(part), writer.flush(COMPRESSOBJ_FLUSH_BLOCK)
    pieces.append(writer.flush())
    if level in _compressors:
        _put_back(_compressors[level], compressor)
    return b"".join(pieces)


def _take_compressor(level: int) -> Any:
    try:
        return _compressors[level].pop()
    except LookupError:
        import zstandard

        return zstandard.ZstdCompressor(level=level, write_checksum=True)


def _put_back(contexts: list[Any], context: Any) -> None:
    if len(contexts) < _KEPT_CONTEXTS:
        contexts.append(context)


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
        decompressor = _decompressors.pop()
    except IndexError:
        decompressor = zstandard.ZstdDecompressor()
    try:
        _unpack(frame, facts, view, decompressor)
    except zstandard.ZstdError as error:
        raise DamagedError(f"it cannot be unpacked ({error})") from error
    _put_back(_decompressors, decompressor)


def _unpack(frame: Buffer, facts: PayloadFacts, view: memoryview, decompressor: Any) -> None:
    import zstandard

    line_nbytes = LINE_NBYTES if facts.codec == _SHUFFLED else 0
    expected = line_nbytes + facts.head_nbytes + len(view)
    named = zstandard.get_frame_parameters(frame)
    if named.content_size != expected or facts.head_nbytes < 0:
        raise DamagedError(f"it unpacks to {named.content_size} bytes instead of {expected}")
    if named.window_size > max(2 * expected, _LEAST_WINDOW):
        raise DamagedError(f"it asks for a window of {named.window_size} bytes to unpack {expected}")
    with decompressor.stream_reader(frame) as reader:

        def fill(room: memoryview) -> None:
            done = 0
            while done < len(room):
                count = reader.readinto(room[done : done + _READ_AT_ONCE])
                if not count:
                    raise DamagedError(f"it ends before it has unpacked to {expected} bytes")
                done += count

        line = reader.read(line_nbytes) if line_nbytes else b""
        passed = 0
        while passed < facts.head_nbytes:
            head = reader.read(min(facts.head_nbytes - passed, _READ_AT_ONCE))
            if not head:
                raise DamagedError(f"it ends before it has unpacked to {expected} bytes")
            passed += len(head)
        if line_nbytes:
            unshuffle(view, layout_of(line), fill)
        else:
            fill(view)
        if reader.read(1):
            raise DamagedError(f"it unpacks to more than {expected} bytes")
