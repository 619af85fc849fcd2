"""Fake providers behind real HTTP: four documented APIs, scripted numbers, real clocks, and a journal of every dial.

The sandbox stands on the other side of the wire. It knows neither Django nor our adapters: what it accepts and answers
was written from the providers' pages alone, so a mistake in an adapter is refused here as it would be there.
"""
