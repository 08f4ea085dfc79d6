"""Compile a mapping into the plan that the compiled core executes."""
