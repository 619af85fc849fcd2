"""Compare the database with the dial journal, and do again what a restored database forgot. Reads and writes."""
