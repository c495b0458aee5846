"""structlog for both programs: JSON lines for journald, coloured columns for a person at a terminal."""

import logging
import sys
from typing import Any

import structlog


def configure(*, level: str = "info") -> None:
    """Send every log event to standard error, one line each; libraries' own logging too, from warnings up."""
    interactive = sys.stderr.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=not interactive),
    ]
    rendering = _rendering(interactive=interactive)
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _adopt_libraries(shared, rendering)


def _rendering(*, interactive: bool) -> list[Any]:
    if interactive:
        # the default shows every variable, secrets among them, and takes seconds in which no report is answered
        return [structlog.dev.ConsoleRenderer(repr_native_str=True, exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]


def _adopt_libraries(shared: list[Any], rendering: list[Any]) -> None:
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[remove_meta, *rendering])
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
