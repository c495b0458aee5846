"""Which release the gateways of a bureau run, and which of them get another one now. Pure."""
