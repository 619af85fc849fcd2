"""The demo: all processes on one machine, with the sandbox as the providers. No phone rings."""
