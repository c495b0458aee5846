"""Everything put together: settings checked, store opened, doors opened, stopped in the right order."""
