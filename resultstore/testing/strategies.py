"""Hypothesis strategies for what is stored, what is keyed, and how functions are called.

They yield the odd with the plain: NaNs with every bit pattern, minus zero, lone surrogates, integers that
no column takes, big-endian and read-only arrays, empty ones and those without a dimension.
"""

from resultstore.testing._calls import SameCall, calls, make_function, signatures
from resultstore.testing._values import arguments, arrays, dtypes, keys, scalars, texts, values

__all__ = [
    "SameCall",
    "arguments",
    "arrays",
    "calls",
    "dtypes",
    "keys",
    "make_function",
    "scalars",
    "signatures",
    "texts",
    "values",
]
