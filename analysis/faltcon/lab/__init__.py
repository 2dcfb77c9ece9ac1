"""The lab: drives real programs and records them into `data/raw`."""
