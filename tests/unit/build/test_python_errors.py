from __future__ import annotations

from pathlib import Path

from wisp.build.python_errors import explain
from wisp.build.python_project import PythonProject
from wisp.errors import BuildError, ToolchainError

PROJECT = PythonProject(Path("/project"), "app", (".", "src"), (), None, frozenset(), None)

FRAME = '  File "/4/wisp_entry.py", line 3, in <module>\n    _module = importlib.import_module("app")\n'
IMPORTLIB = '  File "/python/importlib/__init__.py", line 88, in import_module\n    return _bootstrap._gcd_import(name)\n'


def failed(traceback: str, cause: str) -> str:
    head = 'Traceback (most recent call last):\n  File "/bin/componentize-py", line 12, in <module>\n    sys.exit(script())\n'
    backtrace = "Stack backtrace:\n   0: <anyhow::Error>::msg\n"
    return f"{head}AssertionError: {traceback}\n\n\nCaused by:\n    {cause}\n\n{backtrace}"


def test_an_import_error_names_the_innermost_line_of_the_project() -> None:
    error = "ModuleNotFoundError: No module named 'numpy'"
    own = '  File "/0/app.py", line 2, in <module>\n    import helper\n  File "/1/helper.py", line 1, in <module>\n    import numpy\n'
    traceback = f"Traceback (most recent call last):\n{FRAME}{IMPORTLIB}{own}{error}"

    found = explain(failed(traceback, error), PROJECT, "one")

    assert (found.message, found.component) == (error, "one")
    assert (found.file, found.line) == (Path("/project/src/helper.py"), 1)
    assert found.hint == "declare the package that brings `numpy` in pyproject.toml or requirements.txt"
    assert found.output == (
        "Traceback (most recent call last):\n"
        '  File "app.py", line 2, in <module>\n    import helper\n'
        '  File "src/helper.py", line 1, in <module>\n    import numpy\n' + error
    )


def test_a_module_that_webassembly_has_not_is_told_apart() -> None:
    error = "ModuleNotFoundError: No module named '_ssl'"
    traceback = f'Traceback (most recent call last):\n{FRAME}  File "/0/app.py", line 1, in <module>\n    import ssl\n{error}'

    found = explain(failed(traceback, error), PROJECT, "one")

    assert found.hint is not None
    assert "does not exist inside WebAssembly" in found.hint


def test_a_syntax_error_has_its_own_line() -> None:
    error = "SyntaxError: invalid syntax"
    own = f'  File "/0/app.py", line 2\n    def f(:\n          ^\n{error}'

    found = explain(failed(f"Traceback (most recent call last):\n{FRAME}{own}", error), PROJECT, "one")

    assert (found.message, found.file, found.line) == (error, Path("/project/app.py"), 2)


def test_no_network_is_a_toolchain_error() -> None:
    text = "error: Failed to fetch: `https://index/simple/componentize-py/`\n  cause: dns error\n"

    found = explain(text, PROJECT, "one")

    assert isinstance(found, ToolchainError)
    assert "componentize-py cannot be fetched" in found.message


def test_any_other_failure_keeps_its_cause() -> None:
    text = (
        "Traceback\nAssertionError: unable to parse WIT\n\nStack backtrace:\n   0: componentize_py::command\n"
    )

    found = explain(text, PROJECT, "one")

    assert type(found) is BuildError
    assert found.message == "unable to parse WIT"
    assert found.output == "Traceback\nAssertionError: unable to parse WIT\n"
