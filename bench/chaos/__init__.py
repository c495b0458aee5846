"""Faults on purpose, on a whole county in small: nothing may be lost, doubled, or acknowledged and not stored."""
