"""Sets a guest project up for the world in its folder `wit`: what `wisp wit init` writes. One file per language.

There are two kinds of files. *Generated* ones say in the language what the WIT says; they lie apart, in the folder `bindings`, and
each run makes them anew. *Begun* ones are a person's to go on with: they are written where there are none, and never again.
"""

from wisp.build.setup.files import Outcome, Plan, apply
from wisp.build.setup.languages import LANGUAGES, plan

__all__ = ["LANGUAGES", "Outcome", "Plan", "apply", "plan"]
"""What `wisp wit init` uses."""
