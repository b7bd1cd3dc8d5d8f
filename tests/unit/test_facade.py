"""What `import wisp` gives is what it says it gives."""

import ast
import subprocess
import sys
from pathlib import Path

import wisp


def test_the_facade_exports_what_it_imports_and_nothing_else() -> None:
    tree = ast.parse(Path(wisp.__file__).read_text())
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert set(wisp.__all__) == imported | {"__version__"}
    assert all(hasattr(wisp, name) for name in wisp.__all__)


def test_importing_wisp_loads_neither_the_core_nor_what_is_slow_to_import() -> None:
    script = "import sys, wisp; print(*{'wisp._core', 'pydantic', 'httpx', 'asyncio'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "\n"
