"""A campaign simulated ahead with the gate's own code: when it ends, what it costs. Reads; never writes or sends."""
