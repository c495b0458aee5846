"""The pure part: events in, verdicts and alert changes out. No clock, no I/O, no randomness, no sentences."""
