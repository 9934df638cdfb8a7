"""One page about one or more runs: what was learned, how surely, and where it fails.

```
content.py     the parts of a page: paragraphs, tables, pictures, tiles, in sections
story.py       reads the runs: records, weights, answers, and a sentence for each thing that is missing
tables.py      records and answers as tables
headline.py    five figures to read first
cards.py       how to repeat a run, and what its network needs on a chip
overview.py    the sections on all runs together: verdict, training, comparison
details.py     the sections on one experiment: its network and its classes
images.py      its mistakes, samples, and training images; pixels.py embeds them in the page
page.py        sections -> one self-contained HTML file (page.html.j2, page.css)
export.py      the same sections as PNG and SVG, CSV and JSON
```
"""

from featherweight.explain.report.export import write_data, write_figures
from featherweight.explain.report.page import page
from featherweight.explain.report.sections import sections
from featherweight.explain.report.story import Story, read_story

__all__ = ["Story", "page", "read_story", "sections", "write_data", "write_figures"]
