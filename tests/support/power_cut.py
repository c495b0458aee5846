"""What a program did to its files, call by call, and every state in which a power cut may leave them.

``strace`` sees the calls. What a completed sync covers is on the disk; of what was written since, any part is, in
pieces of a sector: the disk writes in what order it likes. What the program *said* before the cut, it must have kept.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

SECTOR_BYTES: Final = 512
_CALLS: Final = "pwrite64,ftruncate,fdatasync,fsync,unlink,write,writev,sendto,sendmsg"
_LINE: Final = re.compile(r"(?P<pid>\d+) +(?P<call>\w+)\((?P<rest>.*)")
_RESUMED: Final = re.compile(r"(?P<pid>\d+) +<\.\.\. (?P<call>\w+) resumed>.*= 0")
_TEXT: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


class Write(NamedTuple):
    file: str
    at: int
    data: bytes


class Cut(NamedTuple):
    """The file now ends here; None = it is gone."""

    file: str
    size: int | None


class Sync(NamedTuple):
    """``since``: only what was done before this many calls is covered by it."""

    file: str
    since: int


class Said(NamedTuple):
    """Bytes that left the process: from here on it is held to them."""

    data: bytes


Call = Write | Cut | Sync | Said


class State(NamedTuple):
    """Files by name as they may lie on the disk, and what was said before the power went."""

    files: dict[str, bytes]
    said: tuple[bytes, ...]


def recorder(trace: Path) -> tuple[str, ...]:
    """The command before which a program's own is put, so that ``trace`` tells what it did."""
    return ("strace", "-f", "-y", "--seccomp-bpf", "-xx", "-s", "200000", "-e", f"trace={_CALLS}", "-o", str(trace))


def pid_in(trace: Path) -> int:
    """The program that is recorded: its signals are for it, not for strace."""
    with trace.open(encoding="ascii") as lines:
        return int(next(lines).split()[0])


def calls_in(trace: Path, paths: Sequence[Path], is_said: re.Pattern[bytes]) -> list[Call]:
    """What was done to ``paths``, in order, and all that was said and looks like ``is_said``."""
    files = {str(path): path.name for path in paths}
    found: list[Call] = []
    unfinished: dict[str, Sync] = {}
    for line in trace.read_text("ascii").splitlines():
        if (resumed := _RESUMED.match(line)) and (waits := unfinished.pop(resumed["pid"], None)):
            found.append(waits)
        elif (entered := _LINE.match(line)) is None:
            continue
        elif call := _call(entered["call"], entered["rest"], files, len(found)):
            if isinstance(call, Said) and not is_said.search(call.data):
                continue
            if isinstance(call, Sync) and line.endswith("<unfinished ...>"):
                unfinished[entered["pid"]] = call
            else:
                found.append(call)
    return found


def _call(name: str, rest: str, files: Mapping[str, str], done_count: int) -> Call | None:
    texts = [bytes.fromhex(text.replace(r"\x", "")) for text in _TEXT.findall(rest)]
    file = files.get(_path(rest) if name != "unlink" else texts[0].decode())
    numbers = [int(n) for n in re.findall(r", (\d+)", rest)]
    match name:
        case "pwrite64" if file:
            return Write(file, numbers[-1], texts[0])
        case "ftruncate" if file:
            return Cut(file, numbers[0])
        case "unlink" if file:
            return Cut(file, None)
        case "fsync" | "fdatasync" if file:
            return Sync(file, done_count)
        case "write" | "writev" | "sendto" | "sendmsg":
            return Said(b"".join(texts))
    return None


def _path(rest: str) -> str:
    found = re.match(r"\d+<((?:\\x[0-9a-f]{2})*)>", rest)
    return bytes.fromhex(found[1].replace(r"\x", "")).decode(errors="replace") if found else ""


def states(calls: Sequence[Call], dice: random.Random, count: int) -> Iterator[State]:
    """So many states, each at a moment between the first and the last thing said."""
    told = [n for n, call in enumerate(calls) if isinstance(call, Said)]
    moments = sorted(dice.randint(told[0], told[-1]) for _ in range(count))
    disk: dict[str, bytearray] = {}
    waiting: dict[str, list[tuple[int, Write | Cut]]] = {}
    said: list[bytes] = []
    done = 0
    for moment in moments:
        for n in range(done, moment + 1):
            match calls[n]:
                case Said(data):
                    said.append(data)
                case Cut(file, None):
                    disk.pop(file, None)
                    waiting.pop(file, None)
                case Write(file) | Cut(file) as change:
                    waiting.setdefault(file, []).append((n, change))
                case Sync(file, since):
                    covered = [change for at, change in waiting.get(file, ()) if at < since]
                    waiting[file] = waiting.get(file, [])[len(covered) :]
                    for change in covered:
                        _apply(disk.setdefault(file, bytearray()), change)
        done = moment + 1
        luck = dice.choice([0.0, 0.5, 0.9, 1.0])
        files = {
            file: _left(bytearray(disk.get(file, b"")), [change for _, change in waiting.get(file, ())], dice, luck)
            for file in {*disk, *waiting}
        }
        yield State(files, tuple(said))


def _apply(data: bytearray, change: Write | Cut) -> None:
    end = change.at if isinstance(change, Write) else change.size or 0
    data.extend(bytes(max(0, end - len(data))))
    if isinstance(change, Write):
        data[change.at : change.at + len(change.data)] = change.data
    else:
        del data[end:]


def _left(data: bytearray, changes: Sequence[Write | Cut], dice: random.Random, luck: float) -> bytes:
    """What one file may be: each sector of each change came to the disk, with a probability of ``luck``, or not."""
    for change in changes:
        for part in _sectors(change):
            if dice.random() < luck:
                _apply(data, part)
    return bytes(data)


def _sectors(change: Write | Cut) -> Iterator[Write | Cut]:
    if isinstance(change, Cut):
        yield change
        return
    begin, last = change.at, change.at + len(change.data)
    while begin < last:
        end = min(begin // SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES, last)
        yield Write(change.file, begin, change.data[begin - change.at : end - change.at])
        begin = end
