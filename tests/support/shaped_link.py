"""A line between two network namespaces whose rates can be changed at run time (tc tbf; needs root)."""

import itertools
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.support.namespaces import QUEUE_BYTES, tbf

_numbers = itertools.count()


@dataclass(frozen=True)
class End:
    """One end of the line: its namespace, the interface in it, and that interface's addresses."""

    namespace: str
    interface: str
    address: str
    address6: str

    def popen(self, command: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
        """Start ``command`` inside the namespace (with its own view of /sys)."""
        return subprocess.Popen(["ip", "netns", "exec", self.namespace, *command], **options)

    def run(self, command: Sequence[str], **options: Any) -> "subprocess.CompletedProcess[Any]":
        return subprocess.run(["ip", "netns", "exec", self.namespace, *command], check=True, **options)


@dataclass(frozen=True)
class ShapedLink:
    """``far`` is where load comes from (the responder's side), ``near`` is the school's gateway."""

    far: End
    near: End

    def set_rate(
        self, mbps: float | None, burst_bytes: int = 32_000, queue_bytes: int = QUEUE_BYTES, *, direction: str = "down"
    ) -> None:
        """Shape far -> near (up: near -> far) to ``mbps`` Mbit/s, layer-1 equivalent, with a full bucket.

        None = as fast as the machine. With a ``queue_bytes`` of one batch (16,000) it drops like a policer.
        """
        end = self.far if direction == "down" else self.near
        device = ["dev", end.interface, "root"]
        if mbps is None:
            with suppress(subprocess.CalledProcessError):
                end.run(["tc", "qdisc", "del", *device], capture_output=True)
            return
        end.run(["tc", "qdisc", "replace", *device, *tbf(mbps, burst_bytes, queue_bytes)])


@contextmanager
def shaped_link(mbps: float | None = None, burst_bytes: int = 32_000) -> Iterator[ShapedLink]:
    """Make the two namespaces and the line between them; everything is gone afterwards."""
    tag = f"{os.getpid()}x{next(_numbers)}"
    far = End(f"crf{tag}", f"f{tag}", "10.91.0.1", "fd91::1")
    near = End(f"crn{tag}", f"n{tag}", "10.91.0.2", "fd91::2")
    try:
        _build(far, near)
        link = ShapedLink(far, near)
        link.set_rate(mbps, burst_bytes)
        yield link
    finally:
        for end in (far, near):
            subprocess.run(["ip", "netns", "del", end.namespace], capture_output=True, check=False)


def _build(far: End, near: End) -> None:
    for end in (far, near):
        _ip("netns", "add", end.namespace)
    peer = ["peer", "name", near.interface, "netns", near.namespace]
    _ip("link", "add", far.interface, "netns", far.namespace, "type", "veth", *peer)
    for end in (far, near):
        _ip("-n", end.namespace, "addr", "add", f"{end.address}/24", "dev", end.interface)
        _ip("-n", end.namespace, "addr", "add", f"{end.address6}/64", "dev", end.interface, "nodad")
        for interface in ("lo", end.interface):
            _ip("-n", end.namespace, "link", "set", interface, "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
