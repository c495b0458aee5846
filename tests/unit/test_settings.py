"""The strict loader: every wrong entry of a file, named by file, line and path, in one run."""

import errno
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
from msgspec import Meta, Struct, inspect

from agent.settings import AgentSettings
from classready import settings
from classready.settings import SettingsError
from collector.roster.files import OfficeFile
from collector.settings import CollectorSettings

BAD = Path(__file__).parents[1] / "data" / "settings" / "bad"
TYPES: dict[str, type[Any]] = {"agent": AgentSettings, "collector": CollectorSettings, "office": OfficeFile}

MINIMAL = """
gateway: gw-dongpo-01
link: {kind: http, url: "https://jyj.example", token_file: token}
targets: []
"""


class Sample(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: str = ""
    flag: bool = False
    number: float = 0.0
    count: int = 0
    maybe: int | None = 1
    names: Annotated[tuple[str, ...], Meta(max_length=2)] = ()


def _load(tmp_path: Path, body: str | bytes, type_: Any = Sample) -> Any:
    path = tmp_path / "x.yml"
    path.write_bytes(body.encode() if isinstance(body, str) else body)
    return settings.load(path, type_)


def _problems(tmp_path: Path, body: str | bytes, type_: Any = Sample) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, body, type_)
    return [str(p).replace(f"{tmp_path}/", "") for p in caught.value.problems]


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yml")), ids=lambda p: p.stem)
def test_bad_file(path: Path) -> None:
    """Each bad file gives exactly the messages that lie beside it."""
    with pytest.raises(SettingsError) as caught:
        settings.load(path, TYPES[path.stem.split("-")[0]])
    told = [str(p).replace(f"{BAD}/", "") for p in caught.value.problems]
    assert told == path.with_suffix(".txt").read_text("utf-8").splitlines()
    assert str(caught.value).count("\n") == len(told) - 1


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        pytest.param("text: NO", "text", "NO", id="NO-is-text"),
        pytest.param("text: 1.3", "text", "1.3", id="oid-is-text"),
        pytest.param("text: 12:34:56", "text", "12:34:56", id="time-is-text"),
        pytest.param("text: 511402", "text", "511402", id="number-is-text"),
        pytest.param("text: 0123", "text", "0123", id="leading-zero-is-text"),
        pytest.param("text: true", "text", "true", id="true-is-text"),
        pytest.param("text: '~'", "text", "~", id="quoted-tilde-is-text"),
        pytest.param("flag: true", "flag", True, id="true"),
        pytest.param("flag: False", "flag", False, id="False"),
        pytest.param("number: 5", "number", 5.0, id="whole-number-for-a-number"),
        pytest.param("number: -0.5e3", "number", -500.0, id="exponent"),
        pytest.param("count: -3", "count", -3, id="negative"),
        pytest.param("maybe: null", "maybe", None, id="null"),
        pytest.param("maybe:", "maybe", None, id="nothing-is-null"),
        pytest.param("maybe: 7", "maybe", 7, id="not-null"),
        pytest.param("names: [a, 'NO']", "names", ("a", "NO"), id="list"),
        pytest.param(b"\xef\xbb\xbftext: x", "text", "x", id="byte-order-mark"),
        pytest.param("{}", "count", 0, id="all-defaults"),
    ],
)
def test_scalar_is_read_by_the_type_of_its_setting(tmp_path: Path, body: str | bytes, field: str, value: Any) -> None:
    """A plain scalar becomes what the setting is, whatever it looks like."""
    assert getattr(_load(tmp_path, body), field) == value


@pytest.mark.parametrize(
    "text", ["yes", "on", "NO", "1", "0x10", "1_000", ".5", "1.", ".inf", ".nan", "1e999", "12:34"]
)
def test_look_alikes_are_refused(tmp_path: Path, text: str) -> None:
    """What YAML 1.1 or Python would quietly take for a boolean or a number is not one here."""
    assert _problems(tmp_path, f"flag: {text}") == [f"x.yml:1: flag: must be true or false; found {text!r}"]
    if text != "1":
        assert _problems(tmp_path, f"count: {text}") == [f"x.yml:1: count: must be a whole number; found {text!r}"]
        assert _problems(tmp_path, f"number: {text}") == [f"x.yml:1: number: must be a number; found {text!r}"]


def test_too_many_entries(tmp_path: Path) -> None:
    """A list's own bounds are checked, too."""
    assert _problems(tmp_path, "names: [a, b, c]") == ["x.yml:1: names: must have at most 2 entries; found 3"]


def test_found_text_is_cut(tmp_path: Path) -> None:
    """A message stays readable whatever stands in the file."""
    (told,) = _problems(tmp_path, f"count: {'x' * 500}")
    assert told == f"x.yml:1: count: must be a whole number; found '{'x' * 40}…'"


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is a problem like any other."""
    with pytest.raises(SettingsError) as caught:
        settings.load(tmp_path / "none.yml", Sample)
    assert str(caught.value) == f"{tmp_path}/none.yml:1: cannot be read: No such file or directory"


def test_directory_instead_of_a_file(tmp_path: Path) -> None:
    """A folder cannot be read as a file."""
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        settings.load(tmp_path, Sample)


def test_huge_file_is_not_read(tmp_path: Path) -> None:
    """The size is looked at before the content."""
    path = tmp_path / "x.yml"
    with path.open("wb") as file:
        file.truncate(settings.FILE_MAX_BYTES + 1)
    with pytest.raises(SettingsError, match="larger than 16777216 bytes"):
        settings.load(path, Sample)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_ends_early(tmp_path: Path, opening: str) -> None:
    """Nesting is measured before anything recurses, so that no depth can end the process."""
    assert _problems(tmp_path, opening * 100_000) == ["x.yml:1: nested deeper than 20"]


def test_lines_of_entries_are_kept(tmp_path: Path) -> None:
    """Later checks across entries name the line of the entry they blame."""
    path = tmp_path / "x.yml"
    path.write_text("text: a\n\nnames:\n  - b\n  - c\n")
    loaded = settings.load_with_lines(path, Sample)
    assert [str(loaded.problem(p, "is wrong")).split(":", 1)[1] for p in ("names", "names[1]", "nowhere")] == [
        "3: names: is wrong",
        "5: names[1]: is wrong",
        "1: nowhere: is wrong",
    ]


def test_tagged_union_chooses_the_struct(tmp_path: Path) -> None:
    """``kind`` decides which struct an entry becomes, wherever it stands in the entry."""
    body = MINIMAL.replace("[]", "[{name: a, host: h, kind: ping}, {kind: http, name: b, url: 'https://x.example'}]")
    loaded = _load(tmp_path, body, AgentSettings)
    assert [type(t).__name__ for t in loaded.targets] == ["PingTarget", "HttpTarget"]


def test_null_switches_an_optional_struct_off(tmp_path: Path) -> None:
    """``responder: null`` is not the default responder."""
    assert _load(tmp_path, "responder: null", CollectorSettings).responder is None
    assert _load(tmp_path, "{}", CollectorSettings).responder is not None


def _leaves(type_: inspect.Type, path: str, seen: set[type[Any]]) -> list[tuple[str, inspect.Type]]:
    match type_:
        case inspect.StructType(cls=cls, fields=fields):
            if cls in seen:
                return []
            seen.add(cls)
            return [leaf for f in fields for leaf in _leaves(f.type, f"{path}.{f.name}", seen)]
        case inspect.UnionType(types=types) | inspect.TupleType(item_types=types):
            return [leaf for t in types for leaf in _leaves(t, path, seen)]
        case inspect.VarTupleType(item_type=item):
            return _leaves(item, path, seen)
        case inspect.DictType(key_type=key, value_type=value):
            return [*_leaves(key, path, seen), *_leaves(value, path, seen)]
        case _:
            return [(path, type_)]


@pytest.mark.parametrize("type_", TYPES.values(), ids=TYPES)
def test_every_pattern_can_be_explained(type_: type[Any]) -> None:
    """A school admin reads an example and words, never a regular expression."""
    for path, leaf in _leaves(inspect.type_info(type_), "", set()):
        if isinstance(leaf, inspect.StrType):
            assert leaf.pattern is None, f"{path}: give its Meta examples= and description="
        if isinstance(leaf, inspect.Metadata):
            assert leaf.extra_json_schema
            assert leaf.extra_json_schema["examples"]
            assert leaf.extra_json_schema["description"]


def test_secret_is_stripped(tmp_path: Path) -> None:
    """The line end that editors add is no part of a token."""
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    assert settings.read_secret(path) == "s3cret"


@pytest.mark.parametrize(
    ("body", "mode", "code", "text"),
    [
        pytest.param(b"x", 0o604, errno.EPERM, "readable or writable by everyone; run: chmod o-rw", id="readable"),
        pytest.param(b"x", 0o602, errno.EPERM, "readable or writable by everyone; run: chmod o-rw", id="writable"),
        pytest.param(b" \n", 0o600, errno.EINVAL, "empty", id="empty"),
        pytest.param(b"\xff", 0o600, errno.EINVAL, "not UTF-8 text", id="binary"),
    ],
)
def test_unusable_secret(tmp_path: Path, body: bytes, mode: int, code: int, text: str) -> None:
    """A secret that others can read, or that is none, is refused with words for the operator."""
    path = tmp_path / "token"
    path.write_bytes(body)
    path.chmod(mode)
    with pytest.raises(OSError, match="token") as caught:
        settings.read_secret(path)
    assert (caught.value.errno, caught.value.strerror) == (code, text)


def test_missing_secret(tmp_path: Path) -> None:
    """A secret that is not there is an OSError, too."""
    with pytest.raises(FileNotFoundError):
        settings.read_secret(tmp_path / "none")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("token", "/etc/classready/token", id="relative"),
        pytest.param("/run/token", "/run/token", id="absolute"),
        pytest.param("%d/token", "/run/credentials/x/token", id="systemd"),
    ],
)
def test_resolve(monkeypatch: pytest.MonkeyPatch, given: str, expected: str) -> None:
    """Paths are relative to their settings file; %d is where systemd puts credentials."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    assert str(settings.resolve(Path("/etc/classready/agent.yml"), given)) == expected


def test_resolve_prefers_what_systemd_handed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same settings work in the unit, which reads credentials, and for root at a terminal, who reads the files."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "secrets_token").touch()
    base = Path("/etc/classready/agent.yml")
    assert settings.resolve(base, "secrets/token") == tmp_path / "secrets_token"
    assert settings.resolve(base, "secrets/other") == Path("/etc/classready/secrets/other")


def test_resolve_outside_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials %d is the folder that the units hand in."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert str(settings.resolve(Path("/etc/classready/agent.yml"), "%d/token")) == "/etc/classready/secrets/token"


def test_kinds_are_distinct() -> None:
    """No two members of a settings union share their ``kind``."""
    for union in (AgentSettings.__annotations__["link"], CollectorSettings.__annotations__["receivers"]):
        members = get_args(get_args(union)[0]) or get_args(union)
        tags = [m.__struct_config__.tag for m in members if hasattr(m, "__struct_config__")]
        assert len(tags) == len(set(tags)) > 1


def test_a_name_with_a_line_break_is_told_on_one_line(tmp_path):
    """Whatever stands in a name, a problem stays one line."""
    path = tmp_path / "x.yml"
    path.write_text("? '\n\n  '\n: null\n", encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        settings.load(path, AgentSettings)
    assert all("\n" not in str(problem) for problem in refused.value.problems)
