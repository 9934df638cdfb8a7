"""One page about one or more runs: what was learned, how surely, and where it fails.

```
blocks.py      the parts of a page: paragraphs, tables, pictures, tiles, in sections
load_runs.py   reads the runs: records, weights, answers, and a sentence for each thing that is missing
tables.py      records and answers as tables
headline.py    five figures to read first
cards.py       how to repeat a run, and what its network needs on a chip
overview.py    the sections on all runs together: verdict, training, comparison
details.py     the sections on one experiment: its network and its classes
images.py      its mistakes, samples, and training images; pixels.py embeds them in the page
render.py      sections -> one self-contained HTML file (page.html.j2, page.css)
page_files.py  the same sections as PNG and SVG, CSV and JSON
```
"""

from featherweight.report.page.load_runs import Story, read_story
from featherweight.report.page.page_files import write_data, write_figures
from featherweight.report.page.render import page
from featherweight.report.page.sections import sections

__all__ = ["Story", "page", "read_story", "sections", "write_data", "write_figures"]
