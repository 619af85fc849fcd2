"""Fake providers over real HTTP: four documented APIs, scripted numbers, real time, and a journal of every dial.

The sandbox is the other end of the connection. It imports neither Django nor the adapters. It is written from the
providers' pages alone, so it refuses an adapter's mistake as the provider would.
"""
