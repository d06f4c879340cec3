"""Encoders for the types of one library each, loaded when a value of it is first met."""
