"""The do-not-call list: its entries, its file format and its bulk import. Reads and writes; sends nothing."""
