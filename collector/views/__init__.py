"""What people and programs read: codes and numbers, each with its sentence. API, board and `explain` show these.

Pure: everything is computed from the state given. Rates are bit/s, times Unix seconds, ages seconds; null = not known.
"""
