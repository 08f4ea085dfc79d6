"""Benchmarks of cfdns_fast: a seeded corpus, peers whose answers are checked, a floor, and speed targets."""
