"""Benchmarks of cfdns_fast: a seeded corpus, checked peers, a floor, and the targets the project holds itself to."""
