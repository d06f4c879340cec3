"""Results that lean on payloads which are stored already: on which they may, and how the journal names those."""

from __future__ import annotations

from collections.abc import Callable

from resultstore._data import replace
from resultstore._facts import PayloadFacts
from resultstore._settings import CallOptions
from resultstore.formats.prepare import Packed, Part, pack
from resultstore.formats.registry import format_named

_WHERE = ("checksum", "nbytes", "codec", "file", "inline", "disk_nbytes")


def named_in_journal(
    parts: list[Part], packed: list[Packed], payloads: list[PayloadFacts], options: CallOptions
) -> list[PayloadFacts]:
    """Return payloads as the journal names them: those that lean on an equal one by that one's file."""
    known: dict[tuple[bytes, str], PayloadFacts] = {}
    named = []
    for part, leaning, facts in zip(parts, packed, payloads, strict=True):
        name = facts.digest, facts.format
        if facts.file is None and facts.inline is None:
            equal = known.get(name) or leaning.equal
            if equal is None or (equal.file is None and equal.inline is None):
                facts = pack(part, options.compression, inline=True).facts  # noqa: PLW2901 -- it lies in the index
            else:
                stored = {n: getattr(equal, n) for n in _WHERE}
                facts = replace(facts, **stored)  # noqa: PLW2901
        known.setdefault(name, facts)
        named.append(facts)
    return named


def files_only(stands: Callable[[PayloadFacts], bool]) -> Callable[[PayloadFacts], bool]:
    """Return a judge for results that will be mapped: what can be mapped must lie plain in a file."""

    def judge(payload: PayloadFacts) -> bool:
        mappable = payload.file is not None and payload.codec is None
        return (mappable or not format_named(payload.format).maps) and stands(payload)

    return judge


def maps_any(parts: list[Part]) -> bool:
    """Say whether a result has a leaf that can be mapped."""
    return any(format_named(part.facts.format).maps for part in parts)
