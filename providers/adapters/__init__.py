"""Pure translators between our orders and a provider's HTTP API: build requests, read answers; `http` sends."""
