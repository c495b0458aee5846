"""A county's first weeks in simulated time: what is wrong, what agents see of it, and what the chat group is told."""
