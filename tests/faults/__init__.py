"""Faults at every operation: a shim before the C library, what a store does meanwhile, and what is asked of it after."""
