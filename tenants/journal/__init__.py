"""The dial journal: append-only files beside the database, to compare a restored database with. Sends nothing."""
