"""From a due recipient to one request to a provider: enqueue, claim, place. Reads, writes and sends."""
