"""From a due recipient to one request at a provider: enqueue, claim, place. Reads, writes and sends."""
