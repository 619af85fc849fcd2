"""Deliberate bugs, planted one at a time in a copy of the code. A test must catch each of them."""
