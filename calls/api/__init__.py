"""The HTTP API of calls, and of the objects of other rooms that need to know about calls. Calls `actions` to write."""
