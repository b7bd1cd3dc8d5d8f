"""The tree of exceptions is what its docstring draws."""

import inspect
from pathlib import Path

from wisp import errors


def classes() -> dict[str, type[errors.WispError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.WispError)
    }


def test_every_error_is_exported_and_drawn() -> None:
    assert sorted(classes()) == sorted(errors.__all__)
    assert errors.__doc__
    for name in classes():
        assert f" {name} " in errors.__doc__


def test_every_error_can_be_raised_with_nothing_but_a_message() -> None:
    for error in classes().values():
        raised = error("it broke")

        assert str(raised) == raised.message == "it broke"
        assert raised.hint is None
        assert raised.exit_code == 1


def test_an_error_carries_its_subject() -> None:
    error = errors.ManifestError("no", path=Path("wisp.toml"), line=3, column=1, key="app.name")

    assert (error.path, error.line, error.column, error.key) == (Path("wisp.toml"), 3, 1, "app.name")


def test_a_missing_tool_hints_at_how_to_install_it() -> None:
    error = errors.ToolchainError("cargo is missing", tool="cargo", install="rustup")

    assert error.hint == "rustup"
    assert isinstance(error, errors.BuildError)
