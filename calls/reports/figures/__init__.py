"""The figures that pages, the API, files and events show, each computed in one place. docs/figures.md lists them.

Reads; never writes or sends. A page only lays a figure out: it neither counts rows nor decides what belongs to it.
"""
