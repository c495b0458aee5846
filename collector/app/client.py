"""Asking the collector that runs by the same settings file, over its own HTTP."""

import json
import ssl
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from classready.settings import read_secret, resolve
from collector.settings import CollectorSettings, Listen

TIMEOUT_S = 10.0


class NoAnswerError(Exception):
    """The collector does not run, or did not say what was asked; the text is for people."""


def ask(  # noqa: PLR0913 - what a request has
    path: Path,
    settings: CollectorSettings,
    resource: str,
    *,
    method: str = "GET",
    body: Any = None,
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """Return the JSON that the running collector gives for ``resource``; ``body`` is sent as JSON.

    Raises:
        NoAnswerError: with what it said, or that it cannot be reached.
    """
    listen = settings.listen
    url = f"{'https' if listen.tls else 'http'}://{_own_host(listen)}:{listen.port}{quote(resource, safe='/?=&')}"
    headers = {"Accept": "application/json"}
    try:
        if listen.tokens.api_file:
            tokens = read_secret(resolve(path, listen.tokens.api_file)).splitlines()
            headers["Authorization"] = f"Bearer {tokens[0].strip()}"
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = Request(url, data=data, headers=headers, method=method)  # noqa: S310 - http or https by construction
        with _opener(path, listen).open(request, timeout=timeout_s) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise NoAnswerError(_complaint(error)) from None
    except (URLError, OSError, ValueError) as error:
        raise NoAnswerError(f"no answer from the collector at {url}: {getattr(error, 'reason', error)}") from None


def _own_host(listen: Listen) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104 - replaced, not bound
    return f"[{host}]" if ":" in host else host


def _opener(path: Path, listen: Listen) -> OpenerDirector:
    """No proxies; of TLS certificates, exactly the collector's own is trusted, whatever name it is for."""
    if listen.tls is None:
        return build_opener(ProxyHandler({}))
    context = ssl.create_default_context(cafile=str(resolve(path, listen.tls.cert_file)))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return build_opener(ProxyHandler({}), HTTPSHandler(context=context))


def _complaint(error: HTTPError) -> str:
    try:
        said = json.load(error)
    except ValueError:
        return f"the collector answered {error.code}"
    return "\n".join(said["problems"]) if "problems" in said else f"{said.get('error', error.code)}"
