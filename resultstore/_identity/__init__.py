"""Who was called with what: names, binding, digests, fingerprints, keys. No disk, no SQL."""
