"""What should exist: one YAML file per office, and the calendar that says when its schools have lessons."""
