"""Makes everything in this repository that quotes a record, from `results/`: `python -m docs.build`.

```
__main__.py          the command: trains a ladder's missing runs if asked, then writes
publish.py           every output and its path; what is up to date is left alone
docstrings.py        Result and Analysis in a rung's file
ladders.py           pages of the ladders; published.py and statements.py are what their sources print and state
records.py           pages of the records; export_tables.py and fits_table.py are tables in hand-written pages
templates/           the pages and tables as one sees them; rendering.py fills them in
pictures.py          curves and fronts, each with a digest of its figures
```

It imports the package; the package never imports it.
"""
