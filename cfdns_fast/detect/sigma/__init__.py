"""Sigma rules: read YAML, check it, and compile it to conditions.

- `nodes`: YAML as nodes with lines, within limits.
- `reader`: a document as a rule, with all of its faults.
- `fields`, `strings`, `items`: fields, values and modifiers.
- `conditions`, `grammar`: the tree of a condition, and the language that it is written in.
- `regex_parser`, `regex_literals`, `automaton`: regular expressions that run in linear time.
- `faults`: what is wrong with a rule.
"""
