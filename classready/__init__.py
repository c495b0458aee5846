"""What the two programs say to each other: the vocabulary, the wire, and the settings loader."""

__version__ = "0.1.0"
__released__ = "2026-11-29"
"""The day of the last change to this version: a clock that says an earlier one is wrong."""
