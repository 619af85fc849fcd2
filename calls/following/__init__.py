"""From a placed call to its outcome: poll, reconcile, receive status callbacks. Reads, writes and sends."""
