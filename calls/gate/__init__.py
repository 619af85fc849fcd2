"""Whether a call may be placed now, and with what. Reads; writes only the token buckets; sends nothing."""
