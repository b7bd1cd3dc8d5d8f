"""C: a header and its source from the world, and a file with a function for each export."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wisp.build import bindings
from wisp.build.c import BUILDER
from wisp.build.setup.files import Plan

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.build.worlds import World

LIBRARY: Final = """\
/* What the world `{world}` exports. `wisp build` makes {stem}.h of the folder wit; the one in `bindings` is for your editor. */

#include "{stem}.h"

#include <stdlib.h>
{functions}"""

SERVICE: Final = """\
/* A service that imports what {stem}.h has. `wisp build` makes it of the folder wit; the one in `bindings` is for your editor. */

#include <wisp.h>

#include "{stem}.h"

void wisp_handle(wisp_request *request, wisp_response *response) {{
    wisp_problem(response, 501, "not implemented", NULL);
}}
"""

_REGION: Final = re.compile(
    r"^// Exported Functions from .*?(?=^// Helper Functions|\Z)", re.MULTILINE | re.DOTALL
)
_FUNCTION: Final = re.compile(r"(?:^//(?! Exported Functions).*\n)*^(?!//)(\S.*\));$", re.MULTILINE)
_RESOURCE: Final = re.compile(r"^typedef struct (exports_\w+_t) \1;$", re.MULTILINE)
_DESTRUCTOR: Final = re.compile(r"^(void exports_\w+_destructor\(\w+ \*rep\));$", re.MULTILINE)


def plan(folder: Path, world: World, _language: str) -> Plan:
    """Say what a project in C needs for its world."""
    made = bindings.generate(world, "c")
    name, header = next((name, text) for name, text in made.items() if name.endswith(".h"))
    stem = name.removesuffix(".h")
    if world.is_library:
        file, text = f"{stem}.c", LIBRARY.format(world=world.name, stem=stem, functions=_functions(header))
    else:
        file, text = "service.c", SERVICE.format(stem=stem)
    begun = {} if _has_sources(folder, file) else {file: text}
    return Plan(
        generated={f"{bindings.FOLDER}/{name}": text for name, text in made.items()},
        begun=begun,
        next=(f"fill in the functions in {file}" if begun else f'include "{name}" in your sources',),
    )


def _has_sources(folder: Path, file: str) -> bool:
    """Whether the project's own sources are elsewhere than in the file that we would begin."""
    return any(path != folder / file for path in BUILDER.sources(folder))


def _functions(header: str) -> str:
    parts = [
        f"struct {name} {{\n    int unused; /* what an instance of the resource is */\n}};"
        for name in _RESOURCE.findall(header)
    ]
    for region in _REGION.findall(header):
        for match in _FUNCTION.finditer(region):
            comment = match[0][: match.start(1) - match.start(0)]
            parts.append(f"{comment}{match[1]} {{\n    abort(); /* not implemented */\n}}")
    parts += [f"{signature} {{\n    free(rep);\n}}" for signature in _DESTRUCTOR.findall(header)]
    return "".join(f"\n{part}\n" for part in parts)
