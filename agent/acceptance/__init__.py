"""``classready-agent acceptance``: a sheet (验收单) of what this gateway sees, to be handed over and signed.

``gather`` asks everything once, ``sheet`` is what is kept of it, ``drift`` compares it with the one before, and
``document`` puts it into words, which ``html`` and ``text`` lay out. The sheet says what was seen; whether that is
enough the collector says, and the sheet compares only with what the collector asked for.
"""
