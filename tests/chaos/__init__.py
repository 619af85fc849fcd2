"""Run campaigns over all four fake providers while everything fails, and judge the run by the providers' journal.

Run `python -m tests.chaos --help`. docs/chaos.md says what is injected and what is judged.
"""
