"""Encoders for torch: a tensor is its dtype, shape, device and numbers, whatever its strides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from resultstore._identity.arrays import hash_buffer
from resultstore._identity.encoding import Node, named
from resultstore._identity.instances import refused, with_attributes


def _tensor(tensor: Any) -> Node:
    plain = tensor.detach()
    name = "Parameter" if isinstance(tensor, torch.nn.Parameter) else "Tensor"
    told = (str(plain.dtype), tuple(plain.shape), bool(tensor.requires_grad), plain.device.type)
    if plain.layout is torch.sparse_coo:
        plain = plain.coalesce()
        return named(f"torch.sparse {name}", (*told, plain.indices(), plain.values()))
    if plain.layout is not torch.strided or plain.is_quantized or plain.is_meta:
        raise refused(tensor, f" in the layout {plain.layout}")
    flat = plain.resolve_conj().resolve_neg().cpu().contiguous().reshape(-1).view(torch.uint8)
    return named(f"torch.{name}", (*told, hash_buffer(flat.numpy())))


def _given(tensor: Any) -> dict[str, Any]:
    """Return the attributes that a tensor was given, and its gradient."""
    own = dict(vars(tensor)) if type(tensor) in _MAKERS else {}  # a subclass's are told as such
    if tensor.is_leaf and tensor.grad is not None:
        own["grad"] = tensor.grad
    return own


_MAKERS: dict[type, Callable[[Any], Node]] = {
    torch.Tensor: with_attributes(_tensor, _given),
    torch.nn.Parameter: with_attributes(_tensor, _given),
    torch.dtype: lambda v: named("torch.dtype", (str(v),)),
    torch.device: lambda v: named("torch.device", (str(v),)),
    torch.Size: lambda v: named("torch.Size", tuple(v)),
    torch.Generator: lambda v: named("torch.Generator", (v.get_state(),)),
}


def register(kind: type, leaves: dict[type, Callable[[Any], bytes]], nodes: dict[type, Callable[[Any], Node]]) -> None:
    """Add the encoders of torch's types."""
    nodes.update(_MAKERS)
