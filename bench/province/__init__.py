"""What a whole province costs one collector. ``__main__`` says how to run it, docs/performance.md what it means."""
