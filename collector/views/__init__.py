"""What people and programs read: codes and numbers, each with its sentence. API, board and `explain` show these.

Pure: everything is computed from the state given. Rates are bit/s, times Unix seconds, ages seconds; null = not known.
"""

from collector.views.bureau import Bureau, Incidents, Objections, Records
from collector.views.kept import Kept
from collector.views.school import SchoolView, show
from collector.views.summary import SchoolSummary, summarise, worded

__all__ = [
    "Bureau",
    "Incidents",
    "Kept",
    "Objections",
    "Records",
    "SchoolSummary",
    "SchoolView",
    "show",
    "summarise",
    "worded",
]
