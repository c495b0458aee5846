"""What the two programs say to each other: the vocabulary, the wire, and the settings loader."""

__version__ = "0.1.0"
