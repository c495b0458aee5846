"""mosquitto's configuration and ACL, as text. Why each line stands there is said beside it."""

from typing import Literal

from msgspec import Struct

MARK = "# Written by classready-collector broker-config"
CONFIG_NAME, ACL_NAME, USERS_NAME, PASSWORDS_NAME = "mosquitto.conf", "acl", "users", "passwords"


class Broker(Struct, frozen=True, kw_only=True):
    """``folder``: where the configuration is. ``state``: what the broker's own user may write to."""

    folder: str = "/etc/mosquitto"
    state: str = "/var/lib/mosquitto"
    pid_file: str = "/run/mosquitto/mosquitto.pid"
    listen: str | None = None
    """null = every address."""
    port: int = 8883
    cert_file: str = "/etc/mosquitto/certs/server.crt"
    key_file: str = "/etc/mosquitto/certs/server.key"
    client_ca: str | None = None
    """Gateways must show a certificate of this authority."""
    identity: Literal["password", "certificate"] = "password"
    """What says who a gateway is; with ``certificate`` the common name does, and no password is asked for."""
    collector: str = "collector"


def config_text(broker: Broker) -> str:
    return _CONFIG.format(
        mark=MARK,
        listener=f"{broker.port} {broker.listen}" if broker.listen else broker.port,
        cert_file=broker.cert_file,
        key_file=broker.key_file,
        certificates=_certificates(broker),
        pid_file=broker.pid_file,
        passwords=f"{broker.state}/{PASSWORDS_NAME}",
        acl=f"{broker.folder}/{ACL_NAME}",
        state=broker.state,
    )


def acl_text(broker: Broker) -> str:
    return _ACL.format(mark=MARK, collector=broker.collector)


def _certificates(broker: Broker) -> str:
    if broker.client_ca is None:
        return ""
    lines = ["", "# A client without a certificate of this authority is refused in the handshake."]
    lines += [f"cafile {broker.client_ca}", "require_certificate true"]
    if broker.identity == "certificate":
        lines += [
            "# Its common name is its user name, and no password is looked at. Who is taken back must be in a crlfile,",
            "# and the broker started anew; until then the collector refuses what that gateway reports.",
            "use_identity_as_username true",
        ]
    return "\n".join(lines) + "\n"


_CONFIG = """\
{mark}, which writes it anew.
# The broker between gateways and collector, where reports travel over MQTT (mosquitto 2.0, MQTT 5).
#
# What the broker acknowledges may still be lost here. That is why a gateway deletes a record only when the collector
# itself has named it as stored, and why nothing below has to be perfect.

listener {listener}
certfile {cert_file}
keyfile {key_file}
tls_version tlsv1.2
{certificates}
per_listener_settings false
allow_anonymous false
# Kept by `classready-collector broker-sync`: who enrols, gets another token or is taken back is known here at the next
# SIGHUP. At each the broker looks at all connections again, and ends those whose password is no longer good.
password_file {passwords}
acl_file {acl}
pid_file {pid_file}

# A connection is known by its user name, whatever client id it gives: else any gateway could connect as "collector",
# and each time the broker would end the collector's own connection (MQTT 5, 3.1.4: session taken over). So a user is
# one client: a second collector needs a user of its own, with its own block in the ACL.
use_username_as_clientid true

# Nothing is ever retained: an old acknowledgement or presence would be taken for a new one.
retain_available false

# A report is at most 60,000 bytes. A client that sends more is disconnected.
max_packet_size 65536
max_keepalive 1200
max_inflight_messages 20

# For a collector that is down for a while: enough for a county's burst, and bounded in bytes as well.
max_queued_messages 100000
max_queued_bytes 268435456
persistent_client_expiration 14d

persistence true
persistence_location {state}/
autosave_interval 60

connection_messages true
log_dest stderr
log_type error
log_type warning
log_type notice
"""

_ACL = """\
{mark}, which writes it anew.
# A gateway writes its own reports and reads its own acknowledgements, and nothing else. Up and down are apart, so that
# nobody who stole a gateway's password can acknowledge that gateway's records.
# %u lets "<gateway>/../<other>" through, so the collector checks topic, credential and payload once more.

pattern write classready/v1/up/%u/#
pattern read classready/v1/down/%u/#

user {collector}
topic read classready/v1/up/#
topic write classready/v1/down/#
"""
