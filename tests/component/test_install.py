"""install.sh in throw-away roots: from nothing, again, cut off, two at once, wrongly used, and removed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bundle import new_key, small_bundle
from tests.support.installing import box, install, mode, path_with, tree

ROOT = Path(__file__).parents[2]
SECRET = "canary-7f3a"
CODE = "canary-code-51"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Path:
    """What an operator carries to a gateway; tests change copies of it only."""
    return small_bundle(tmp_path_factory.mktemp("bundle"), key)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Path:
    """A box on which it was installed; tests work on copies of it."""
    root = box(tmp_path_factory.mktemp("installed"))
    done = install(bundle, root, "--token-file", "-", typed=f"{SECRET}\n")
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return box(tmp_path / "box")


def test_collector_on_the_same_machine_keeps_its_secrets(bundle: Path, root: Path) -> None:
    """Removing the agent takes nothing from a collector that shares /etc/classready, or was put beside it by hand."""
    secret = root / "etc/classready/secrets/wecom"
    by_hand = root / "opt/classready/venv/bin/classready-collector"
    for kept in (secret, by_hand, root / "etc/classready/collector.yml"):
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.touch()
    assert install(bundle, root, "--uninstall").returncode == 0
    assert secret.exists()
    assert by_hand.exists()


@pytest.mark.parametrize("typed", ["", "\n", "\r\n", "two\nlines\n", "with a blank\n", "\x00\n"])
def test_a_good_token_is_not_replaced_by_nothing(bundle: Path, installed: Path, typed: str) -> None:
    """An empty pipe, an empty line, or what is no token: refused, and the one there stays."""
    before = tree(installed)
    done = install(bundle, installed, "--token-file", "-", typed=typed)
    assert (done.returncode, "nothing was changed" in done.stderr) == (2, True)
    assert tree(installed) == before


def test_what_a_killed_run_left_counts_as_free(bundle: Path, root: Path, tmp_path: Path) -> None:
    """A half-built release, and one before the last two, are in nobody's way."""
    half = root / "opt/classready/agent/releases/0.0.9-aaaaaaaa.tmp"
    half.mkdir(parents=True)
    (half / "big").write_bytes(os.urandom(1) * 30_000_000)
    little = path_with(tmp_path / "bin", df="echo; echo x 1 1 81920 1% /")
    assert install(bundle, root, "--check", PATH=little).returncode == 0
    (half / "big").write_bytes(b"")
    assert install(bundle, root, "--check", PATH=little).returncode == 7


def test_check_changes_nothing(bundle: Path, root: Path) -> None:
    before = tree(root)
    done = install(bundle, root, "--check")
    assert (done.returncode, "nothing was changed" in done.stdout) == (0, True)
    assert tree(root) == before


def test_a_copy_that_was_cut_does_nothing(bundle: Path, root: Path) -> None:
    """However much of the script arrived through a pipe, only all of it acts."""
    text, before = (bundle / "install.sh").read_bytes(), tree(root)
    arguments = ["sh", "-s", "--", "--root", root, "--offline", bundle, "--python", sys.executable]
    for part in range(1, 20):
        subprocess.run(arguments, input=text[: len(text) * part // 20], capture_output=True, timeout=30, check=False)
    subprocess.run(arguments, input=text[:-3], capture_output=True, timeout=30, check=False)
    assert tree(root) == before
    assert (
        subprocess.run([*arguments, "--check"], input=text, capture_output=True, timeout=30, check=False).returncode
        == 0
    )


def test_the_packed_bundle(bundle: Path, root: Path, tmp_path: Path) -> None:
    """From a USB stick, whole or cut."""
    packed = bundle.with_name(f"{bundle.name}.tar.gz")
    assert install(bundle, root, "--check", "--offline", packed, TMPDIR=str(tmp_path)).returncode == 0
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(packed.read_bytes()[:100_000])
    assert install(bundle, root, "--check", "--offline", cut, TMPDIR=str(tmp_path)).returncode == 10
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("tmp")] == []


def test_two_at_once(bundle: Path, root: Path) -> None:
    """The second of two runs says so and goes away."""
    holder = subprocess.Popen(
        ["flock", root / "etc", "sh", "-c", "echo held; read -r _"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        done = install(bundle, root)
        holder.stdin.close()
    assert (done.returncode, "another install.sh" in done.stderr) == (4, True)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param(["--colour"], "unknown option", id="unknown"),
        pytest.param([CODE], "unknown option", id="a-code-in-argv"),
        pytest.param(["--token-file"], "--token-file needs a value", id="no-value"),
        pytest.param(["--keep-data"], "--keep-data goes with --uninstall", id="keep-data"),
        pytest.param(["--root", "/nonexistent"], "no such directory", id="root"),
        pytest.param(["--token-file", "/nonexistent"], "no such file", id="token-file"),
        pytest.param(["--key", "/nonexistent"], "empty or missing", id="key"),
        pytest.param(["--key", "/etc"], "no PUBLIC KEY in PEM: /etc", id="key-folder"),
        pytest.param(["--ca-file", "/etc"], "no CERTIFICATE in PEM: /etc", id="ca-folder"),
        pytest.param(["--ca-file", "/etc/passwd"], "no CERTIFICATE in PEM: /etc/passwd", id="ca-of-another-kind"),
        pytest.param(["--enroll", "http://127.0.0.1:1@evil.example"], "not an address", id="user-in-address"),
        pytest.param(["--enroll", "https://a b"], "not an address", id="space-in-address"),
        pytest.param(["--offline", "/nonexistent"], "no such bundle", id="offline"),
        pytest.param(["--role", "teacher"], "agent, collector or responder", id="role"),
        pytest.param(["--health-s", "soon"], "a number of seconds", id="health"),
        pytest.param(["--enroll", "http://example.org"], "begins with https://", id="plain-http"),
        pytest.param(["--enroll", "https://a", "--token-file", "-"], "not both", id="both"),
        pytest.param(["--role", "collector", "--token-file", "-"], "only an agent", id="token-of-collector"),
        pytest.param(["--rollback"], "no release before this one", id="rollback"),
    ],
)
def test_wrong_usage(bundle: Path, root: Path, options: list[str], text: str) -> None:
    """Said with code 2; nothing is changed, and what might be a code is not repeated."""
    before = tree(root)
    done = install(bundle, root, *options)
    assert (done.returncode, text in done.stderr) == (2, True), done.stderr
    assert CODE not in done.stderr
    assert tree(root) == before


def test_help_teaches(bundle: Path, root: Path) -> None:
    """--help names every option, place and exit code; so does the page."""
    told = install(bundle, root, "--help").stdout
    options = set(_words("--", (ROOT / "install.sh").read_text().split("set_option() {")[0].split("parse() {")[1]))
    assert options - set(_words("--", told)) == set()
    for word in ("/etc/classready/secrets/", "/opt/classready/ROLE/releases/", "/var/lib/classready-agent/"):
        assert word in told
    codes = set(range(17))
    assert {code for code in codes if f"\n {code:>2} " in told or f" {code:>2} " in told} == codes
    for page in ("docs/install.md", "docs/install.zh-CN.md"):
        text = (ROOT / page).read_text()
        assert {code for code in codes if f"\n| {code} |" in text} == codes, page
        assert options - {"--help"} - set(_words("--", text)) == set(), page


def _words(start: str, text: str) -> list[str]:
    return [
        word.strip('`,;|)[]"') for word in text.replace("`", " ").split() if word.startswith(start) and len(word) > 3
    ]


def test_another_bureaus_bundle(bundle: Path, installed: Path, tmp_path: Path) -> None:
    """Signed well, but not by the key that this box has trusted since its first installation: a person decides."""
    theirs = small_bundle(tmp_path, new_key(tmp_path), "deaf")
    before = tree(installed)
    assert install(theirs, installed).returncode == 11
    assert tree(installed) == before
    assert install(theirs, installed, "--check", "--key", theirs / "bundle.pub").returncode == 0
    assert install(bundle, installed, "--check", "--key", theirs / "bundle.pub").returncode == 11


def test_life_of_an_installation(bundle: Path, installed: Path, tmp_path: Path) -> None:
    """Again without a change; removed but for its data; removed to the last file. (The last test to use this box.)"""
    before = set(tree(box(tmp_path / "before")))
    settings, token = installed / "etc/classready/agent.yml", installed / "etc/classready/secrets/token"
    assert token.read_text() == f"{SECRET}\n"
    assert (mode(token), mode(token.parent), mode(settings), mode(settings.parent)) == (0o600, 0o700, 0o644, 0o755)
    command = installed / "opt/classready/agent/current/bin/classready-agent"
    assert mode(command) & 0o005 == 0o005, "the service's own user must be able to run it"
    assert (installed / "usr/local/bin/classready-agent").resolve() == command.resolve()
    assert subprocess.run([command, "check"], timeout=30, check=False).returncode == 0

    settings.write_text("gateway: gw-mine\n")
    as_it_is = tree(installed)
    done = install(bundle, installed)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "everything is in place already")
    assert tree(installed) == as_it_is

    assert install(bundle, installed, "--uninstall", "--keep-data").returncode == 0
    kept = {"agent.yml", "bundle.pub", "secrets", "secrets/token"}
    assert set(tree(installed)) - before == {"etc/classready", *(f"etc/classready/{name}" for name in kept)}
    assert settings.read_text() == "gateway: gw-mine\n"

    state = installed / "var/lib/classready-agent"
    state.mkdir()
    (state / "spool.db").touch()
    (settings.parent / "agent.d").mkdir()
    (settings.parent / "agent.d" / "own.yml").write_text("targets: []\n")
    assert install(bundle, installed, "--uninstall").returncode == 0
    assert set(tree(installed)) == before


def test_wherever_it_stands_and_whoever_runs_it(bundle: Path, tmp_path: Path) -> None:
    """A place with a space, longer than a kernel reads behind #!; a folder that is gone; no HOME; a umask that hides
    nothing: its commands run, and nobody else may write anything or read a secret.
    """
    root = box(tmp_path / f"the & box|{'x' * 140}")
    script = f'cd "$1" && rmdir "$1" && umask 000 && printf {SECRET} | sh "$2" --root "$3" --python "$4" --token-file -'
    (tmp_path / "gone").mkdir()
    words = [tmp_path / "gone", bundle / "install.sh", root, sys.executable]
    plain = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["sh", "-c", script, "sh", *words], capture_output=True, text=True, timeout=120, check=False, env=plain
    )
    assert done.returncode == 0, done.stderr
    command = root / "opt/classready/agent/current/bin/classready-agent"
    assert subprocess.run([command, "check"], timeout=30, check=False).returncode == 0
    assert not [p for p in root.rglob("*") if not p.is_symlink() and mode(p) & 0o002]
    assert mode(root / "etc/classready/secrets") == 0o700


def test_what_it_writes_is_on_the_disk_before_it_has_its_name(bundle: Path, tmp_path: Path) -> None:
    """Schools are cut off at night: an empty unit or token would be what the box finds in the morning."""
    root = box(tmp_path / "box")
    path = path_with(tmp_path / "bin", sync=f'echo "$@" >>"{tmp_path}/synced"; PATH=${{PATH#*:}} exec sync "$@"')
    assert install(bundle, root, "--token-file", "-", typed=SECRET, PATH=path).returncode == 0
    synced = (tmp_path / "synced").read_text().split()
    for name in ("classready-agent.service.new", "agent.yml.new", "bundle.pub.new", ".token.new"):
        assert [each for each in synced if each.endswith(f"/{name}")], name


def test_a_token_that_is_a_folder_is_no_success(bundle: Path, tmp_path: Path) -> None:
    """A file moved onto a folder lands inside it."""
    root = box(tmp_path / "box")
    (root / "etc/classready/secrets/token").mkdir(parents=True)
    assert install(bundle, root, "--token-file", "-", typed=SECRET).returncode == 1


@pytest.mark.servers("shellcheck")
def test_shell_scripts_are_clean() -> None:
    """shellcheck has nothing to say about any script."""
    scripts = [ROOT / "install.sh", *(p for p in (ROOT / ".ci").iterdir() if p.is_file())]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
