"""What boxes are to get must be readable by the user that the service has of its own; only root can be misled."""

import os
from pathlib import Path

import pytest

from classready.settings import load_with_lines
from collector.app.handed_out import handed_out_notes
from collector.settings import CollectorSettings


def _told(folder: Path, enrolment: str) -> list[str]:
    path = folder / "collector.yml"
    path.write_text(f"enrolment: {enrolment}\n")
    return [str(problem) for problem in handed_out_notes(path, load_with_lines(path, CollectorSettings))]


def test_closed_to_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first part of the way that is closed is named, with what opens it; what is open is not spoken of."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    place = tmp_path / "tls"
    place.mkdir()
    file = place / "ca.pem"
    file.write_text("")
    file.chmod(0o600)
    (told,) = _told(tmp_path, "{ca_file: tls/ca.pem}")
    assert f"collector.yml:1: enrolment.ca_file: {file} is closed" in told
    assert "chmod o+r" in told
    file.chmod(0o644)
    place.chmod(0o700)
    (told,) = _told(tmp_path, "{ca_file: tls/ca.pem}")
    assert f"{place} is closed" in told
    assert "chmod o+x" in told
    assert _told(tmp_path, "{ca_file: /etc/passwd}") == []
    (told,) = _told(tmp_path, "{ca_file: gone.pem}")
    assert "no such file" in told


def test_who_is_not_root_sees_it_anyway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial by hand runs as whoever made the files."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (tmp_path / "ca.pem").write_text("")
    (tmp_path / "ca.pem").chmod(0o600)
    assert _told(tmp_path, "{ca_file: ca.pem}") == []
