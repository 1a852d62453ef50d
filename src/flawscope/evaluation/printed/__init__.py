"""What the papers printed, a file a paper.

Each file holds ``TABLES``: name of ``flawscope table --like NAME`` -> layout and printed rows. A recipe
names the tables of its paper in its key ``tables``; ``flawscope recipes NAME`` prints them.
"""

from __future__ import annotations

from flawscope.evaluation.printed import attention, capstone, coredeep, fcn, thesis
from flawscope.evaluation.printed.layout import TableLayout

LAYOUTS: dict[str, TableLayout] = {
    **coredeep.TABLES,
    **attention.TABLES,
    **fcn.TABLES,
    **thesis.TABLES,
    **capstone.TABLES,
}
"""Every table by name."""
