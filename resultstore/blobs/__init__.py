"""Where the bytes of payloads lie: no value, no SQL."""
