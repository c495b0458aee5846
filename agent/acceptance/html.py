"""A sheet as one HTML file: no script, nothing fetched, everything escaped, printed on A4. Pure."""

from collections.abc import Iterable
from html import escape

from agent.acceptance.cells import Cell
from agent.acceptance.document import Document, Table

STYLE = """\
@page { size: A4; margin: 13mm 12mm; }
:root { color-scheme: light; color: #1a1a1a; background: #fff;
  font: 14px/1.5 "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Source Han Sans SC", SimSun, sans-serif; }
body { max-width: 186mm; margin: 0 auto; padding: 8mm 4mm; overflow-wrap: anywhere; }
h1 { font-size: 1.6em; text-align: center; margin: 0 0 .6em; }
h2 { font-size: 1.1em; margin: 1.2em 0 .3em; break-after: avoid; }
dl { display: grid; grid-template-columns: max-content 1fr max-content 1fr; gap: .15em 1em; margin: 0 0 .6em; }
dt, small, .faint { color: #5a5a5a; }
dd { margin: 0; }
p { margin: .2em 0; }
table { border-collapse: collapse; width: 100%; font-size: .9em; }
th, td { border: 1px solid #888; padding: .25em .5em; text-align: left; vertical-align: top; }
td:first-child { min-width: 4.5em; }
th { background: #f0f0f0; }
th, .whole { white-space: nowrap; }
tr, .party { break-inside: avoid; }
thead { display: table-header-group; }
small { display: block; font-size: .85em; }
.well { color: #14663d; } .doubt { color: #8a5a00; } .bad { color: #a8201a; font-weight: 600; }
.parties { display: grid; grid-template-columns: 1fr 1fr 1fr; border: 1px solid #888; break-inside: avoid; }
.party { padding: .5em; min-height: 26mm; } .party + .party { border-left: 1px solid #888; }
.party p { margin-top: 1.2em; }
footer { margin-top: 1em; font-size: .8em; color: #5a5a5a; }
@media (max-width: 40rem) { dl { grid-template-columns: max-content 1fr; } .wide { overflow-x: auto; } }
@media print { body { padding: 0; max-width: none; } :root { font-size: 10.5pt; } .wide { overflow: visible; } }
"""


def render(document: Document) -> str:
    """A browser without a network shows it as it is meant; the policy in its head forbids it everything else."""
    language = "zh-CN" if document.language == "zh" else "en"
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in document.facts)
    parties = "".join(
        f'<div class="party"><b>{escape(party)}</b><p>{escape(sign)}</p><p>{escape(date)}</p></div>'
        for party, sign, date in document.parties
    )
    return "".join(
        (
            f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(document.title)} {escape(document.number)}</title><style>{STYLE}</style></head><body>",
            f"<h1>{escape(document.title)}</h1><dl>{facts}</dl>{_paragraphs(document.notes)}",
            *(_table(table) for table in document.tables),
            f'<h2>{escape(document.signatures)}</h2><div class="parties">{parties}</div>',
            f"<footer>{escape(document.foot)}</footer></body></html>\n",
        )
    )


def _paragraphs(lines: Iterable[str]) -> str:
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def _table(table: Table) -> str:
    head = f"<h2>{escape(table.title)}</h2>{_paragraphs(table.lines)}"
    if not table.rows:
        return head
    titles = "".join(f"<th>{escape(title)}</th>" for title in table.head)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    return f'{head}<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(cell: Cell) -> str:
    classes = " ".join(filter(None, (cell.tone, "whole" if cell.whole else "")))
    attribute = f' class="{classes}"' if classes else ""
    more = f"<small>{_broken(cell.more)}</small>" if cell.more else ""
    return f"<td{attribute}>{_broken(cell.text)}{more}</td>"


def _broken(text: str) -> str:
    return escape(text).replace("\n", "<br>")
