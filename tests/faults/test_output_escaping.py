"""Texts that end comments, strings, tags, cells and lines: nothing of them gets out of any file that is written."""

import ast
import io
import tokenize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faults import output_escaping
from featherweight.escape import c_string, csv_cell, in_c_comment, in_docstring, markdown, printable, python_string

PIECES = st.sampled_from(
    (*output_escaping.NASTY, "*", "/", "\\", "?", '"', "'", "\n", "\r", "`", "|", "<", ">", "&", "=", "{", "}")
)
TEXTS = st.one_of(st.lists(PIECES, max_size=5).map("".join), st.text(max_size=40)).map(lambda text: text[:255])
QUICK = settings(max_examples=200, deadline=None)
SLOW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(TEXTS)
def test_a_comment_of_c_holds_its_text(text: str) -> None:
    inside = in_c_comment(text)
    assert inside.isascii() and inside.isprintable()
    assert not {"*/", "/*", "??"} & {inside[at : at + 2] for at in range(len(inside))} and not inside.endswith("\\")


@QUICK
@given(TEXTS)
def test_a_string_of_python_is_its_text(text: str) -> None:
    assert ast.literal_eval(python_string(text)) == text
    (string,) = [one for one in tokenize.generate_tokens(io.StringIO(python_string(text)).readline) if one.type == 3]
    assert string.string == python_string(text)
    docstring = ast.parse(f'"""Told of {in_docstring(text)}."""\n').body
    assert len(docstring) == 1 and ast.literal_eval(docstring[0].value) == f"Told of {text}."  # type: ignore[attr-defined]


@QUICK
@given(TEXTS)
def test_terminals_tables_and_markdown_get_no_more_than_a_text(text: str) -> None:
    assert (
        printable(text).isprintable()
        and output_escaping.csv_table(text) == ""
        and output_escaping.markdown_table(text) == ""
    )


@SLOW
@given(st.lists(TEXTS, min_size=20, max_size=40))
def test_strings_of_c_are_compiled_to_their_bytes(texts: list[str]) -> None:
    assert output_escaping.c_names(texts) == ""


@SLOW
@given(TEXTS)
@pytest.mark.parametrize("exit", ["C", "Python", "a study's proposal", "drawing page"])
def test_nothing_gets_out_of_a_file(exit: str, text: str) -> None:
    assert output_escaping.EXITS[exit](text) == ""


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '`rm -rf` " onload="x', "$\\bad$ ]]> \x1b[2J"])
def test_nothing_gets_out_of_a_report(text: str) -> None:
    assert output_escaping.report_page(text) == ""


def test_what_was_seen_to_get_out_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each check, with its escape left out, tells that something got out."""
    from featherweight.export import c_source
    from featherweight.report.page import render as export
    from featherweight.search import source

    monkeypatch.setattr(c_source, "in_c_comment", str)
    monkeypatch.setattr(source, "in_docstring", str)
    monkeypatch.setattr(export, "csv_cell", lambda cell: cell)
    monkeypatch.setattr(output_escaping, "markdown", str)
    assert output_escaping.c_program("*/ int evil = 1; /*") == "tiny.h has other code"
    assert output_escaping.python_file('"""\nimport os\n"""') == "the file has other code"
    assert (
        output_escaping.csv_table("=1+1") == "a cell is a formula"
        and output_escaping.markdown_table("<b>") == "the table has other parts"
    )


def test_what_needs_no_escape_stays_as_it_is() -> None:
    assert in_c_comment("f3, seed 3: 7,864 parameters, 99.45 % of 10,000 test images") == (
        "f3, seed 3: 7,864 parameters, 99.45 % of 10,000 test images"
    )
    assert c_string("ankle boot") == '"ankle boot"' and python_string("trial 7") == '"trial 7"'
    assert csv_cell(-1.5) == -1.5 and csv_cell("shoe") == "shoe" and markdown("99.4 %, 7,864") == "99.4 %, 7,864"
