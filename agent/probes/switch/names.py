"""Where the names that an administrator knows stand in the tables of the switch."""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from agent import snmp
from agent.probes.switch.mib import IF_DESCR, IF_NAME, NAMES, plain_name
from agent.snmp import Device, SnmpError
from classready.observation import Reason, clean_text


class Names(Struct, frozen=True):
    """ifIndex of each bound name, or why there is none; and the ports' own names."""

    indexes: dict[str, int]
    problems: dict[str, tuple[Reason, str]]
    if_names: dict[int, str]
    if_descrs: dict[int, str]
    """Read only where it is needed: for a bound name, or where ports have no ifName."""
    cells: dict[str, str] = {}
    """OID of the cell with a bound name -> the name as it stands there."""

    def held(self, indexes: Iterable[int]) -> dict[str, str]:
        """Cells that still hold the same names while these ports are where they were."""
        named = ((f"{IF_NAME}.{i}", self.if_names.get(i)) for i in indexes)
        described = ((f"{IF_DESCR}.{i}", self.if_descrs.get(i)) for i in indexes if i not in self.if_names)
        return self.cells | {cell: name for cell, name in (*named, *described) if name}

    def name(self, index: int) -> str:
        """The port's own name, fit for the wire; a port without one has its number."""
        return (self.if_names.get(index) or self.if_descrs.get(index) or str(index))[:64]

    def index(self, name: str) -> int | None:
        """The port whose ``name`` this is, None where none or several have it."""
        return self._only(lambda known: known == name)

    def like(self, name: str) -> int | None:
        """The port that is called so but for case, blanks and what follows a colon.

        TP-Link JetStream says ``gigabitEthernet 1/0/24 : copper`` in ifName and ``GigabitEthernet1/0/24`` over LLDP.
        """
        return self._only(lambda known: _bare(known) == _bare(name))

    def _only(self, wanted: Callable[[str], bool]) -> int | None:
        found = [index for index in self.if_names | self.if_descrs if wanted(self.name(index))]
        return found[0] if len(found) == 1 else None


def _bare(name: str) -> str:
    return "".join(name.partition(":")[0].casefold().split())


async def find(device: Device, bound: Iterable[str], explain: Callable[[str], None]) -> Names:
    """Look each name up in the tables of the switch.

    Raises:
        SnmpError: as ``snmp.walk``, but for a column that is answered wrongly, which is stepped over.
    """
    missing = set(bound)
    found = Names({}, {}, {}, {}, {})
    complaint: tuple[Reason, str] | None = None
    for label, column in NAMES.items():
        try:
            rows = await _column(device, column)
        except SnmpError as error:
            if error.reason is not Reason.PROTOCOL:
                raise
            explain(f"{label}: {error.detail}")
            complaint = complaint or (error.reason, f"{label}: {error.detail}")
            continue
        explain(f"{label}: {len(rows)} rows")
        {IF_NAME: found.if_names, IF_DESCR: found.if_descrs}.get(column, {}).update(rows)
        missing -= _look_up(missing, rows, (label, column), found)
        if not missing and found.if_names:
            return found
    for name in missing:
        found.problems[name] = complaint or (Reason.NOT_FOUND, f"no port is called {name!r} (ifName, ifAlias, ifDescr)")
    return found


def _look_up(names: Iterable[str], rows: Mapping[int, str], where: tuple[str, str], found: Names) -> set[str]:
    """Enter what ``rows`` of a column know of ``names`` into ``found``; return those."""
    label, column = where
    by_text: dict[str, list[int]] = {}
    for index, text in rows.items():
        by_text.setdefault(text, []).append(index)
    settled = set()
    for name in names:
        indexes = by_text.get(clean_text(name), [])
        if len(indexes) == 1:
            found.indexes[name] = indexes[0]
            found.cells[f"{column}.{indexes[0]}"] = clean_text(name)
        elif indexes:
            found.problems[name] = Reason.NOT_FOUND, f"{len(indexes)} ports have the {label} {name!r}"
        if indexes:
            settled.add(name)
    return settled


async def _column(device: Device, column: str) -> dict[int, str]:
    """ifIndex -> name, where the switch has one."""
    rows = await snmp.walk(device, column)
    named = ((oid.removeprefix(f"{column}."), plain_name(value)) for oid, value in rows.items())
    return {int(index): name for index, name in named if name and index.isdigit()}
