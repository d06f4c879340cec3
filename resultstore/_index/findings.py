"""What a repair finds of lost calls, in a damaged index or in a journal: facts as `Index.restore` takes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from resultstore._data import Data
from resultstore._facts import (
    CODE_KINDS,
    STATES,
    STORED,
    ArgumentFacts,
    CallFacts,
    DependencyFacts,
    FunctionFacts,
    LeafFacts,
    PayloadFacts,
    ResultFacts,
    RunFacts,
)
from resultstore._index.salvage import Salvage

_CALL = """key state kind integer number text leaf_count checksum version_id run_id created_at duration note
    accessed_at access_count access_sequence pinned""".split()
_ARGUMENT = "position name kind number text token summary".split()
_PAYLOAD = """digest checksum format nbytes raw_nbytes head_nbytes dtype shape memory_order codec file inline
    disk_nbytes""".split()
_VERSION = (
    """function_id fingerprint scheme place signature python code label portable source_digest created_at""".split()
)
_RUN = "started_at process host username program python platform boot packages".split()
_LEAF_FIELDS = ("position", "path", "writeable")
_KEY_NBYTES, _MOST_LEAVES = 32, 1_000_000


class Found(Data):
    """A call that was lost."""

    call: CallFacts
    run: RunFacts | None = None
    accessed_at: float | None = None
    access_count: int = 0
    access_sequence: int | None = None
    pinned: bool = False


class Counters(Data):
    """What a function's row counts."""

    name: str
    hits: int
    misses: int
    evictions: int
    seconds_saved: float


class FoundIndex:
    """A damaged index, as calls and what belongs to them. What is not of the right types is passed over."""

    def __init__(self, salvage: Salvage) -> None:
        self._salvage = salvage
        texts = dict(salvage.all_rows("source", ["digest", "text"]))
        self.functions = {row[0]: row[1] for row in salvage.scan("function", ["name"]) if type(row[1]) is str}
        self._runs = {row[0]: run for row in salvage.scan("run", _RUN) if (run := _run(row[1:])) is not None}
        dependencies: dict[int, list[DependencyFacts]] = {}
        columns = ["version_id", "name", "kind", "digest", "place", "detail", "source_digest"]
        for _, version, name, kind, digest, place, detail, source in salvage.scan("dependency", columns):
            text = texts.get(source) if kind in CODE_KINDS else detail
            if _are((name, kind, digest, place, text), str, str, bytes, str | None, str | None):
                dependencies.setdefault(version, []).append(DependencyFacts(name, kind, digest, place, text))
        self.versions: dict[int, tuple[FunctionFacts, float]] = {}
        for number, function, *rest, source, created_at in salvage.scan("function_version", _VERSION):
            facts = self._version(function, rest, texts.get(source), tuple(dependencies.get(number, ())))
            if facts is not None and type(created_at) is float:
                self.versions[number] = facts, created_at

    def _version(
        self, function: Any, row: list[Any], text: str | None, dependencies: tuple[DependencyFacts, ...]
    ) -> FunctionFacts | None:
        fingerprint, scheme, place, signature, python, code, label, portable = row
        name = self.functions.get(function)
        kinds = (bytes, int, str, str | None, str, bytes | None, str | None, bytes | None)
        if name is None or not _are(tuple(row), *kinds):
            return None
        return FunctionFacts(
            name,
            fingerprint,
            scheme,
            place,
            text,
            signature,
            python,
            code or fingerprint,
            label,
            portable,
            dependencies,
        )

    def counters(self) -> Iterator[Counters]:
        """Yield what the rows of functions count."""
        for _, *row in self._salvage.scan("function", list(Counters._fields)):
            if _are(tuple(row), str, int, int, int, float) and all(0 <= number < 2**53 for number in row[1:]):
                yield Counters(*row)

    def acceptances(self) -> Iterator[tuple[FunctionFacts, FunctionFacts, str, float]]:
        """Yield which version accepted which, why and when."""
        rows = self._salvage.all_rows("acceptance", ["version_id", "accepted_id", "reason", "created_at"])
        for version, accepted, reason, created_at in rows:
            if version in self.versions and accepted in self.versions and _are((reason, created_at), str, float):
                yield self.versions[version][0], self.versions[accepted][0], reason, created_at

    def statements(self) -> Iterator[tuple[str, str]]:
        """Yield what is signed; whoever believes it has the key, and looks."""
        for name, value in self._salvage.all_rows("meta", ["name", "value"]):
            if _are((name, value), str, str) and name.startswith("signed "):
                yield name, value

    def numbers(self) -> list[int]:
        """Return the numbers of the calls that can be read, those first that were asked for last."""
        rows = [
            (row[1] if type(row[1]) is int else 0, row[0]) for row in self._salvage.scan("call", ["access_sequence"])
        ]
        return [number for _, number in sorted(rows, reverse=True)]

    def call(self, number: int) -> Found | None:
        """Return a call with its arguments, leaves and payloads, or None if that cannot be."""
        for row in self._salvage.by_number("call", _CALL, "id", number):
            found = self._found(number, dict(zip(_CALL, row, strict=True)))
            if found is not None:
                return found
        return None

    def key(self, number: int) -> bytes | None:
        """Return the key of a call."""
        for (key,) in self._salvage.by_number("call", ["key"], "id", number):
            if _is_key(key):
                return bytes(key)
        return None

    def computations(self) -> Iterator[tuple[bytes, tuple[Any, ...], RunFacts | None]]:
        """Yield past computations: the call's key, the columns, the run."""
        columns = ["call_id", "run_id", "created_at", "duration", "checksum", "state", "note"]
        for _, number, run, *rest in self._salvage.scan("computation", columns):
            key = self.key(number) if type(number) is int else None
            if key is not None and _are(tuple(rest), float, float, bytes | None, str, str | None) and rest[3] in STATES:
                yield key, tuple(rest), self._runs.get(run)

    def nestings(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield which call made which."""
        for parent, child in self._salvage.scan("nesting", ["child_id"], "parent_id"):
            keys = self.key(parent), self.key(child) if type(child) is int else None
            if keys[0] is not None and keys[1] is not None:
                yield keys[0], keys[1]

    def _found(self, number: int, row: dict[str, Any]) -> Found | None:
        version = self.versions.get(row["version_id"])
        kinds = (bytes, str, float, float, str | None, bytes | None)
        if version is None or not _is_key(row["key"]) or row["state"] not in STATES:
            return None
        if not _are(tuple(row[n] for n in ("key", "state", "created_at", "duration", "note", "checksum")), *kinds):
            return None
        stored = row["state"] == STORED
        call = CallFacts(
            key=row["key"],
            function=version[0],
            arguments=self._arguments(number),
            created_at=row["created_at"],
            duration=row["duration"],
            state=row["state"],
            note=row["note"],
            result=self._result(number, row) if stored else None,
            checksum=row["checksum"] or b"",
        )
        return Found(
            call,
            self._runs.get(row["run_id"]),
            row["accessed_at"] if type(row["accessed_at"]) is float else None,
            row["access_count"] if type(row["access_count"]) is int else 0,
            row["access_sequence"] if type(row["access_sequence"]) is int else None,
            row["pinned"] == 1,
        )

    def _arguments(self, number: int) -> tuple[ArgumentFacts, ...]:
        rows = self._salvage.by_number("argument", _ARGUMENT, "call_id", number)
        kinds = (int, str, str, float | None, str | None, bytes | None, str)
        return tuple(ArgumentFacts(*row) for row in rows if _are(row, *kinds))

    def _result(self, number: int, row: dict[str, Any]) -> ResultFacts:
        leaves = []
        columns = [*_LEAF_FIELDS, "payload_id"]
        for position, path, writeable, payload_id in self._salvage.by_number("result_leaf", columns, "call_id", number):
            if type(payload_id) is int and type(path) is str:
                payloads = self._salvage.by_number("payload", _PAYLOAD, "id", payload_id)
                leaves += [LeafFacts(position, path, PayloadFacts(*p), bool(writeable)) for p in payloads]
        return ResultFacts(row["kind"], row["integer"], row["number"], row["text"], tuple(leaves))


def from_journal(record: dict[str, Any]) -> Found | None:
    """Return the call of a journal's line, or None if it is none."""
    import binascii

    try:
        function = dict(record["function"])
        for name in ("fingerprint", "code", "portable"):
            function[name] = None if function[name] is None else bytes.fromhex(function[name])
        arguments = tuple(
            ArgumentFacts(**{**a, "token": None if a["token"] is None else bytes.fromhex(a["token"])})
            for a in record["arguments"]
        )
        leaves = []
        for leaf in record["result"]["leaves"]:
            payload = dict(leaf["payload"])
            for name in ("digest", "checksum"):
                payload[name] = bytes.fromhex(payload[name])
            if payload["inline"] is not None:
                payload["inline"] = binascii.a2b_base64(payload["inline"])
            leaves.append(LeafFacts(**{**leaf, "payload": PayloadFacts(**{**payload, "id": 0})}))
        call = CallFacts(
            key=bytes.fromhex(record["key"]),
            function=FunctionFacts(**function, source=None, signature=None),
            arguments=arguments,
            created_at=float(record["created_at"]),
            duration=float(record["duration"]),
            state=record["state"],
            note=record["note"],
            result=ResultFacts(**{**record["result"], "leaves": tuple(leaves)}),
            checksum=bytes.fromhex(record["checksum"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return Found(call) if _is_key(call.key) and call.state == STORED else None


def _run(row: tuple[Any, ...]) -> RunFacts | None:
    if not _are(row, float, int, *([str] * 7)):
        return None
    try:
        packages = json.loads(row[8])
    except ValueError:
        return None
    facts = dict(zip(_RUN, row, strict=True)) | {"packages": packages}
    return RunFacts(**facts) if isinstance(packages, dict) else None


def _is_key(key: object) -> bool:
    return type(key) is bytes and len(key) == _KEY_NBYTES


def _are(values: tuple[Any, ...], *kinds: Any) -> bool:
    return len(values) == len(kinds) and all(map(isinstance, values, kinds))
