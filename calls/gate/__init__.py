"""Decides whether a call may be placed now, and selects assistant and caller number. Reads; writes only rate limits and
paces; sends nothing."""
