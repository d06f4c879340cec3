"""A graph of what a behaviour consists of, and the digest of a node with all that it reaches.

No two nodes have one digest if anything tells them apart from outside: what they are, and what their edges lead to.
How parts outside of cycles are shared makes no difference, nor where a cycle is entered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blake3 import blake3

from resultstore._identity.encoding import encode, length

_NODE, _ROUND, _CYCLE = b"resultstore node\0", b"resultstore round\0", b"resultstore cycle\0"


class Node:
    """One thing that a behaviour consists of."""

    __slots__ = ("edges", "kind", "local", "name", "thing")

    def __init__(self, kind: str, name: str, local: bytes = b"", thing: Any = None) -> None:
        self.kind = kind
        self.name = name
        self.local = local
        """What it is by itself: an encoding."""
        self.edges: list[tuple[str, Node]] = []
        """What it leads to, each by a label of its own."""
        self.thing = thing


def reachable(root: Node) -> list[Node]:
    """Return all nodes that a node reaches, itself first, in an order that depends on the graph alone."""
    found, known = [root], {id(root)}
    for node in found:
        for _, child in node.edges:
            if id(child) not in known:
                known.add(id(child))
                found.append(child)
    return found


def graph_digest(root: Node, local: Callable[[Node], bytes]) -> bytes:
    """Return the digest, 32 bytes, of a node with all that it reaches."""
    digests: dict[int, bytes] = {}
    for component in _components(root):
        if len(component) == 1 and all(child is not component[0] for _, child in component[0].edges):
            node = component[0]
            digests[id(node)] = _hash(_NODE, local(node), node.edges, lambda child: digests[id(child)])
        else:
            digests.update(_cycle_digests(component, digests, local))
    return digests[id(root)]


def _hash(head: bytes, own: bytes, edges: list[tuple[str, Node]], digest_of: Callable[[Node], bytes]) -> bytes:
    parts = [head, length(len(own)), own, length(len(edges))]
    found = [(label, digest_of(child)) for label, child in edges]
    if any(label.startswith("{") for label, _ in found):
        # Elements of a set that share a name are numbered in the order of their addresses, which says nothing.
        found = sorted((label.rpartition(" ")[0] if _is_numbered(label) else label, d) for label, d in found)
    for label, digest in found:
        parts.append(encode(label))
        parts.append(digest)
    return blake3(b"".join(parts)).digest()


def _is_numbered(label: str) -> bool:
    return label.startswith("{") and not label.endswith("}")


def _cycle_digests(
    component: list[Node], digests: dict[int, bytes], local: Callable[[Node], bytes]
) -> dict[int, bytes]:
    """Return the digests of nodes that reach each other.

    Each is hashed with its neighbours' hashes of the round before, until no round tells more of them apart:
    then these hashes say all that can be told, and their set says what the cycle is.
    """
    inside = {id(node) for node in component}
    blank = bytes(32)
    hashes = {
        id(node): _hash(_ROUND, local(node), node.edges, lambda c: blank if id(c) in inside else digests[id(c)])
        for node in component
    }
    count = len(set(hashes.values()))
    rounds = 0
    while True:
        rounds += 1
        hashes = {
            id(node): _hash(_ROUND, hashes[id(node)], node.edges, lambda c, h=hashes: h.get(id(c), blank))  # type: ignore[misc]
            for node in component
        }
        last, count = count, len(set(hashes.values()))
        if count == last:
            break
    whole = blake3(_CYCLE + length(rounds) + b"".join(sorted(set(hashes.values())))).digest()
    return {number: blake3(_CYCLE + h + whole).digest() for number, h in hashes.items()}


def _components(root: Node) -> list[list[Node]]:
    """Return the groups of nodes that reach each other, those that others lead to first (Tarjan, 1972)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    open_nodes: list[Node] = []
    is_open: set[int] = set()
    components: list[list[Node]] = []
    work: list[tuple[Node, int]] = [(root, 0)]
    while work:
        node, position = work.pop()
        number = id(node)
        if position == 0:
            index[number] = low[number] = len(index)
            open_nodes.append(node)
            is_open.add(number)
        else:
            low[number] = min(low[number], low[id(node.edges[position - 1][1])])
        while position < len(node.edges):
            child = node.edges[position][1]
            position += 1
            if id(child) not in index:
                work.append((node, position))
                work.append((child, 0))
                break
            if id(child) in is_open:
                low[number] = min(low[number], index[id(child)])
        else:
            if low[number] == index[number]:
                component: list[Node] = []
                while not component or component[-1] is not node:
                    component.append(open_nodes.pop())
                    is_open.discard(id(component[-1]))
                components.append(component)
    return components
