"""Contract suites that ship: one subclass tests a new format, place for blobs or policy of eviction.

Needs pytest and hypothesis. The suites look at what an implementation wrote by ways of their own where they can, so
that a fault in writing is not hidden by its twin in reading.
"""

from resultstore.testing._same import assert_same, same
from resultstore.testing.blobs import BlobsContract
from resultstore.testing.eviction import PolicyContract
from resultstore.testing.formats import FormatContract

__all__ = ["BlobsContract", "FormatContract", "PolicyContract", "assert_same", "same"]
