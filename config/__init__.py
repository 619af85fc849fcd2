"""Settings, URLs, the OpenAPI document and the demo. No other room imports it."""
