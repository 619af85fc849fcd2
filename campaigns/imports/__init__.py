"""From an uploaded file to contacts: format, columns, rows, upsert, undo. Reads and writes; sends nothing."""
