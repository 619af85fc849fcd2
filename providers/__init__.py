"""How to reach a provider: accounts, assistants, caller numbers, adapters, and a sandbox of fake providers."""
