"""What the pages of all reports have in common: no scripts, no fonts, no pictures from elsewhere."""

from collections.abc import Iterable, Sequence

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2733; max-width: 60rem; }
body { margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0.2rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; } th, td { text-align: left; padding: 0.3rem 1rem 0.3rem 0; }
td { border-top: 1px solid #d8dee6; font-variant-numeric: tabular-nums; }
code { font-size: 0.85em; word-break: break-all; }
.verdict { padding: 0.1rem 0.7rem; border-radius: 0.3rem; color: #fff; font-weight: 600; }
.Pass, .NotDrifted { background: #1a7f4b; } .Fail, .Drifted { background: #b42318; }
.Inconclusive, .Unknown { background: #8a6100; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1.5rem; }
.plots svg { width: 19rem; height: auto; }
"""


def table(rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already."""
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{body}</table>"
