"""What every format must do."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from resultstore._facts import PayloadFacts
from resultstore.errors import DamagedError
from resultstore.formats.base import Format, checksum
from resultstore.formats.registry import NAMES, format_named
from resultstore.testing._same import same


class FormatContract:
    """Subclass it, and override the fixtures ``fmt``, ``values`` and, if need be, ``same``."""

    @pytest.fixture
    def fmt(self) -> Format:
        """Return the format."""
        raise NotImplementedError("override this fixture")

    @pytest.fixture
    def values(self) -> Sequence[Any]:
        """Return values that the format accepts, the more peculiar the better."""
        raise NotImplementedError("override this fixture")

    @pytest.fixture
    def refused(self) -> Sequence[Any]:
        """Return values that the format must not accept."""
        return [object()]

    def same(self, one: Any, other: Any) -> bool:
        """Say whether two values are the same: they cannot be told apart."""
        return same(one, other)

    def write(self, fmt: Format, value: Any) -> tuple[PayloadFacts, bytes]:
        """Return the facts and the whole bytes of a value."""
        encoded = fmt.encode(value)
        body_hash = blake3(encoded.body).digest()
        facts = PayloadFacts(
            digest=encoded.digest(body_hash),
            checksum=checksum(encoded.head, body_hash),
            format=encoded.format,
            nbytes=encoded.nbytes,
            raw_nbytes=len(encoded.body),
            head_nbytes=len(encoded.head),
            dtype=encoded.dtype,
            shape=encoded.shape,
            order=encoded.order,
        )
        return facts, bytes(encoded.head) + bytes(encoded.body)

    def read(self, fmt: Format, facts: PayloadFacts, data: bytes) -> Any:
        """Return the value of some bytes as the store reads it: their digest is compared first."""
        holder, view = fmt.room(facts)
        view[:] = data[facts.head_nbytes :]
        assert fmt.digest(holder, blake3(view).digest()) == facts.digest, (
            "what is read has another digest than was written"
        )
        return fmt.value(holder, facts)

    def unmapped(self, value: Any) -> Any:
        """Return a mapped value as the value that reading gives; override it where a map has a type of its own."""
        return value

    def test_it_is_registered(self, fmt: Format) -> None:
        """The format is found under its own name."""
        assert fmt.name in NAMES
        assert type(format_named(fmt.name)) is type(fmt)
        assert fmt.suffix.startswith(".")
        assert type(fmt.runs_code) is bool
        assert type(fmt.maps) is bool

    def test_values_come_back(self, fmt: Format, values: Sequence[Any]) -> None:
        """An accepted value comes back the same, with the digest that it was written with, at every reading."""
        for value in values:
            assert fmt.accepts(value), value
            facts, data = self.write(fmt, value)
            assert len(data) == facts.nbytes
            for _ in range(2):
                assert self.same(self.read(fmt, facts, data), value), value

    def test_writing_is_repeatable(self, fmt: Format, values: Sequence[Any]) -> None:
        """The same value gives the same digest and the same bytes."""
        for value in values:
            assert self.write(fmt, value) == self.write(fmt, value)

    def test_different_values_have_different_digests(self, fmt: Format, values: Sequence[Any]) -> None:
        """No two of the values share a digest."""
        digests = [self.write(fmt, value)[0].digest for value in values]
        assert len(set(digests)) == len(digests)

    def test_others_are_refused(self, fmt: Format, refused: Sequence[Any]) -> None:
        """What would not come back whole is not accepted."""
        for value in refused:
            assert not fmt.accepts(value), value

    def test_sizes_that_contradict_are_damage(self, fmt: Format, values: Sequence[Any]) -> None:
        """Facts with another size are refused, or make room of that very size, never of another."""
        from resultstore._data import replace

        for value in values:
            facts, _ = self.write(fmt, value)
            try:
                _, view = fmt.room(replace(facts, raw_nbytes=facts.raw_nbytes + 8))
            except DamagedError:
                continue
            assert len(view) == facts.raw_nbytes + 8

    @pytest.mark.parametrize("mode", ["r", "c"])
    def test_mapping_is_reading(self, fmt: Format, values: Sequence[Any], tmp_path: Path, mode: str) -> None:
        """A format that maps gives the same value over a map of the file as it reads from its bytes."""
        if not fmt.maps:
            pytest.skip("the format does not map")
        access = mmap.ACCESS_READ if mode == "r" else mmap.ACCESS_COPY
        for number, value in enumerate(values):
            facts, data = self.write(fmt, value)
            path = tmp_path / f"{number}{fmt.suffix}"
            path.write_bytes(data)
            with path.open("rb") as file:
                mapping = mmap.mmap(file.fileno(), 0, access=access)
            mapped = fmt.map(mapping, facts, str(path), mode, data[:8])
            assert self.same(self.unmapped(mapped), value), value
            assert type(fmt.follows_bytes(mapped)) is bool
            assert path.read_bytes() == data

    def test_mapping_another_file_is_damage(self, fmt: Format, values: Sequence[Any], tmp_path: Path) -> None:
        """A map of bytes that do not begin as the format does is damage."""
        if not fmt.maps:
            pytest.skip("the format does not map")
        facts, data = self.write(fmt, values[0])
        path = tmp_path / f"damaged{fmt.suffix}"
        path.write_bytes(bytes(len(data)))
        with path.open("rb") as file:
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with pytest.raises(DamagedError):
            fmt.map(mapping, facts, str(path), "r", bytes(8))
