"""The OpenAPI document, derived from the views: requests, responses and errors. Reads nothing from the database."""
