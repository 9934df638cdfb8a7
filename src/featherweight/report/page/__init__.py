"""One page about one or more runs: what was learned, how surely, and where it fails.

```
blocks.py                the parts of a page: paragraphs, tables, pictures, tiles, in sections
load_runs.py             reads the runs: records, weights, answers, and a sentence for each thing that is missing
tables.py                records and answers as tables
cards.py                 what is read first: five figures, how to repeat a run, what its network needs on a chip
sections.py              the sections in reading order, and those on all runs together
experiment_sections.py   the sections on one experiment: network, classes, mistakes, samples
render.py                sections as one self-contained HTML file, or as PNG, SVG, CSV and JSON
```

Its words are in `templates/texts.toml`, its HTML in `templates/page.html.j2`.
"""

from featherweight.report.page.load_runs import Story, read_story
from featherweight.report.page.render import page, write_data, write_figures
from featherweight.report.page.sections import sections

__all__ = ["Story", "page", "read_story", "sections", "write_data", "write_figures"]
