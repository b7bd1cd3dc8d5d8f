"""The C builder with the real zig."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.build.projects import build, write
from wisp import native
from wisp.build.c import BUILDER
from wisp.errors import BuildError
from wisp.registry.cache import Cache

# The first run of all fetches zig and compiles WASI's C library.
pytestmark = pytest.mark.timeout(600)

TEMPLATE = Path(native.__file__).parents[1] / "templates" / "c"
HANDLER = "#include <wisp.h>\n\nvoid wisp_handle(wisp_request *request, wisp_response *response) {\n"


@pytest.fixture
def work() -> Path:
    """Beside the work folders of real builds, so that they share what zig has compiled."""
    return Cache.open().folder("work", "test-c")


def test_the_template_becomes_a_small_component_that_answers_http(work: Path) -> None:
    component = build(BUILDER, TEMPLATE, work)

    info = native.inspect(component)

    assert (info.kind, info.http) == ("component", "0.2")
    assert len(component) < 100_000


def test_files_in_folders_are_compiled_and_headers_are_found(tmp_path: Path, work: Path) -> None:
    write(
        tmp_path,
        include__greeting_h="const char *greeting(void);\n",
        src__greeting_c='#include "greeting.h"\nconst char *greeting(void) { return "hello"; }\n',
        src__service_c=f'#include "greeting.h"\n{HANDLER}    wisp_print(response, "%s", greeting());\n}}\n',
    )

    info = native.inspect(build(BUILDER, tmp_path, work))

    assert info.http == "0.2"


def test_an_error_of_the_compiler_names_file_and_line(tmp_path: Path, work: Path) -> None:
    folder = write(tmp_path, service_c=f"{HANDLER}    unknown(response);\n}}\n")

    with pytest.raises(BuildError, match="undeclared function 'unknown'") as caught:
        build(BUILDER, folder, work)

    assert (caught.value.component, caught.value.file, caught.value.line) == (
        "service",
        folder / "service.c",
        4,
    )


def test_a_project_without_a_handler_is_told_so(tmp_path: Path, work: Path) -> None:
    folder = write(tmp_path, service_c="int answer(void) { return 42; }\n")

    with pytest.raises(BuildError, match="no file defines `wisp_handle`") as caught:
        build(BUILDER, folder, work)

    assert "wisp.h" in (caught.value.hint or "")


def test_a_missing_header_names_file_and_line(tmp_path: Path, work: Path) -> None:
    folder = write(tmp_path, service_c='#include "absent.h"\n')

    with pytest.raises(BuildError, match=r"'absent\.h' file not found") as caught:
        build(BUILDER, folder, work)

    assert (caught.value.file, caught.value.line) == (folder / "service.c", 1)


def test_a_folder_with_c_files_is_a_c_project(tmp_path: Path) -> None:
    write(tmp_path, a__src__main_c="", b__service_c="", c__notes_txt="")

    assert [BUILDER.detect(tmp_path / name) for name in ("a", "b", "c")] == [True, True, False]
