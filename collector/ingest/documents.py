"""The settings document of a gateway as it goes out, over either link."""

from classready.codec import encode
from collector.engine import Engine


def settings_of(engine: Engine, gateway: str) -> bytes | None:
    """Return the document; None = there is none, or none that it could take."""
    if engine.configuring.version(gateway) is None:
        return None
    return encode(engine.configuring.of(gateway))
