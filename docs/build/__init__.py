"""Makes everything in this repository that quotes a record, from `results/`: `python -m docs.build`.

```
__main__.py          the command: trains a ladder's missing runs if asked, then writes
publish.py           every output and its path; what is up to date is left alone
docstrings.py        Result and Analysis in a rung's file
ladders.py           pages of the ladders; published.py and statements.py are what their sources print and state
leaderboard.py       pages of the records
templates/           the pages as one sees them
pictures.py          curves and fronts, each with a digest of its figures
```

It imports the package; the package never imports it.
"""
