"""The credential at the broker, which takes one connection of each user (configs/mosquitto)."""

import ssl
from pathlib import Path

import aiomqtt

from agent.findings import Finding
from agent.settings import MqttLink
from classready.mqtt import Client
from classready.settings import read_secret

CONNECT_S = 8.0


async def credential(link: MqttLink, gateway: str, trust: ssl.SSLContext | None) -> Finding:
    """Connect and leave. Only where no agent runs: it would lose its connection, and its will would say it is gone."""
    client = Client(
        link.host,
        link.port,
        username=gateway,
        password=read_secret(Path(link.password_file)),
        identifier=gateway,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=True,
        timeout=CONNECT_S,
        tls_context=trust,
    )
    try:
        async with client:
            return Finding(check="credential", result="ok", code="broker_ok")
    except (aiomqtt.MqttError, OSError) as error:
        values = {"why": str(error)}
        return Finding(check="credential", result="failed", code="broker_refused", values=values)
