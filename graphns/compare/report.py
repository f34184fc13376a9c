"""The report: one HTML file that needs no other file and no network."""

from __future__ import annotations

from html import escape
from typing import Any

from graphns.compare.layout import BASELINE, Layout
from graphns.compare.table import Row, verdicts

WORDS = ("family", "verdict")
_WORD = ' class="word"'
_STYLE = """
:root{color-scheme:light}
body{font:16px/1.5 system-ui,sans-serif;color:#1c1c1c;background:#fff;margin:0 auto;max-width:68rem;padding:1.5rem}
h1{font-size:1.7rem;margin:.2rem 0}h2{font-size:1.2rem;margin:2.2rem 0 .6rem;border-bottom:1px solid #ddd}
p,li{max-width:46rem}.lead{color:#444;margin:.2rem 0 1rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.9rem 0 .3rem}
th,td{padding:.22rem .6rem;text-align:right;border-bottom:1px solid #e8e8e8;white-space:nowrap}
thead th{border-bottom:2px solid #999;font-weight:600}
th:first-child,.word{text-align:left}tbody th{font-weight:500;background:#fff;position:sticky;left:0}
tr.reference *{color:#666}tr.baseline th,tr.baseline td{background:#f2f6fb}
.better{color:#00674c;font-weight:600}.worse{color:#a33c00;font-weight:600}
figure{margin:1.6rem 0}figure svg{width:100%;height:auto;max-width:60rem;display:block}
figcaption{font-size:.9rem;color:#444;max-width:46rem}figcaption b{color:#1c1c1c}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;font-size:.92rem}dt{font-weight:600}dd{margin:0}
pre{background:#f6f6f6;padding:.8rem;overflow-x:auto;font-size:.8rem}
@media(max-width:40rem){body{padding:.8rem}dl{grid-template-columns:1fr}}
"""


def render(rows: list[Row], figures: dict[str, str], config: dict[str, Any], config_text: str, layout: Layout) -> str:
    """The whole page.

    Args:
        rows: what `table.gather` gives.
        figures: SVG of each figure by name.
        config: settings, protocol and data, as in config.yaml.
        config_text: that file.
        layout: of the task.
    """
    data = config["data"]
    seeds = config["settings"]["seeds"]
    drawn = "".join(
        f'<figure role="img" aria-label="{escape(title)}">{figures[name]}<figcaption><b>{escape(title)}.</b> '
        f"{escape(text)}</figcaption></figure>"
        for name, (title, text) in layout.captions.items() if name in figures)
    meanings = "".join(f"<dt>{escape(column.title)}</dt><dd>{escape(column.meaning)}</dd>" for column in layout.columns)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>graphns compare: {escape(data["name"])}</title><style>{_STYLE}</style></head><body>
<h1>Negative samplers on {layout.subject}{escape(data["name"])}</h1>
<p class="lead">{escape(layout.lead(data))} · {seeds} seed{"s" if seeds != 1 else ""} · \
{escape(config["protocol"]["training"])}</p>
{_findings(rows, seeds, layout)}
<h2>Results</h2>
{"".join(_table(rows, group, layout) for group in layout.groups)}
{_faults(rows)}
<h2>Figures</h2>
{drawn}
<h2>How it was measured</h2>
<ul>{"".join(f"<li>{escape(text)}</li>" for text in config["protocol"].values())}</ul>
<h2>What the columns mean</h2>
<dl>{meanings}</dl>
<h2>Settings and versions</h2>
<details><summary>config.yaml</summary><pre>{escape(config_text)}</pre></details>
</body></html>
"""


def _findings(rows: list[Row], seeds: int, layout: Layout) -> str:
    found = verdicts(rows, layout.references)
    judged = sum(len(names) for verdict, names in found.items() if verdict != "no interval")
    lines = []
    for verdict, words in (("better", "Better than uniform"), ("worse", "Worse than uniform"),
                           ("no difference", "No difference to uniform shown")):
        if verdict in found:
            lines.append(f"<li><b>{words}:</b> {escape(', '.join(found[verdict]))}</li>")
    if not lines:
        why = ("uniform is not among the samplers" if all(row["name"] != BASELINE for row in rows)
               else "one seed gives no interval" if seeds < 2 else "no two samplers finished")
        return f"<p>No verdicts: {why}.</p>"
    by_chance = f"{0.05 * judged:.1f}"
    lines.append(_references(rows, layout))
    return (f"<ul>{''.join(lines)}</ul><p>Each verdict is one 95 % interval of a paired difference over {seeds} seeds, "
            f"not adjusted for their number: of {judged} comparisons without any true difference, {by_chance} would "
            "still be called one on average. 'No difference' means that these seeds show none, not that there is "
            "none.</p>")


def _references(rows: list[Row], layout: Layout) -> str:
    found = {row["name"]: row for row in rows
             if row["name"] in (*layout.references, "all") and row[layout.score] is not None}
    words = ", ".join(f"{name} {layout.show(layout.score, row[layout.score])}" for name, row in found.items())
    text = f"<li><b>For comparison:</b> {escape(words)}.</li>"
    above = [name for name in layout.judges if name in found and found[name]["verdict"] == "better"]
    if above:
        text += f"<li><b>Mind:</b> {escape(layout.mind.format(names=', '.join(above)))}</li>"
    return text


def _table(rows: list[Row], group: str, layout: Layout) -> str:
    columns = [column for column in layout.columns if column.group == group]
    shown = [row for row in rows if any(row[column.key] is not None for column in columns if column.key != "seeds")]
    if group != "quality":
        shown = [row for row in shown if any(row[column.key] is not None for column in columns)]
    if not shown:
        return ""
    head = "".join(f'<th scope="col"{_WORD * (column.key in WORDS)} title="{escape(column.meaning)}">'
                   f"{escape(column.title)}</th>" for column in columns)
    body = []
    for row in shown:
        cells = "".join(_cell(column.key, column.show(row[column.key])) for column in columns)
        kind = "reference" if row["family"] == "reference" else "baseline" if row["name"] == BASELINE else "sampler"
        body.append(f'<tr class="{kind}"><th scope="row">{escape(row["name"])}</th>{cells}</tr>')
    return (f'<div class="scroll"><table><caption>{escape(layout.groups[group])}</caption><thead><tr>'
            f'<th scope="col">sampler</th>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>')


def _cell(key: str, text: str) -> str:
    if key in WORDS:
        return f'<td class="word {escape(text)}">{escape(text)}</td>'
    return f"<td>{escape(text)}</td>"


def _faults(rows: list[Row]) -> str:
    faults = [row for row in rows if row["fault"]]
    if not faults:
        return ""
    items = "".join(f"<li><b>{escape(row['name'])}</b>: {escape(row['fault'])}</li>" for row in faults)
    return f"<h2>Not run, or not to the end</h2><ul>{items}</ul>"
