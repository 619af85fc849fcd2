"""Campaigns over all four providers while everything goes wrong, judged by the fake providers' own journal.

`python -m tests.chaos --help`; what is injected and what is judged stands in `docs/chaos.md`.
"""
