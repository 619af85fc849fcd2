"""Settings, addresses, the OpenAPI document and the demo. Nothing imports it."""
