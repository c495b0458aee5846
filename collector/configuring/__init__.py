"""What each gateway is told to measure: the bureau's templates, the devices that somebody confirmed, and the two put
together. No I/O but in ``reading``.
"""
