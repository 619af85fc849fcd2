"""The OpenAPI document of the API, derived from the views: what they take, give and refuse."""
