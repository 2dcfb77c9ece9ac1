"""Kernels with and without the FALTCON series: fetched, built, booted, tested, measured."""
