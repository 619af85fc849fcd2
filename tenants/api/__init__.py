"""What every API view shares: authentication, permissions, errors, fields, idempotency; and its own resources."""
