"""Text escaped for the format that it is written into, so that no name becomes code.

Names of folders and classes, texts of records and studies may hold anything. Whatever writes one of them into a C
comment, a Python file, a table or a terminal puts it through the function of that format. (Jinja escapes HTML itself.)

>>> print(in_c_comment("end */ int x; /*"))
end * / int x; / *
>>> print(in_docstring('say \\"\\"\\"'), python_string('a"b'))
say \\"\\"\\" "a\\"b"
>>> csv_cell("=1+1"), csv_cell(-1.5), markdown("a|b<i>")
("'=1+1", -1.5, 'a\\\\|b&lt;i>')
"""

import json
import re
from pathlib import Path
from typing import TypeVar

Cell = TypeVar("Cell")


def printable(path: Path | str, *, lines: bool = False) -> str:
    """Text as a terminal may have it: control characters escaped, so that a name cannot write on the screen.

    Those that change the direction of text and lone surrogates count among them. With `lines`, new lines are kept.

    >>> print(printable("a\\x1b[2Jb"))
    a\\x1b[2Jb
    """
    return "".join(
        c if c.isprintable() or (lines and c == "\n") else c.encode("unicode_escape", "replace").decode()
        for c in str(path)
    )


def in_c_comment(text: str) -> str:
    """Text for a comment of C, of either kind: ASCII on one line, which neither ends the comment nor continues it.

    A backslash at the end of a line, or the trigraph for one, would take the next line into a comment of `//`.

    >>> print(in_c_comment("é and\\n#define"), in_c_comment("dir\\\\"))
    \\u00e9 and\\n#define dir\\\\.
    """
    plain = json.dumps(text)[1:-1].replace("\x7f", "\\u007f").replace("??", "? ?").replace("??", "? ?")
    while "*/" in plain or "/*" in plain:  # once is not enough for "*/*"
        plain = plain.replace("*/", "* /").replace("/*", "/ *")
    return f"{plain}." if plain.endswith("\\") else plain


def c_string(text: str) -> str:
    """Text as a string of C, quotes included, its bytes beyond ASCII as octal.

    >>> print(c_string('a"b'), c_string("é"), c_string("??/"))
    "a\\"b" "\\303\\251" "\\077\\077/"
    """
    if text.isascii() and text.isprintable() and "?" not in text:
        return json.dumps(text)
    encoded = text.encode("utf-8", "backslashreplace")
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in encoded) + '"'


def python_string(text: str) -> str:
    """Text as a string of Python, in double quotes.

    >>> eval(python_string("\\u202e\\n'\\"\\\\")) == "\\u202e\\n'\\"\\\\"
    True
    """
    return f'"{in_docstring(text)}"'


def in_docstring(text: str) -> str:
    """Text between quotes of Python, single or tripled: backslashes, double quotes and control characters escaped."""
    return "".join(
        f"\\{c}" if c in '\\"' else c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def csv_cell(value: Cell) -> Cell | str:
    """A table's value: text that a spreadsheet would take for a formula gets an apostrophe in front; numbers stay."""
    if not isinstance(value, str):
        return value
    shown = printable(value, lines=True)
    return f"'{shown}" if re.match(r"\s*[=+\-@]", value) else shown


def markdown(text: str) -> str:
    """Text in a line or a table's cell of Markdown: what would be markup is shown as it was given.

    >>> print(markdown("[x](javascript:y) `rm` *b*"))
    \\[x\\](javascript:y) \\`rm\\` \\*b\\*
    """
    shown = re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", printable(text))
    return shown.replace("&", "&amp;").replace("<", "&lt;")
