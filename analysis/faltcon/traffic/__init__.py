"""Captures: packets to connections, transactions, f-keys and f-pairs."""
