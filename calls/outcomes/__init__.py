"""The only writer of a call's status after the claim. Reads and writes; sends nothing."""
