"""Texts with one generated part: the text between two marks is replaced, the rest is kept."""

from featherweight.errors import UsageError


def with_part_between(text: str, marks: tuple[str, str], part: str, where: object) -> str:
    """The text with the lines between its two marks replaced; UsageError, naming the file, if a mark is missing.

    >>> with_part_between("before <a> old <b> after", ("<a>", "<b>"), "new", "notes.md")
    'before <a>\\nnew\\n<b> after'
    """
    begin, end = marks
    before, opened, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise UsageError(f"{where} lacks the marks around what is written into it: {begin} and, after it, {end}")
    return f"{before}{begin}\n{part}\n{end}{after}"
