"""Pictures inside a page, as SVG text: the same figures always give the same bytes."""

import io
import re
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

BLUE, GREY, RED = "#1f5fa8", "#8a97a6", "#b42318"
SIZE = (4.2, 3.6)


def svg(name: str, plot: Any, *arguments: Any, size: tuple[float, float] = SIZE) -> str:
    """What `plot(axes, *arguments)` draws. `name` differs between the pictures of a page; size in inches."""
    # Fixed salt and no date: ids and text stay the same. Text as paths: no font is needed to look at it.
    with mpl.rc_context({"svg.hashsalt": f"penstock-{name}", "svg.fonttype": "path", "font.size": 10}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        plot(axes, *arguments)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    # The XML head is not wanted inside a page; ids must differ between the pictures of one page.
    body = buffer.getvalue()
    body = body[body.index("<svg") :]
    return re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", body)


def plain(label: str, most: int = 20) -> str:
    """A label that matplotlib shows as it is: of `most` characters, and never read as a formula."""
    short = label if len(label) <= most else label[: most - 1] + "…"
    # A letter that the font lacks, a line break too, would only warn in the log.
    return (
        "".join(one if one.isprintable() else " " for one in short).replace("$", r"\$").removeprefix("_")
        or " "
    )
