"""From sources to components: one builder for each guest language, and a cache in front of all of them."""

from wisp.build.builder import Builder, BuildRequest, Pin, Report, Tool
from wisp.build.components import BuildResult, Project, build_component
from wisp.build.languages import builders, detect

__all__ = [
    "BuildRequest",
    "BuildResult",
    "Builder",
    "Pin",
    "Project",
    "Report",
    "Tool",
    "build_component",
    "builders",
    "detect",
]
