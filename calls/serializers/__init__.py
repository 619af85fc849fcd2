"""Read-only shapes of calls and campaigns for the API and for webhooks. Reads; never writes or sends."""
