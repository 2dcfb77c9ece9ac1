"""Profiles: `perf script` text to samples, classes, folded stacks and flamegraphs."""
