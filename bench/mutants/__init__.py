"""Small breakages of the core, each of which a test should notice."""
