"""FALTCON, the enhanced control path for repeated TCP connections, made checkable.

The package follows the flow of the data: `lab` records, `perf` and `traffic`
parse the recordings into tables, `figures` draws the tables, `model` is the
executable specification of the paper's section 3.
"""

__version__ = "0.1.0"
