"""A value to bytes and back, in one open file: no directory, no SQL."""
