"""Files of experiments, read as source text."""

import ast


def network_call(source: str) -> ast.Call:
    """The Sequential that the file's network function returns."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    assert [function.name for function in functions] == ["network"]
    returned = functions[0].body[-1]
    assert isinstance(returned, ast.Return) and isinstance(returned.value, ast.Call)
    return returned.value
