"""What should exist: one YAML file per office, and the calendar that says when its schools have lessons."""

from collector.roster.loading import Roster, load_roster

__all__ = ["Roster", "load_roster"]
