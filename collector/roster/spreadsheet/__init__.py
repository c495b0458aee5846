"""A list of rooms as people keep it, in a spreadsheet or as text, read row by row with every cell's place."""
