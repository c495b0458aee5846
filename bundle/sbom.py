"""The bill of materials of a bundle: CycloneDX 1.5 (ECMA-424), from what the wheels say of themselves."""

import hashlib
import json
import uuid
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any


def sbom(wheels: Iterable[Path], version: str, built_at: int) -> str:
    """Return the document; equal wheels give equal text."""
    components: dict[str, dict[str, Any]] = {}
    for wheel in sorted(wheels):
        said = _metadata(wheel)
        reference = f"pkg:pypi/{said['Name'].lower().replace('_', '-')}@{said['Version']}"
        component = components.setdefault(reference, _component(said, reference))
        # One component may come as several wheels, one a kind of box.
        component["properties"].append({"name": "classready:wheel", "value": wheel.name})
        component["hashes"].append({"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()})
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'classready/{version}')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(built_at, UTC).isoformat(),
            "component": {
                "type": "application",
                "bom-ref": "classready-bundle",
                "name": "classready",
                "version": version,
            },
        },
        "components": list(components.values()),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _component(said: Message, reference: str) -> dict[str, Any]:
    licence = said["License-Expression"]
    named = said["License"] or "see the project"
    return {
        "type": "library",
        "bom-ref": reference,
        "name": said["Name"],
        "version": said["Version"],
        "purl": reference,
        "licenses": [{"expression": licence}] if licence else [{"license": {"name": named.splitlines()[0][:200]}}],
        "hashes": [],
        "properties": [],
    }


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8"))
