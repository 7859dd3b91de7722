"""Faults injected for real: `python -m tests.faults` prints the table of what became of them."""
