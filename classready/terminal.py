"""The programs on a terminal that does not speak UTF-8."""

import io
import sys
from typing import Any

import click


class Program(click.Group):
    """A command line whose texts may be Chinese: what a terminal cannot show is escaped, and nothing fails by it."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **kwargs)
