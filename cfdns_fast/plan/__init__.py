"""Compile a mapping to the plan that the compiled core executes.

`compiler` creates the plan from four parts: `slots` (how sources are read), `steps` (how NDJSON and dicts are written),
`columns` (the columns of an Arrow batch) and `suffix_table` (the suffix rules).
"""

from .compiler import compile_plan

__all__ = ["compile_plan"]
