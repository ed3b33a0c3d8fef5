"""Measurements: `make bench`, or `make bench ONLY=name` for one.

Each bench yields rows {name, value, unit, baseline, ratio}; both sides of a ratio come from the same
run on the same inputs. Values are medians.
"""
