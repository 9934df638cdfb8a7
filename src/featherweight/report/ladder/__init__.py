"""The page of a ladder, computed from its experiments and their records: as Markdown, and as one HTML file.

```
tables.py          the tables on it: summary, layers, result, log, claims
page.py            what is written of each rung, and the two pages
ladder.md.j2       the page as Markdown; ladder.html.j2 as HTML
```
"""

from featherweight.report.ladder.page import RungView, environment, html_page, markdown_page, rung_view

__all__ = ["RungView", "environment", "html_page", "markdown_page", "rung_view"]
