"""python -m benchmarks --files: folders and buckets of compressed logs to Parquet, and what each part of that costs."""
