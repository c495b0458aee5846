"""Every sentence that people read, in Chinese and English, by message id.

Both texts of a message have the same fields; a test compares them. Fields are inserted as they are: whoever shows the
result escapes it (the templates for HTML, ``notify.message`` for chat).
"""

from collector.text.languages import LANGUAGES, Language, Names
from collector.text.saying import (
    MESSAGES,
    ago,
    capacity,
    delivery_problem,
    duration,
    machine_time,
    moment,
    note_text,
    rate,
    reason,
    say,
    size,
)

__all__ = [
    "LANGUAGES",
    "MESSAGES",
    "Language",
    "Names",
    "ago",
    "capacity",
    "delivery_problem",
    "duration",
    "machine_time",
    "moment",
    "note_text",
    "rate",
    "reason",
    "say",
    "size",
]
