"""Database helpers: encrypted fields and support for migrations."""
