"""Figures: a table in, a matplotlib Figure out. Nothing here reads or measures."""
