"""``classready-agent doctor``: what keeps this gateway from measuring and reporting, and what a technician can do.

Everything is looked at or asked once, side by side; nothing is reported, and nothing is written but one empty file in
the state directory, which is taken away again.
"""
